import { describe, expect, test } from '@jest/globals';
import { ModelServer } from '../../src/testing/model-server.js';
import { storeConformance } from '../../src/testing/store-conformance.js';
import { sleep } from '../support/wait.js';

describe('the model store, over a connection that takes its time', () => {
  const server = new ModelServer();
  storeConformance({
    createStore: () => server.connect({ link: { latency: () => 1 } }),
    test,
    expect,
    describe,
  });
});

describe('the model store, of a server that tells nothing of dead receivers, without order', () => {
  const server = new ModelServer({ reportsDeadReceivers: false });
  // A clock that nobody sets is right, too: only the server goes by it.
  server.stepClock(-3_600_000);
  storeConformance({ createStore: () => server.connect({ ordered: false }), test, expect, describe });
});

test('a store that counts a grant from when its answer is read fails the suite', async () => {
  const server = new ModelServer();
  const cases = new Map<string, () => Promise<void>>();
  const createStore = () => {
    const store = server.connect({ link: { latency: () => 1 } });
    const claim = store.claim.bind(store);
    return Object.assign(store, {
      claim: async (...asked: Parameters<typeof claim>) => {
        const answer = await claim(...asked);
        // The server stands still with the process here, so only this is surely late.
        await sleep(20);
        return answer.granted ? { ...answer, asOf: performance.now() } : answer;
      },
    });
  };
  storeConformance({ createStore, expect, test: (name, run) => cases.set(name, run) });
  const run = cases.get('a grant counts from before it was made, also where the answer is read late')!;
  await expect(run()).rejects.toThrow(/toBeLessThanOrEqual/);
});
