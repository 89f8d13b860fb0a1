import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { type Refused, StoreError } from '../../src/engine/store.js';
import type { AcquireRequest, Grant, LockDriver } from '../../src/lease/driver.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

let clock: FakeClock;
let server: ModelServer;
let store: ModelStore;
let driver: LockDriver;
let other: LockDriver;
/** `clock.now()` at each claim and each release that was sent. */
let claims: number[];
let releases: number[];

beforeEach(async () => {
  clock = new FakeClock(1_000);
  server = new ModelServer({ clock, micros: 1e15 });
  store = server.connect();
  claims = [];
  releases = [];
  const { claim, free } = store;
  store.claim = (...args) => {
    claims.push(clock.now());
    return claim.apply(store, args);
  };
  store.free = (...args) => {
    releases.push(clock.now());
    return free.apply(store, args);
  };
  driver = queuedDriver(store, { clock, random: Math.random });
  other = queuedDriver(server.connect(), { clock, random: Math.random });
  await clock.advance(0);
});

afterEach(async () => {
  server.refusal = undefined;
  const closed = Promise.all([driver.close(), other.close()]);
  await clock.advance(30_000);
  await closed;
  expect(clock.pending).toBe(0);
});

let tokens = 0;

/** Asks, and notes what came of it and after how many ms. */
function ask(of: LockDriver, request: Partial<AcquireRequest> = {}) {
  const asked = clock.now();
  const what: { outcome?: Grant | Error | null; after?: number } = {};
  const settle = (outcome: Grant | Error | null) =>
    void Object.assign(what, { outcome, after: clock.now() - asked });
  tokens += 1;
  of.acquire({
    ...{ key: 'k', token: `t${tokens}`, mode: 'write', ttl: 60_000, wait: 0, retryInterval: 100, meta: {} },
    ...request,
  }).then(settle, settle);
  return what;
}

async function take(of: LockDriver): Promise<Grant> {
  const what = ask(of);
  await clock.advance(0);
  return what.outcome as Grant;
}

