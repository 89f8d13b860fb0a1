import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, expect, jest, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { Link } from '../../src/engine/link.js';
import { PendingReleases } from '../../src/engine/pending-releases.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { type Outcome, StoreError } from '../../src/engine/store.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

let clock: FakeClock;
let server: ModelServer;
let store: ModelStore;
/** The store refuses to give anything up. */
let unwilling: boolean | Outcome;
/** What was given up: in how many calls, and how many tokens. */
let given: { calls: number; tokens: number };
/** What it was asked to give up. */
let leaves: Parameters<ModelStore['leave']>[];

beforeEach(() => {
  clock = new FakeClock(1_000);
  unwilling = false;
  given = { calls: 0, tokens: 0 };
  leaves = [];
  server = new ModelServer({ clock, micros: 1e15 });
  store = server.connect();
  const { leave, free } = store;
  const count = <T>(tokens: number, call: () => Promise<T>): Promise<T> => {
    given.calls++;
    given.tokens += tokens;
    const outcome = typeof unwilling === 'string' ? unwilling : 'refused';
    return unwilling ? Promise.reject(new StoreError('NOREPLICAS', outcome)) : call();
  };
  Object.assign(store, {
    leave: (...args: Parameters<ModelStore['leave']>) => {
      leaves.push(args);
      return count(args[1].length, () => leave.apply(store, args));
    },
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
  given.calls = 0;
  leaves = [];
  leave(5_000, 12_000, 3_000);
  leave(12_000, 19_000, 60_000);
  await clock.advance(1_500);
  leave(19_000, 25_001, 60_000);
  link.up();
  pending.flush();
  await clock.advance(100);
  const tokens = leaves.flatMap(([, of]) => of);
  expect([tokens.length, tokens[0], tokens.at(-1)]).toEqual([9_001, 't16000', 't25000']);
  // Those of one key go together.
  expect(given.calls).toBeLessThan(50);
  expect(warned.mock.calls.map(([, options]) => options)).toEqual([{ code: 'LATCHKEY_PENDING' }]);
  warned.mockRestore();
  await pending.close();
});

test('where many are pending, those that are over make room first, and the process is not warned', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { releases: pending, link } = releases();
  await clock.advance(10);
  link.down(new LockBackendError('lost'));
  const done = jest.fn();
  pending.leave({ key: 'lock:{a}', token: 'first' }, 60_000, true, done);
  for (let i = 1; i < 10_000; i++) pending.leave({ key: 'lock:{a}', token: `t${i}` }, 2_000, true);
  await clock.advance(2_000 - clock.now());
  pending.leave({ key: 'lock:{a}', token: 'last' }, 60_000, true, done);
  pending.leave({ key: 'lock:{a}', token: 'over' }, 2_000, true);
  link.up();
  pending.flush();
  await clock.advance(10);
  expect(given).toEqual({ calls: 1, tokens: 2 });
  expect(done).toHaveBeenCalledTimes(2);
  expect(warned).not.toHaveBeenCalled();
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
  expect(given.calls).toBe(1);
  expect((await answered(store.read(id.key)))?.holders.length).toBe(1);
  unwilling = false;
  await clock.advance(500);
  expect(await answered(store.read(id.key))).toBe(null);
  await pending.close();
});

test('a hold that a renewal made longer, whose answer was lost, is freed after an outage, and the places it served', async () => {
  const driver = queuedDriver(store, { clock, random: Math.random });
  const ask = (token: string, wait: number) =>
    driver.acquire({
      key: 'lock:{k}',
      token,
      mode: 'write',
      ttl: 30_000,
      wait,
      retryInterval: 100,
      meta: {},
    });
  const asked = [ask('first', 100), ask('second', Infinity), ask('third', Infinity)];
  await clock.advance(100);
  for (const former of asked.slice(0, 2)) {
    const released = driver.release((await former)!);
    await clock.advance(1);
    expect(await released).toBe(true);
  }
  const grant = (await asked[2])!;
  await clock.advance(100);
  // The hold of the second serves the third.
  expect(server.lock('lock:{k}').read()).toMatchObject({ waiters: 1, holders: [{ fence: grant.fence }] });
  const extended = driver.extend(grant, 3_600_000).catch((error) => error.code);
  store.cut({ runLate: 0, reconnect: 120_000 });
  await clock.advance(600);
  expect(await extended).toBe('LOCK_BACKEND');
  await clock.advance(29_500);
  expect(await driver.extend(grant, 30_000)).toBe(null);
  const released = driver.release(grant).catch((error) => error.code);
  await clock.advance(80_000);
  expect(await released).toBe('LOCK_BACKEND');
  expect(store.connected).toBe(false);
  expect(server.lock('lock:{k}').read()!.holders[0]!.ttl).toBeGreaterThan(3_000_000);
  await clock.advance(20_000);
  expect([store.connected, server.lock('lock:{k}').read()]).toEqual([true, null]);
  await Promise.all([driver.close(), clock.advance(1_000)]);
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

test('what the store refuses holds up nothing else that is given up, and is not sent with it', async () => {
  const { releases: pending } = releases();
  await clock.advance(10);
  unwilling = true;
  for (let i = 0; i < 100; i++)
    pending.free({ key: `lock:{${i}}`, token: `t${i}` }, { mode: 'write' }, 3_600_000, true).catch(() => {});
  await clock.advance(10_000);
  given.calls = 0;
  const { leave } = store;
  store.leave = (key, ...args) => {
    unwilling = key !== 'lock:{good}';
    const left = leave.call(store, key, ...args);
    unwilling = true;
    return left;
  };
  const done = jest.fn();
  for (let i = 0; i < 10; i++) {
    pending.leave({ key: 'lock:{good}', token: `u${i}` }, 3_600_000, false, done);
    await clock.advance(10);
    expect([given.calls, done.mock.calls.length]).toEqual([i + 1, i + 1]);
  }
  // Nor is it sent more often since.
  given.calls = 0;
  await clock.advance(20_000);
  expect(given.calls).toBeGreaterThan(2 * 32);
  expect(given.calls).toBeLessThan(6 * 32);
  await pending.close();
});

test('of what waits to be sent again, those come first that were not refused last', async () => {
  const { releases: pending, link } = releases();
  await clock.advance(10);
  link.down(new LockBackendError('lost'));
  for (let i = 0; i < 100; i++) pending.leave({ key: `bad${i}`, token: 't' }, 3_600_000, true);
  const done = jest.fn();
  pending.leave({ key: 'good', token: 't' }, 3_600_000, true, done);
  const { leave } = store;
  store.leave = (key, ...args) => {
    unwilling = key !== 'good';
    return leave.call(store, key, ...args);
  };
  link.up();
  pending.flush();
  await clock.advance(4_000);
  expect(done).toHaveBeenCalledTimes(1);
  await pending.close();
});

test('places are given up by key and by whether a claim may come late, as many in a call as the store takes', async () => {
  const { releases: pending } = releases();
  Object.assign(store, { limits: { ...store.limits, leaveBatch: 2 } });
  await clock.advance(10);
  for (const [key, count, late] of [
    ['a', 3, false],
    ['a', 1, true],
    ['b', 2, false],
  ] as const)
    for (let i = 0; i < count; i++) pending.leave({ key, token: `${key}${i}${late}` }, 60_000, late);
  expect(leaves).toEqual([]);
  await clock.advance(0);
  expect(leaves).toEqual([
    ['a', ['a0false', 'a1false'], false],
    ['a', ['a2false'], false],
    ['a', ['a0true'], true],
    ['b', ['b0false', 'b1false'], false],
  ]);
  await pending.close();
});

test('a place whose leaving failed is given up as late: what was sent before may come after it', async () => {
  const { releases: pending, link } = releases();
  await clock.advance(10);
  unwilling = true;
  const done = jest.fn();
  pending.leave({ key: 'a', token: 't' }, 60_000, false, done);
  await clock.advance(200);
  expect(leaves).toEqual([['a', ['t'], false]]);
  expect(done).not.toHaveBeenCalled();
  unwilling = false;
  const answers = link.count;
  await clock.advance(100);
  expect(leaves.slice(1)).toEqual([['a', ['t'], true]]);
  expect(done).toHaveBeenCalledTimes(1);
  expect([link.count - answers, link.answersFor('').at]).toEqual([1, 1_260]);
  await pending.close();
});

test('so is one that is given up while there is no connection', async () => {
  const { releases: pending, link } = releases();
  await clock.advance(10);
  link.down(new LockBackendError('lost'));
  pending.leave({ key: 'a', token: 't' }, 60_000, false);
  await clock.advance(10);
  link.up();
  pending.flush();
  await clock.advance(10);
  expect(leaves).toEqual([['a', ['t'], true]]);
  await pending.close();
});

test('the pause is a quarter of a second again after the store has taken all', async () => {
  const { releases: pending } = releases();
  await clock.advance(10);
  for (let round = 0; round < 2; round++) {
    unwilling = true;
    pending.leave({ key: 'a', token: `t${round}` }, 3_600_000, false);
    given.calls = 0;
    await clock.advance(240);
    expect(given.calls).toBe(1);
    await clock.advance(5_000);
    // After 0.25, 0.75, 1.75 and 3.75 s.
    expect(given.calls).toBe(5);
    unwilling = false;
    await clock.advance(10_000);
    expect(given.calls).toBe(6);
  }
  await pending.close();
});

test('a release while there is no connection waits half a second for it', async () => {
  const { releases: pending, link } = releases();
  await clock.advance(10);
  const id = { key: 'lock:{k}', token: 't' };
  const claim = { ...id, mode: 'write', limit: 1, ttl: 60_000, meta: {} } as const;
  void store.claim(claim);
  await clock.advance(10);
  const down = (is: boolean) => {
    unwilling = is && 'not-sent';
    if (is) link.down(new LockBackendError('away'));
    else link.up();
  };
  down(true);
  const freed = pending.free(id, { mode: 'write' }, 60_000, true);
  await clock.advance(490);
  expect(given.calls).toBe(1);
  down(false);
  await clock.advance(0);
  expect([await freed, given.calls]).toEqual([true, 2]);

  void store.claim(claim);
  await clock.advance(10);
  down(true);
  const failed = pending.free(id, { mode: 'write' }, 60_000, true).catch((error) => error.message);
  await clock.advance(500);
  expect(await failed).toBe('lock: backend: away');
  // It is freed when the connection is back, and so are those who leave meanwhile.
  pending.leave({ key: 'lock:{l}', token: 'u' }, 60_000, true);
  await clock.advance(10_000);
  expect(given.calls).toBe(3);
  down(false);
  pending.flush();
  const info = store.read(id.key);
  await clock.advance(0);
  expect([given.calls, await info]).toEqual([5, null]);
  await pending.close();
});

test.each([
  ['unknown', true, 'not-held', true],
  ['unknown', false, 'not-held', false],
  ['not-sent', true, 'not-held', false],
  ['not-sent', false, 'freed', true],
] as const)(
  'a release that failed (%s) is sent again; it was ours (%s) and the store says %s: %s',
  async (outcome, surelyOurs, answer, freed) => {
    const { releases: pending, link } = releases();
    await clock.advance(10);
    const answers = [Promise.reject(new StoreError('lost', outcome)), Promise.resolve(answer)];
    store.free = () => answers.shift()!;
    expect(await pending.free({ key: 'a', token: 't' }, { mode: 'write' }, 60_000, surelyOurs)).toBe(freed);
    expect([answers.length, link.count]).toEqual([0, 1]);
    await pending.close();
  },
);

test('at the close, what is on its way is awaited, and nothing is sent after that', async () => {
  const { releases: pending, link } = releases();
  await clock.advance(10);
  store.link.latency = () => 100;
  const freed = pending.free({ key: 'a', token: 't' }, { mode: 'write' }, 60_000, true);
  unwilling = true;
  pending.leave({ key: 'a', token: 'u' }, 60_000, false);
  const closed = jest.fn();
  void pending.close().then(closed);
  await clock.advance(150);
  expect(closed).not.toHaveBeenCalled();
  await clock.advance(100);
  expect(await freed).toBe(false);
  expect(closed).toHaveBeenCalled();
  given.calls = 0;
  unwilling = false;
  pending.leave({ key: 'a', token: 'v' }, 60_000, false);
  link.down(new LockBackendError('away'));
  link.up();
  pending.flush();
  await clock.advance(10_000);
  expect([given.calls, clock.pending]).toEqual([0, 0]);
});

test('of a release that is over, nothing is kept', async () => {
  const { releases: pending } = releases();
  await clock.advance(10);
  const release = async (token: string) => {
    const freed = pending.free({ key: 'a', token }, { mode: 'write' }, 60_000, true);
    await clock.advance(10);
    expect(await freed).toBe(false);
    return new WeakRef(freed);
  };
  const over = [await release('t'), await release('u')];
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  expect(over.map((freed) => freed.deref())).toEqual([undefined, undefined]);
  await pending.close();
});
