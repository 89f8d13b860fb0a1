import { describe, expect, test } from '@jest/globals';
import { ModelServer } from '../../src/testing/model-server.js';
import { storeConformance } from '../../src/testing/store-conformance.js';

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
