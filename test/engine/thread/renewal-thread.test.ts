import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { Hold } from '../../../src/engine/hold.js';
import type { ToThread } from '../../../src/engine/thread/messages.js';
import { RenewalThread } from '../../../src/engine/thread/renewal-thread.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const TTL = 600;

/** A worker that does nothing. */
class IdleWorker extends EventEmitter {
  constructor(readonly postMessage: (message: ToThread) => void) {
    super();
  }

  unref(): void {}

  async terminate(): Promise<void> {}
}

test('a time that becomes shorter is told to the thread after that, or it would renew too late', async () => {
  const clock = new FakeClock();
  const told: { message: ToThread; left: number }[] = [];
  const worker = new IdleWorker((message) => told.push({ message, left: hold.validUntil - clock.now() }));
  const start = () => worker as unknown as Worker;
  const thread = new RenewalThread(clock, { store: {}, start }, { revoked() {} });
  const request = {
    key: 'k',
    token: 't',
    mode: 'write',
    ttl: TTL,
    wait: 0,
    retryInterval: 100,
    meta: {},
  } as const;
  const granted = { fence: 1, validUntil: clock.now() + TTL, run: [] };
  const hold = new Hold({ id: 'k t', request, mayComeLate: false }, granted, 0, clock.now(), () => {});
  const renewal = thread.renew(hold, {
    ttl: TTL,
    until: Number.POSITIVE_INFINITY,
    maxBlock: 60_000,
    onLost() {},
    onRenewal: undefined,
  });

  renewal!.setTtl(TTL / 2);
  hold.startRenewal(TTL / 2, clock.now());
  expect(told.at(-1)).toMatchObject({ message: { retimed: 1 } });
  expect(told.at(-1)!.left).toBeLessThanOrEqual(TTL / 2);
  expect(told.at(-1)!.left).toBeGreaterThan(TTL * 0.49);

  const { length } = told;
  hold.startRenewal(TTL, clock.now());
  expect(told.length).toBe(length);
  await thread.close();
});
