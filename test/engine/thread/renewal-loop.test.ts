import { beforeEach, expect, test } from '@jest/globals';
import { type LockStore, type Renewal, type RenewalAnswer, StoreError } from '../../../src/engine/store.js';
import type { FromThread } from '../../../src/engine/thread/messages.js';
import { RenewalLoop } from '../../../src/engine/thread/renewal-loop.js';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import { SharedHold } from '../../../src/engine/thread/shared-hold.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const TTL = 3_000;

let clock: FakeClock;
let shared: SharedClock;
let loop: RenewalLoop;
let sent: (Renewal & { at: number })[];
let batches: number[];
let told: FromThread[];
/** What the store answers to a renewal. */
let answer: (renewal: Renewal) => RenewalAnswer | Promise<RenewalAnswer>;

beforeEach(() => {
  clock = new FakeClock();
  shared = new SharedClock(clock, SharedClock.time());
  shared.tick();
  [sent, batches, told] = [[], [], []];
  answer = () => 'renewed';
  const store: Pick<LockStore, 'limits' | 'open' | 'renew'> = {
    limits: { fencesPerClaim: 0, renewBatch: 4, leaveBatch: 4 },
    open: (events) => events.ready(),
    renew: (batch) => {
      batches.push(batch.length);
      sent.push(...batch.map((renewal) => ({ ...renewal, at: clock.now() })));
      return Promise.all(batch.map(answer));
    },
  };
  loop = new RenewalLoop(store as LockStore, clock, shared, (message) => told.push(message));
  told.length = 0;
});

/** The main thread tells of a hold. */
function tell(id: number, { until = Infinity, maxBlock = Infinity } = {}): SharedHold {
  const memory = SharedHold.memory(shared, clock.now() + TTL, 0, TTL);
  const sharedUntil = shared.toShared(until);
  const renew = {
    id,
    key: `k${id}`,
    token: `t${id}`,
    mode: 'write',
    memory,
    until: sharedUntil,
    maxBlock,
  } as const;
  loop.receive({ renew });
  return new SharedHold(memory, shared, { until, maxBlock });
}

const times = () => sent.map(({ at }) => at);

test('renews at a third of the ttl, with growing numbers, for as long as the hold is shared', async () => {
  const hold = tell(1);
  await clock.advance(60_000);
  expect(hold.validUntil).toBeGreaterThan(clock.now() + TTL / 2);
  expect(sent.length).toBeGreaterThanOrEqual(59);
  expect(sent.length).toBeLessThanOrEqual(67);
  expect(sent.map(({ sequence }) => sequence)).toEqual(sent.map((_, index) => index + 1));
  expect(sent[0]).toMatchObject({ key: 'k1', token: 't1', mode: 'write', ttl: TTL });
});

test('holds of one ttl are renewed together, as many in a call as the store takes', async () => {
  for (let id = 0; id < 10; id++) tell(id);
  await clock.advance(1_000);
  expect(batches).toEqual([4, 4, 2]);
  loop.receive({ forget: [0, 1] });
  await clock.advance(1_000);
  expect(batches.slice(3)).toEqual([4, 4]);
});

test('a call of the store without an answer delays no other', async () => {
  const holds = Array.from({ length: 5 }, (_, i) => tell(i + 1));
  answer = ({ token }) => (token === 't1' ? new Promise(() => {}) : 'renewed');
  await clock.advance(TTL);
  // Those of its own call wait with it.
  expect(holds.map(({ loss }) => loss).sort()).toEqual([...Array(4).fill('backend'), undefined]);
});

test('after the release nothing is sent, whether or not the thread has been told', async () => {
  const hold = tell(1);
  await clock.advance(2_500);
  const before = sent.length;
  expect(before).toBeGreaterThanOrEqual(2);
  hold.end('released');
  await clock.advance(10_000);
  expect(sent.length).toBe(before);
  expect(told).toEqual([]);
});

test('a hold that it is told to forget is renewed no more', async () => {
  tell(1);
  loop.receive({ forget: [1] });
  await clock.advance(10_000);
  expect(sent).toEqual([]);
});

test('a release while the answer is awaited is no loss', async () => {
  let reply: (value: RenewalAnswer) => void = () => {};
  answer = () =>
    new Promise((resolve) => {
      reply = resolve;
    });
  const hold = tell(1);
  await clock.advance(1_000);
  expect(hold.end('released')).toMatchObject({ pending: true });
  reply('lost');
  await clock.advance(10_000);
  expect(sent.length).toBe(1);
  expect(told).toEqual([]);
});

