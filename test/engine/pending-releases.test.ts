import { beforeEach, expect, jest, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { Link } from '../../src/engine/link.js';
import { PendingReleases } from '../../src/engine/pending-releases.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { type Outcome, StoreError } from '../../src/engine/store.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

let clock: FakeClock;
let store: ModelStore;
/** The store refuses to give anything up. */
let unwilling: boolean | Outcome;
/** What was given up: in how many calls, and how many tokens. */
let given: { calls: number; tokens: number };

beforeEach(() => {
  clock = new FakeClock(1_000);
  unwilling = false;
  given = { calls: 0, tokens: 0 };
  store = new ModelServer({ clock, micros: 1e15 }).connect();
  const { leave, free } = store;
  const count = <T>(tokens: number, call: () => Promise<T>): Promise<T> => {
    given.calls++;
    given.tokens += tokens;
    const outcome = typeof unwilling === 'string' ? unwilling : 'refused';
    return unwilling ? Promise.reject(new StoreError('NOREPLICAS', outcome)) : call();
  };
  Object.assign(store, {
    leave: (...args: Parameters<ModelStore['leave']>) =>
      count(args[1].length, () => leave.apply(store, args)),
    free: (...args: Parameters<ModelStore['free']>) => count(1, () => free.apply(store, args)),
  });
});

/** With a connection to the store, once that is up. */
function releases(): { releases: PendingReleases; link: Link } {
  const link = new Link(clock, new LockBackendError('not connected'));
  const nothing = () => {};
  store.open({ ready: () => link.up(), lost: nothing, granted: nothing, revoked: nothing, lookIn: nothing });
  return { releases: new PendingReleases(clock, store, link), link };
}

test('whoever asks while the store is away leaves nothing to be given back', async () => {
  const driver = queuedDriver(store, { clock, random: Math.random });
  await clock.advance(100);
  store.cut({ reconnect: 20_000 });
  const codes = Array.from({ length: 200 }, (_, i) => {
    const request = { key: `lock:{${i % 7}}`, token: `t${i}`, wait: i % 2 ? 1_000 : 0 } as const;
    return driver
      .acquire({ ...request, mode: 'write', ttl: 3_600_000, retryInterval: 100, meta: {} })
      .then(() => 'granted')
      .catch((error) => error.code);
  });
  await clock.advance(3_000);
  expect(new Set(await Promise.all(codes))).toEqual(new Set(['LOCK_BACKEND']));
  await clock.advance(30_000);
  const closed = driver.close();
  await clock.advance(10_000);
  await closed;
  expect(given).toEqual({ calls: 0, tokens: 0 });
});

test('of 25,000 that leave in one turn none is forgotten, and they go together', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { releases: pending } = releases();
  await clock.advance(100);
  for (let i = 0; i < 25_000; i++) pending.leave({ key: 'lock:{a}', token: `t${i}` }, 60_000, false);
  await clock.advance(1_000);
  expect(given.tokens).toBe(25_000);
  expect(given.calls).toBeLessThan(150);
  expect(warned).not.toHaveBeenCalled();
  warned.mockRestore();
});

test('of what cannot be given back the latest 10,000 are kept, as long as the store may have them', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { releases: pending, link } = releases();
  const leave = (from: number, to: number, until: number) => {
    for (let i = from; i < to; i++) pending.leave({ key: 'lock:{a}', token: `t${i}` }, until, true);
  };
  leave(0, 5_000, 2_000);
  await clock.advance(1_500);
  expect(link.ready).toBe(true);
  link.down(new LockBackendError('lost'));
  given = { calls: 0, tokens: 0 };
  leave(5_000, 12_000, 3_000);
  leave(12_000, 19_000, 60_000);
  await clock.advance(1_500);
  leave(19_000, 25_000, 60_000);
  link.up();
  pending.flush();
  await clock.advance(100);
  expect(given.tokens).toBeGreaterThanOrEqual(9_000);
  expect(given.tokens).toBeLessThanOrEqual(10_000);
  // Those of one key go together.
  expect(given.calls).toBeLessThan(50);
  expect(warned.mock.calls.map(([, options]) => options)).toEqual([{ code: 'LATCHKEY_PENDING' }]);
  warned.mockRestore();
  await pending.close();
});

test('a hold that is in use was ours, and is freed once the store lets go of it', async () => {
  const { releases: pending } = releases();
  await clock.advance(10);
  const id = { key: 'lock:{k}', token: 't' };
  const answered = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(10);
    return asked;
  };
  await answered(store.claim({ ...id, mode: 'write', limit: 1, ttl: 60_000, meta: {} }));
  unwilling = 'in-use';
  expect(await answered(pending.free(id, { mode: 'write' }, 3_600_000, true))).toBe(true);
  expect((await answered(store.read(id.key)))?.holders.length).toBe(1);
  unwilling = false;
  await clock.advance(500);
  expect(await answered(store.read(id.key))).toBe(null);
  await pending.close();
});

test('a store that refuses is asked less and less often, some at a time, until it takes them', async () => {
  const { releases: pending } = releases();
  await clock.advance(10);
  unwilling = true;
  const asked = Array.from({ length: 100 }, (_, i) => {
    const id = { key: `lock:{${i}}`, token: `t${i}` };
    return pending.free(id, { mode: 'write' }, 3_600_000, true).catch((error) => error.message);
  });
  await clock.advance(10);
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['lock: backend: NOREPLICAS']));
  given.calls = 0;
  await clock.advance(60_000);
  // After 0.25, 0.75, 1.75 and 3.75 s, then each 5 s: a window of 32 each time.
  expect(given.calls).toBeGreaterThan(10 * 32);
  expect(given.calls).toBeLessThan(18 * 32);
  unwilling = false;
  await clock.advance(5_100);
  given.calls = 0;
  await clock.advance(60_000);
  expect(given.calls).toBe(0);
  await pending.close();
});