describe('a wait', () => {
  test('ends at its hard limit, and is contention where somebody holds the key', async () => {
    await take(other);
    const what = ask(driver, { wait: 250 });
    await clock.advance(249);
    expect(what).toEqual({});
    await clock.advance(3);
    expect(what).toMatchObject({ outcome: null });
    expect(what.after).toBeGreaterThanOrEqual(250);
  });

  test.each([
    ['its ttl', 900, 900],
    ['200 ms, where its ttl is shorter', 30, 200],
    ['2 s, where it is the first and its ttl is longer', 60_000, 2_000],
  ])('looks at the store at least every so often: %s', async (_, ttl, most) => {
    await take(other);
    ask(driver, { ttl, wait: 600_000 });
    await clock.advance(50_000);
    const pauses = claims.slice(1).map((at, i) => at - claims[i]!);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(most);
    expect(Math.max(...pauses)).toBeGreaterThan(0.75 * most);
  });

  test('goes on while the store answers others first, and is an outage when it answers nobody any more', async () => {
    await take(other);
    const { claim } = store;
    const unanswered: (() => void)[] = [];
    store.claim = (...args) =>
      new Promise((resolve, reject) => {
        unanswered.push(() => void claim.apply(store, args).then(resolve, reject));
      });
    const asked = Array.from({ length: 12 }, () => ask(driver, { wait: 60_000 }));
    for (let i = 0; i < 10; i++) {
      await clock.advance(500);
      unanswered.shift()!();
    }
    await clock.advance(1_900);
    expect(asked).toEqual(asked.map(() => ({})));
    await clock.advance(800);
    expect(asked.slice(0, 10)).toEqual(asked.slice(0, 10).map(() => ({})));
    for (const { outcome, after } of asked.slice(10)) {
      expect(outcome).toBeInstanceOf(LockBackendError);
      expect(after).toBeGreaterThanOrEqual(7_000);
      expect(after).toBeLessThan(7_700);
    }
  });

  test('goes on where the answers to very many come late, but come', async () => {
    await take(other);
    const { claim } = store;
    const unanswered: (() => void)[] = [];
    store.claim = (...args) =>
      new Promise((resolve, reject) => {
        unanswered.push(() => void claim.apply(store, args).then(resolve, reject));
      });
    const asked = Array.from({ length: 40 }, () => ask(driver, { wait: 60_000 }));
    await clock.advance(2_050);
    while (unanswered.length > 0) {
      unanswered.shift()!();
      await clock.advance(60);
    }
    await clock.advance(3_000);
    expect(asked).toEqual(asked.map(() => ({})));
  });

  test('is contention although a fault came before, and has passed', async () => {
    await take(other);
    server.refusal = 'passing';
    const what = ask(driver, { wait: 500 });
    await clock.advance(100);
    server.refusal = undefined;
    await clock.advance(399);
    expect(what).toEqual({});
    await clock.advance(3);
    expect(what.outcome).toBeNull();
  });

  test('is an outage where the fault lasts', async () => {
    await take(other);
    server.refusal = 'passing';
    const what = ask(driver, { wait: 500 });
    await clock.advance(499);
    expect(what).toEqual({});
    await clock.advance(150);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('under a fault that passes asks again every 20 to 40 ms', async () => {
    server.refusal = 'passing';
    const what = ask(driver, { wait: 1_000 });
    await clock.advance(1_000);
    const gaps = claims.slice(1).map((at, i) => at - claims[i]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(41);
    await clock.advance(200);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('ends at once where the store refuses for good, and nothing is sent again', async () => {
    server.refusal = 'refused';
    const what = ask(driver, { wait: 10_000 });
    await clock.advance(0);
    expect(what).toMatchObject({ outcome: expect.any(LockBackendError), after: 0 });
    await clock.advance(9_000);
    expect(claims).toHaveLength(1);
  });

  test('is an outage 100 ms after its hard limit where the store is silent, and the place is given up', async () => {
    server.block(5_000);
    const what = ask(driver, { wait: 300 });
    await clock.advance(399);
    expect(what).toEqual({});
    await clock.advance(10);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
    expect((what.outcome as Error).message).toMatch(/no answer within (39\d|40\d) ms/);
    await clock.advance(5_000);
    expect(server.lock('k').read()).toBeNull();
  });

  test('that is long is an outage 2 s after a newcomer got no answer, and 1 s after a try', async () => {
    server.block(20_000);
    const long = ask(driver, { wait: 10_000 });
    const once = ask(driver);
    await clock.advance(999);
    expect(once).toEqual({});
    await clock.advance(150);
    expect(once.outcome).toBeInstanceOf(LockBackendError);
    await clock.advance(850);
    expect(long).toEqual({});
    await clock.advance(150);
    expect(long.outcome).toBeInstanceOf(LockBackendError);
  });

  test('gets the lock in the moment of the release', async () => {
    const grant = await take(other);
    const what = ask(driver, { wait: 10_000 });
    await clock.advance(2_000);
    void other.release(grant);
    await clock.advance(0);
    expect(what).toMatchObject({ outcome: { key: 'k' }, after: 2_000 });
  });
});

describe('a wait where answers take 300 ms', () => {
  let far: ModelStore;
  let slow: LockDriver;

  beforeEach(async () => {
    far = server.connect({ link: { latency: () => 150 } });
    slow = queuedDriver(far, { clock, random: Math.random });
    await clock.advance(1_000);
    await take(other);
  });
  afterEach(async () => {
    const closed = slow.close();
    await clock.advance(30_000);
    await closed;
  });

  test.each([250, 700, 1_500, 5_000])('of %i ms ends in time, and is contention', async (wait) => {
    const many = Array.from({ length: 20 }, () => ask(slow, { wait }));
    await clock.advance(wait + 110);
    for (const { outcome, after } of many) {
      expect(outcome).toBeNull();
      expect(after).toBeGreaterThanOrEqual(wait);
      expect(after).toBeLessThanOrEqual(wait + 101);
    }
  });

  test('asks once more before its end for all of its process', async () => {
    const { claim } = far;
    let asked = 0;
    far.claim = (...args) => {
      asked++;
      return claim.apply(far, args);
    };
    for (let i = 0; i < 20; i++) ask(slow, { wait: 1_500 });
    await clock.advance(1_700);
    expect(asked).toBe(21);
  });

  test('is an outage where nothing has come for longer than that', async () => {
    const what = ask(slow, { wait: 1_500 });
    await clock.advance(800);
    far.silence(10_000);
    await clock.advance(810);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
    expect(what.after).toBeLessThanOrEqual(1_601);
  });
});

describe('when a wait is over and the store does not answer', () => {
  // Others of this process, whose claims end so, go on asking.
  const endsBeside = async (others: () => Promise<Refused>): Promise<unknown> => {
    await take(other);
    const what = ask(driver, { wait: 300 });
    await clock.advance(250);
    store.leave = () => new Promise(() => {});
    store.claim = others;
    ask(driver, { key: 'another', wait: 5_000 });
    await clock.advance(45);
    expect(what).toEqual({});
    await clock.advance(700);
    return what.outcome;
  };

  test.each(['not-sent', 'unknown'] as const)(
    'it is an outage, whoever else is told that a claim was %s: that is no answer',
    async (outcome) => {
      const failed = () => Promise.reject(new StoreError('the connection is full', outcome));
      expect(await endsBeside(failed)).toBeInstanceOf(LockBackendError);
    },
  );

  test.each(['refused', 'passing'] as const)(
    'it is contention where others of the process are answered meanwhile, be it by a fault that is %s',
    async (outcome) => {
      const answered = async () => {
        await new Promise<void>((resolve) => void clock.after(10, resolve));
        if (outcome === 'refused') setImmediate(() => ask(driver, { key: 'another', wait: 5_000 }));
        throw new StoreError('the store has no room', outcome);
      };
      expect(await endsBeside(answered)).toBeNull();
    },
  );
});

describe('a release', () => {
  test('that the store refuses for a while is sent again, and the next one gets the lock', async () => {
    const grant = await take(driver);
    server.refusal = 'refused';
    const failed = driver.release(grant).catch((error) => error);
    await clock.advance(0);
    expect(await failed).toBeInstanceOf(LockBackendError);
    server.refusal = undefined;
    const what = ask(other, { wait: 5_000 });
    await clock.advance(249);
    expect(what).toEqual({});
    await clock.advance(2);
    expect(what.outcome).toMatchObject({ key: 'k' });
  });

  test('that the store goes on refusing is sent less and less often, at last every 5 s', async () => {
    const grant = await take(driver);
    server.refusal = 'refused';
    driver.release(grant).catch(() => {});
    await clock.advance(40_000);
    const gaps = releases.slice(1).map((at, i) => Math.round((at - releases[i]!) / 10) * 10);
    expect(gaps.slice(0, 6)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000]);
    expect(new Set(gaps.slice(5))).toEqual(new Set([5_000]));
  });

  test('that fails is not sent any more when the ttl is over', async () => {
    const grant = await take(driver);
    server.refusal = 'refused';
    driver.release(grant).catch(() => {});
    await clock.advance(60_000);
    const sent = releases.length;
    await clock.advance(60_000);
    expect(releases).toHaveLength(sent);
  });

  test('made while the connection is away waits half a second for it', async () => {
    const grant = await take(driver);
    store.cut({ reconnect: 2_000 });
    let failed: number | undefined;
    const asked = clock.now();
    driver.release(grant).catch(() => {
      failed = clock.now() - asked;
    });
    await clock.advance(499);
    expect(failed).toBeUndefined();
    await clock.advance(2);
    expect(failed).toBeGreaterThanOrEqual(500);
    await clock.advance(2_000);
    expect(server.lock('k').read()).toBeNull();
  });
});