test('a hold that is forgotten while the answer is awaited is not told as lost', async () => {
  let reply: (value: RenewalAnswer) => void = () => {};
  answer = () =>
    new Promise((resolve) => {
      reply = resolve;
    });
  const hold = tell(1);
  await clock.advance(1_000);
  hold.end('revoked');
  loop.receive({ forget: [1] });
  reply('renewed');
  await clock.advance(10_000);
  expect([sent.length, told]).toEqual([1, []]);
});

test('a hold that the store has lost is told as stolen, and renewed no more', async () => {
  answer = () => 'lost';
  const hold = tell(1);
  await clock.advance(10_000);
  expect([hold.validUntil, hold.loss]).toEqual([-Infinity, 'stolen']);
  expect(told).toEqual([{ lost: 1 }]);
  expect(sent.length).toBe(1);
});

test('after a fault it tries again until the time is up, which is a loss by the backend', async () => {
  answer = () => new StoreError('down', 'not-sent');
  const hold = tell(1);
  await clock.advance(2_990);
  expect(hold.validUntil).toBeGreaterThan(clock.now());
  await clock.advance(10);
  expect(hold.loss).toBe('backend');
  expect(times().length).toBeGreaterThan(3);
  expect(told).toEqual([{ lost: 1 }]);
});

test('after a fault that passes the hold goes on', async () => {
  answer = () => (clock.now() < 2_000 ? new StoreError('down', 'unknown') : 'renewed');
  const hold = tell(1);
  await clock.advance(30_000);
  expect(hold.validUntil).toBeGreaterThan(clock.now());
});

test('when the heart has stood still for maxBlock it renews no more', async () => {
  const hold = tell(1, { maxBlock: 5_000 });
  await clock.advance(20_000);
  expect(hold.loss).toBe('blocked');
  expect(times().at(-1)).toBeLessThan(5_000);
  expect(times().at(-1)).toBeGreaterThan(3_000);
  expect(told).toEqual([{ lost: 1 }]);
});

test('nothing is renewed beyond maxHold', async () => {
  const hold = tell(1, { until: 10_000 });
  await clock.advance(20_000);
  expect(hold.loss).toBe('maxHold');
  expect(times().at(-1)).toBeLessThan(10_000 - TTL / 3 + 1);
});

test('a hold that is being revoked is told, renewed no more, and lost after its grace', async () => {
  answer = () => ({ revoked: 500 });
  const hold = tell(1);
  await clock.advance(1_100);
  expect(told).toEqual([{ revoked: 1, grace: 500 - 1 - 0.5 }]);
  expect(hold.validUntil).toBeLessThanOrEqual(1_500);
  await clock.advance(10_000);
  expect(hold.loss).toBe('revoked');
  expect(sent.length).toBe(1);
});

test('a ttl that is set counts from the next renewal on', async () => {
  const hold = tell(1);
  hold.ttl = 600;
  loop.receive({ retimed: 1 });
  await clock.advance(2_700);
  // The longer time that was there is used first.
  expect(times()[0]).toBeGreaterThan(2_300);
  await clock.advance(2_500);
  expect(sent.length).toBeGreaterThan(10);
  expect(sent.every(({ ttl }) => ttl === 600)).toBe(true);
});

test('a ttl that is set while an answer is awaited does not make the time longer than what was asked for', async () => {
  let reply: (value: RenewalAnswer) => void = () => {};
  answer = () =>
    new Promise((resolve) => {
      reply = resolve;
    });
  const hold = tell(1);
  await clock.advance(TTL / 3);
  const [renewal] = sent;
  hold.ttl = 10 * TTL;
  reply('renewed');
  await clock.advance(0);
  expect(hold.validUntil).toBeLessThanOrEqual(renewal!.at + TTL);
  expect(hold.validUntil).toBeGreaterThan(renewal!.at + TTL * 0.99);
});

test('a longer ttl that is set is asked for at once, and a shorter time is renewed in time', async () => {
  const [longer, shorter] = [tell(1), tell(2)];
  longer.ttl = 10 * TTL;
  loop.receive({ retimed: 1 });
  await clock.advance(10);
  expect(sent).toMatchObject([{ key: 'k1', ttl: 10 * TTL }]);
  shorter.endBy(2_000);
  loop.receive({ retimed: 2 });
  await clock.advance(300);
  expect(sent.slice(1)).toMatchObject([{ key: 'k2', ttl: TTL }]);
});

test('a ttl of many years is renewed seldom', async () => {
  const hold = tell(1);
  hold.ttl = 1e12;
  loop.receive({ retimed: 1 });
  await clock.advance(3_600_000);
  expect(sent.length).toBe(1);
  expect(hold.validUntil).toBeGreaterThan(clock.now() + 86_400_000);
});
