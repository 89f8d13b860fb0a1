import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect, jest, test } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.js';
import type { Renewal, RenewingStore } from '../../../src/engine/store.js';
import type { HoldMessage } from '../../../src/engine/thread/messages.js';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import { SharedHold } from '../../../src/engine/thread/shared-hold.js';

test('a worker opens the store by what the driver sent, tells that it is connected, and renews', async () => {
  const { port1: main, port2: parentPort } = new MessageChannel();
  const time = SharedClock.time();
  const workerData = { time, store: { url: 'x://h' } };
  jest.unstable_mockModule('node:worker_threads', () => ({ parentPort, workerData }));
  const { serveRenewals } = await import('../../../src/engine/thread/serve-renewals.js');

  const renewals: Renewal[] = [];
  const store: RenewingStore = {
    limits: { renewBatch: 10 },
    open: ({ ready }) => ready(),
    renew: async (batch) => {
      renewals.push(...batch);
      return batch.map(() => 'lost');
    },
  };
  const opened: unknown[] = [];
  const connected = once(main, 'message');
  await serveRenewals(async (...args) => {
    opened.push(args);
    return store;
  });
  expect(opened).toEqual([[{ url: 'x://h' }, systemClock]]);
  expect(await connected).toEqual([{ ready: true }]);

  const clock = new SharedClock(systemClock, time);
  clock.tick();
  const ttl = 600;
  const memory = SharedHold.memory(clock, clock.now() + ttl, 0, ttl);
  const hold = { key: 'k', token: 't', mode: 'write', until: Infinity, maxBlock: 60_000 } as const;
  const lost = once(main, 'message');
  main.postMessage({ renew: { id: 1, memory, ...hold } satisfies HoldMessage });
  expect(await lost).toEqual([{ lost: 1 }]);
  expect(renewals).toMatchObject([{ key: 'k', token: 't', ttl, sequence: 1 }]);
  expect(new SharedHold(memory, clock, hold).loss).toBe('stolen');
  main.close();
});
