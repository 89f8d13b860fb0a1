import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LockBackendError, LockClosedError } from '../../src/core/errors.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import {
  type Claim,
  type Freeing,
  type Granted,
  type LockStore,
  StoreError,
  type StoreEvents,
} from '../../src/engine/store.js';
import type { AcquireRequest, Grant, LockDriver, LockInfo } from '../../src/lease/driver.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

const KEY = 'lock:{k}';

let clock: FakeClock;
let server: ModelServer;
let store: ModelStore;
/** What the store of `driver` tells it. */
let events: StoreEvents;
let driver: LockDriver;
let other: LockDriver;
/** How often the store was asked to free a hold of `driver`, and how the last time. */
let frees: number;
let freeing: Freeing;
/** When `driver` claimed, and for which token. */
let claims: [string, number][];
/** The tokens that `driver` gave up, and whether their claims may come late. */
let left: [string, boolean][];
/** The ttls of its renewals. */
let renewals: number[];
/** Whether the answer to the next one is lost. */
let answerIsLost: boolean;

beforeEach(async () => {
  clock = new FakeClock(1_000);
  server = new ModelServer({ clock, micros: 1e15 });
  store = server.connect();
  frees = 0;
  renewals = [];
  claims = [];
  left = [];
  answerIsLost = false;
  const { free, open, claim, leave, renew } = store;
  store.open = (told) => {
    events = told;
    open.call(store, told);
  };
  store.claim = (...args) => {
    claims.push([args[0].token, clock.now()]);
    return claim.apply(store, args);
  };
  store.leave = (...args) => {
    for (const token of args[1]) left.push([token, args[2]]);
    return leave.apply(store, args);
  };
  store.renew = (...args) => {
    renewals.push(...args[0].map(({ ttl }) => ttl));
    return renew.apply(store, args);
  };
  store.free = async (...args) => {
    frees++;
    freeing = args[1];
    const lost = answerIsLost;
    answerIsLost = false;
    const answer = await free.apply(store, args);
    if (lost) throw new StoreError('ECONNRESET', 'unknown');
    return answer;
  };
  driver = queuedDriver(store, { clock, random: Math.random });
  other = queuedDriver(server.connect(), { clock, random: Math.random });
  await clock.advance(0);
});

afterEach(async () => {
  await answered(Promise.all([driver.close(), other.close()]), 30_000);
  expect(clock.pending).toBe(0);
});

let tokens = 0;
const request = (token: string, more: Partial<AcquireRequest> = {}): AcquireRequest => ({
  ...{ key: KEY, token, mode: 'write', ttl: 60_000, wait: 600_000, retryInterval: 100, meta: {} },
  ...more,
});
const ask = (of: LockDriver, wait = 600_000, ttl = 60_000) =>
  of.acquire(request(`t${++tokens}`, { ttl, wait }));

async function answered<T>(asked: Promise<T>, ms = 50): Promise<T> {
  await clock.advance(ms);
  return asked;
}

const take = async (of: LockDriver, ttl?: number): Promise<Grant> => (await answered(ask(of, 0, ttl)))!;

/** A hold of `driver`, and another caller of it who comes next in the queue. */
async function takeBefore(ttl?: number): Promise<{ grant: Grant; next: Promise<Grant | null> }> {
  const before = await take(other);
  const [first, next] = [ask(driver, undefined, ttl), ask(driver, undefined, ttl)];
  await clock.advance(10);
  await answered(other.release(before), 10);
  return { grant: (await first)!, next };
}

/** A hold of `driver` that has been handed on: the grant of whom it serves. */
async function handedOn(ttl?: number): Promise<Grant> {
  const { grant, next } = await takeBefore(ttl);
  expect(await driver.release(grant)).toBe(true);
  expect(frees).toBe(0);
  return (await next)!;
}

test('a store that renews one hold a call does not have the answers to several wait for each other', async () => {
  const limits = { ...store.limits, renewBatch: 1 };
  const alone = queuedDriver(Object.assign(server.connect(), { limits }), { clock, random: () => 0.5 });
  expect([driver.extendMany, alone.extendMany]).toEqual([expect.any(Function), undefined]);
  await alone.close();
});

describe('a release whose answer is lost', () => {
  test('is sent again, and true where the hold was surely ours', async () => {
    const grant = await take(driver);
    answerIsLost = true;
    expect(await answered(driver.release(grant))).toBe(true);
    expect(frees).toBe(2);
    expect(await answered(other.inspect(KEY))).toBeNull();
  });

  test('is sent again, and false where the hold was over by then', async () => {
    const grant = await take(driver, 1_000);
    clock.jump(1_000);
    answerIsLost = true;
    expect(await answered(driver.release(grant))).toBe(false);
    expect(frees).toBe(2);
  });

  test('of what this driver does not hold is false', async () => {
    const grant = await take(driver);
    await answered(driver.release(grant));
    answerIsLost = true;
    expect(await answered(driver.release(grant))).toBe(false);
    expect(frees).toBe(3);
  });
});

describe('a hold that has been handed on and is over', () => {
  const ends: Record<string, (grant: Grant) => Promise<unknown>> = {
    'by a release': (grant) => answered(driver.release(grant)),
    'by its ttl': async (grant) => {
      await clock.advance(10_000);
      expect(await answered(driver.release(grant))).toBe(false);
    },
  };

  test.each(Object.keys(ends))('does not keep the next one from being revoked: %s', async (how) => {
    await ends[how]!(await handedOn(5_000));
    const next = await take(other);
    expect(await answered(driver.revoke!(KEY, next.fence))).toBe(true);
    expect(await answered(other.release(next))).toBe(false);
  });
});

test('a hold that was used under a larger fence than it has to give is not handed on', async () => {
  const { grant, next } = await takeBefore();
  const used = grant.fence + 1_000;
  expect(await answered(driver.release({ ...grant, fence: used }), 10)).toBe(true);
  expect(frees).toBe(1);
  expect((await next)!.fence).toBeGreaterThan(used);
});

test('where one of several connections of the store is lost, the others renew and free', async () => {
  const grant = await take(driver, 20_000);
  events.lost(new LockBackendError('one of two connections is lost'));
  await clock.advance(1_000);
  const extended = (await answered(driver.extend(grant, 20_000), 10))!;
  expect(extended.validUntil).toBeGreaterThan(grant.validUntil + 900);
  expect(await answered(driver.release(extended), 10)).toBe(true);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

test('a hold whose renewal is on its way is not handed on', async () => {
  const { grant, next } = await takeBefore();
  const extended = driver.extend(grant, 60_000);
  const released = driver.release(grant);
  expect(frees).toBe(1);
  expect(await answered(Promise.all([released, extended]), 10)).toMatchObject([true, {}]);
  expect((await next)!.fence).toBeGreaterThan(grant.fence + 1);
});

test('who waits enters at the end of the grace of a revocation, and is told when that is', async () => {
  const grant = await take(other);
  const asked = ask(driver);
  await clock.advance(10);
  expect(await answered(other.revoke!(KEY, grant.fence, 700), 0)).toBe(true);
  let entered = 0;
  void asked.then(() => {
    entered = clock.now();
  });
  const before = clock.now();
  await clock.advance(650);
  expect(entered).toBe(0);
  await clock.advance(250);
  expect(entered - before).toBeGreaterThanOrEqual(650);
  expect((await asked)!.fence).toBeGreaterThan(grant.fence);
});

test('a ping and a wait tell why there is no connection', async () => {
  await answered(driver.ping());
  store.cut({ reconnect: 20_000 });
  const faults = [driver.ping(), ask(driver, 300)].map((asked) => asked.catch((reason) => reason));
  for (const fault of await answered(Promise.all(faults), 5_000)) {
    expect(fault).toBeInstanceOf(LockBackendError);
    expect(fault.message).not.toContain('no answer');
  }
  await clock.advance(20_000);
});

describe('a release names to the store', () => {
  test('its mode alone, where nothing more is to be said', async () => {
    await answered(driver.release(await take(driver)));
    expect(freeing).toEqual({ mode: 'write', served: [], usedFence: 0, keepFor: 0, late: false });
  });

  test('whom the hold served, and the fence that it was last used under', async () => {
    const last = await handedOn();
    await answered(driver.release(last));
    expect(freeing).toEqual({
      ...{ mode: 'write', served: [last.token], usedFence: last.fence },
      ...{ keepFor: 0, late: false },
    });
  });

  test('the largest fence that it was used under, and for how long the key is to rest', async () => {
    const grant = await take(driver);
    await answered(driver.release({ ...grant, fence: grant.fence + 9 }, 500));
    expect(freeing).toMatchObject({ usedFence: grant.fence + 9, keepFor: 500 });
  });
});

test('a hold whose key is to rest is not handed on', async () => {
  const { grant, next } = await takeBefore();
  expect(await answered(driver.release(grant, 300), 10)).toBe(true);
  expect(frees).toBe(1);
  const before = clock.now();
  await clock.advance(1_000);
  expect((await next)!.validUntil - 60_000 - before).toBeGreaterThan(200);
});

describe('a release while the store is away', () => {
  const away = async (grant: Grant, ms: number) => {
    store.cut({ reconnect: ms });
    await answered(
      driver.release(grant).catch(() => {}),
      600,
    );
    frees = 0;
    await clock.advance(ms);
  };

  test('is not sent when the ttl is over by then', async () => {
    await away(await take(driver, 5_000), 10_000);
    expect(frees).toBe(0);
  });

  test('is sent where the hold served others, since their places do not end by the ttl', async () => {
    await away(await handedOn(5_000), 10_000);
    expect(frees).toBe(1);
    expect(server.lock(KEY).idle).toBe(true);
  });

  test('of what the driver does not hold is sent for a minute', async () => {
    const theirs = await take(other);
    await away(theirs, 50_000);
    expect(frees).toBe(1);
    expect(server.lock(KEY).idle).toBe(true);
    await away(await take(other, 300_000), 70_000);
    expect(frees).toBe(0);
  });
});

describe('a place that is given up while the store is away', () => {
  test.each([
    ['a minute', 1_000, 50_000],
    ['the ttl, where that is longer', 600_000, 500_000],
  ])('is given up once the store is back within %s', async (_, ttl, ms) => {
    await take(other, 600_000);
    const stop = new AbortController();
    const asked = driver.acquire(request('given up', { ttl, signal: stop.signal }));
    asked.catch(() => {});
    await clock.advance(10);
    store.cut({ reconnect: ms });
    stop.abort();
    await clock.advance(ms + 100);
    await expect(asked).rejects.toBe(stop.signal.reason);
    expect(left.map(([token]) => token)).toEqual(['given up']);
    expect(server.lock(KEY).places).toHaveLength(0);
  });
});

test.each([
  ['keeps nobody from the lock where the store was away for less than a minute', 50_000, true],
  ['has the lock for its ttl where the store was away for longer: a documented limit', 65_000, false],
])('a claim that is run when the store is back, and was given up before, %s', async (_, ms, free) => {
  store.link.latency = () => 100;
  const stop = new AbortController();
  const asked = driver.acquire(request('given up', { ttl: 30_000, signal: stop.signal }));
  asked.catch(() => {});
  await clock.advance(10);
  store.cut({ runLate: ms, reconnect: ms - 1_000 });
  stop.abort();
  await clock.advance(ms + 1_000);
  expect(server.lock(KEY).idle).toBe(free);
  await clock.advance(30_000);
  expect((await take(other, 1_000)).fence).toBeGreaterThan(0);
});

test('a claim that comes late is refused, whose connection was lost after one of another, and who asked had left by then', async () => {
  const aborting = new AbortController();
  store.link.latency = () => 100;
  const asked = driver.acquire(request('gone', { signal: aborting.signal }));
  const refused = expect(asked).rejects.toThrow('enough');
  await clock.advance(10);
  // Of several connections one is lost, then that of the claim.
  events.lost(new LockBackendError('one is gone'));
  aborting.abort(new Error('enough'));
  await refused;
  store.cut({ runLate: 1_000, reconnect: 10 });
  await clock.advance(5_000);
  expect(left).toEqual([['gone', true]]);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

/** Makes a try whose claim is lost with its connection and comes late, and which is refused; the grant is of who has the key. */
async function refusedTry(asked: AcquireRequest): Promise<Grant> {
  const grant = await take(other);
  store.link.latency = () => 10;
  const outcome = driver.acquire(asked);
  await clock.advance(1);
  store.cut({ runLate: 1_000, reconnect: 10 });
  expect(await answered(outcome, 100)).toBeNull();
  return grant;
}

test('a try that is refused while an earlier claim of it may come late has that claim refused', async () => {
  const grant = await refusedTry(request('refused', { wait: 0 }));
  await answered(other.release(grant));
  await clock.advance(5_000);
  expect(left).toEqual([['refused', true]]);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

test('a try that is to be repeated is not refused later because an earlier claim of it may come late', async () => {
  const again = request('again', { wait: 0, isRepeated: true });
  const grant = await refusedTry(again);
  await answered(other.release(grant));
  expect(left).toEqual([]);
  const granted = (await answered(driver.acquire(again)))!;
  await clock.advance(5_000);
  expect(await answered(driver.release(granted))).toBe(true);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

test('a hold of a try has claims of earlier tries refused that come late', async () => {
  const again = request('again', { wait: 0, isRepeated: true });
  const grant = await refusedTry(again);
  expect(await answered(driver.acquire(again))).toBeNull();
  await answered(other.release(grant));
  const granted = (await answered(driver.acquire(again)))!;
  expect(await answered(driver.release(granted))).toBe(true);
  await clock.advance(5_000);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

test('the end of tries has an earlier claim of them refused that may come late, and asks nothing otherwise', async () => {
  const grant = await take(other);
  store.link.latency = () => 10;
  const again = request('again', { wait: 0, isRepeated: true });
  expect(await answered(driver.acquire(again))).toBeNull();
  driver.endTries!(again);
  const asked = driver.acquire(again);
  await clock.advance(1);
  store.cut({ runLate: 1_000, reconnect: 10 });
  expect(await answered(asked, 100)).toBeNull();
  expect(await answered(driver.acquire(again))).toBeNull();
  await answered(other.release(grant));
  expect(left).toEqual([]);
  driver.endTries!(again);
  driver.endTries!(again);
  await clock.advance(5_000);
  expect(left).toEqual([['again', true]]);
  expect(await answered(other.inspect(KEY))).toBeNull();
});

describe('a message of a grant', () => {
  const claim = (token: string): Claim => ({ ...request(token), limit: Infinity });

  test('for whom nobody waits any more gives the lock back', async () => {
    const { fence } = (await answered(store.claim(claim('gone')))) as Granted;
    const next = ask(other);
    await clock.advance(10);
    events.granted({ key: KEY, token: 'gone' }, { fence, run: [], asOf: clock.now() });
    expect(await answered(next)).toMatchObject({ key: KEY });
    expect(left).toEqual([['gone', false]]);
  });

  test('that comes again changes nothing', async () => {
    const { token, fence } = await take(driver);
    events.granted({ key: KEY, token }, { fence, run: [], asOf: clock.now() });
    await clock.advance(100);
    expect(left).toEqual([]);
    expect(server.lock(KEY).idle).toBe(false);
  });

  test('for one whom another hold serves gives that grant back', async () => {
    const { token, fence } = await handedOn();
    events.granted({ key: KEY, token }, { fence: fence + 100, run: [], asOf: clock.now() });
    await clock.advance(100);
    expect(left).toEqual([[token, false]]);
  });
});

describe('whoever gets the lock', () => {
  test('without a message makes the others look at once: they may have lost their places', async () => {
    await take(other, 600_000);
    for (const waiting of [ask(driver), ask(driver)]) waiting.catch(() => {});
    await clock.advance(10);
    server.loseData();
    const before = clock.now();
    claims = [];
    const first = await take(driver);
    expect(new Set(claims.map(([, at]) => at - before))).toEqual(new Set([0]));
    expect(new Set(claims.map(([token]) => token)).size).toBe(3);
    expect(claims[0]![0]).toBe(first.token);
    expect(server.lock(KEY).places).toHaveLength(2);
  });

  test('by a message makes nobody look', async () => {
    const grant = await take(other);
    const [first, ...others] = [ask(driver), ask(driver), ask(driver)];
    for (const waiting of others) waiting.catch(() => {});
    await clock.advance(10);
    claims = [];
    await answered(other.release(grant), 100);
    expect((await first!)!.fence).toBeGreaterThan(grant.fence);
    expect(claims).toEqual([]);
  });
});

describe('two requests with one token', () => {
  test('are one request, while it waits and while it holds', async () => {
    const grant = await take(other);
    const [first, second] = [driver.acquire(request('one')), driver.acquire(request('one'))];
    await clock.advance(10);
    expect(claims).toHaveLength(1);
    await answered(other.release(grant));
    expect(await first).toMatchObject({ token: 'one' });
    expect(await second).toEqual(await first);
    expect(await driver.acquire(request('one'))).toEqual(await first);
    expect(claims).toHaveLength(1);
  });
});

test('whoever asks with a signal that has aborted, or after the close, is told so, and nothing is sent', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(driver.acquire(request('late', { signal }))).rejects.toThrow('enough');
  await answered(driver.close(), 10_000);
  await expect(driver.acquire(request('late'))).rejects.toThrow(LockClosedError);
  expect(claims).toEqual([]);
});

test.each<[string, (of: LockDriver) => Promise<unknown>]>([
  ['inspect', (of) => of.inspect(KEY)],
  ['list', (of) => of.list!('')[Symbol.asyncIterator]().next()],
  ['revoke', (of) => of.revoke!(KEY, 1)],
  ['ping', (of) => of.ping()],
])('%s that is on its way at the close is told so, and of no fault of the store', async (_, ask) => {
  store.link.latency = () => 5;
  const asked = ask(driver).catch((error: unknown) => error);
  await clock.advance(1);
  await answered(driver.close(), 10_000);
  expect(await asked).toBeInstanceOf(LockClosedError);
});

describe('a hold that is handed on', () => {
  const holder = async (of: LockDriver) => {
    const info = (await answered(of.inspect(KEY), 0))!;
    return { fence: info.holders[0]!.fence, meta: info.holders[0]!.meta, waiters: info.waiters };
  };
  /** A hold that began 5 ms ago, two more of this process behind it, and one of another process. */
  async function four() {
    const before = await take(other);
    const asked = ['a', 'b', 'c'].map((who) => driver.acquire(request(who, { meta: { who } })));
    for (const waiting of asked) waiting.catch(() => {});
    await clock.advance(1);
    other.acquire(request('d')).catch(() => {});
    await clock.advance(10);
    await answered(other.release(before), 5);
    return { first: (await asked[0])!, second: asked[1]!, third: asked[2]! };
  }

  test('is known here at once by whom it serves: by inspect and by list', async () => {
    const { first, second, third } = await four();
    expect(await holder(driver)).toEqual({ fence: first.fence, meta: { who: 'a' }, waiters: 3 });
    await driver.release(first);
    expect(await holder(driver)).toEqual({ fence: first.fence + 1, meta: { who: 'b' }, waiters: 2 });
    await driver.release((await second)!);
    const seen = { fence: first.fence + 2, meta: { who: 'c' }, waiters: 1 };
    expect(await holder(driver)).toEqual(seen);
    const infos: LockInfo[] = [];
    const listed = (async () => {
      for await (const info of driver.list!('lock:')) infos.push(info);
    })();
    await answered(listed, 0);
    expect(infos).toMatchObject([
      { key: KEY, holders: [{ fence: seen.fence, meta: seen.meta }], waiters: 1 },
    ]);
    expect(infos[0]!.waiting.map(({ meta }) => meta)).toEqual([{}]);
    await third;
  });

  test.each([1, 2])('%i times is told once to the store, 20 ms after it began', async (times) => {
    const { first, second } = await four();
    await driver.release(first);
    if (times === 2) await driver.release((await second)!);
    expect(await holder(other)).toMatchObject({ fence: first.fence });
    await clock.advance(20);
    const who = times === 2 ? 'c' : 'b';
    const seen = { fence: first.fence + times, meta: { who } };
    for (const each of [driver, other]) expect(await holder(each)).toMatchObject(seen);
    expect((await holder(driver)).waiters).toBe(3 - times);
    expect(renewals).toHaveLength(1);
  });

  test('after a renewal is known here, and revoked, by its last fence, though the store knows another', async () => {
    const { first, second, third } = await four();
    await driver.release(first);
    await answered(driver.extend((await second)!, 60_000), 0);
    expect(await holder(other)).toMatchObject({ fence: first.fence + 1, meta: { who: 'b' } });
    await driver.release((await second)!);
    const { fence } = (await third)!;
    expect(fence).toBe(first.fence + 2);
    expect(await holder(driver)).toEqual({ fence, meta: { who: 'c' }, waiters: 1 });
    renewals = [];
    expect(await answered(driver.revoke!(KEY, fence), 0)).toBe(true);
    expect(renewals).toEqual([Math.ceil(((await third)!.validUntil - clock.now() + 1) / 0.999)]);
    expect(server.lock(KEY).places.map(({ token }) => token)).not.toContain('c');
    expect((await answered(other.inspect(KEY), 100))!.holders[0]!.fence).toBeGreaterThan(fence);
  });

  test('stays with whom it serves when one whom it served before releases it again', async () => {
    const { first, second } = await four();
    expect(await driver.release(first)).toBe(true);
    expect(await answered(driver.release(first), 0)).toBe(false);
    expect(frees).toBe(0);
    expect(await holder(driver)).toMatchObject({ fence: (await second)!.fence, waiters: 2 });
  });

  test('goes past those who do not wait any more', async () => {
    const stop = new AbortController();
    const before = await take(other);
    const asked = [request('a'), request('b', { signal: stop.signal }), request('c')].map((each) =>
      driver.acquire(each),
    );
    asked[1]!.catch(() => {});
    await clock.advance(10);
    await answered(other.release(before), 5);
    const first = (await asked[0])!;
    stop.abort();
    expect(await driver.release(first)).toBe(true);
    expect(frees).toBe(0);
    expect(await answered(asked[2]!, 0)).toMatchObject({ token: 'c', fence: first.fence + 1 });
  });

  test('does not go to one that wants a much longer time: it is freed, and the store hands it over', async () => {
    const before = await take(other);
    const asked = [ask(driver), ask(driver, undefined, 120_000)];
    await clock.advance(10);
    await answered(other.release(before), 5);
    const first = (await asked[0])!;
    expect(await answered(driver.release(first), 0)).toBe(true);
    expect(frees).toBe(1);
    expect((await asked[1])!.fence).toBeGreaterThan(first.fence + 1);
  });

  test.each([-1, 1])(
    'does not hide another holder whom the store has after it lost its data: %i',
    async (hours) => {
      const { first } = await four();
      await driver.release(first);
      server.stepClock(hours * 3_600_000);
      server.loseData();
      const theirs = await answered(other.acquire(request('theirs', { meta: { who: 'theirs' } })), 0);
      // The waiter of that process has a new place.
      const seen = { fence: theirs!.fence, meta: { who: 'theirs' }, waiters: 1 };
      expect(Math.sign(theirs!.fence - first.fence)).toBe(hours);
      expect(await holder(driver)).toEqual(seen);
      expect(await holder(other)).toEqual(seen);
    },
  );

  test('is not revoked when its time is over', async () => {
    const { first, second } = await four();
    await driver.release(first);
    const { fence } = (await second)!;
    clock.jump(60_000);
    expect(await answered(driver.revoke!(KEY, fence), 0)).toBe(false);
    expect(renewals).toEqual([]);
  });

  test('to another one while it is being revoked is not taken away from that one', async () => {
    const { first, second, third } = await four();
    await driver.release(first);
    const { fence } = (await second)!;
    const { revoke } = store;
    store.revoke = async (...args) => {
      const revoked = await revoke.apply(store, args);
      if (args[1] === fence) await driver.release((await second)!);
      return revoked;
    };
    expect(await answered(driver.revoke!(KEY, fence), 0)).toBe(false);
    expect(await third).toMatchObject({ fence: fence + 1 });
    expect(await answered(driver.release((await third)!), 0)).toBe(true);
  });
});

test('list waits for the connection, and tells the store to whom it tells of its progress', async () => {
  await take(driver);
  const { list } = store;
  const told: unknown[] = [];
  const seen: LockStore['list'] = (prefix, onProgress) => {
    told.push(onProgress);
    return list.call(store, prefix);
  };
  Object.assign(store, { list: seen });
  store.cut({ reconnect: 1_000 });
  const onProgress = () => {};
  const keys: string[] = [];
  const listed = (async () => {
    for await (const { key } of driver.list!('lock:', onProgress)) keys.push(key);
  })();
  await answered(listed, 1_500);
  expect(keys).toEqual([KEY]);
  expect(told).toEqual([onProgress]);
});

test('a close does not wait longer than 2 s for a store that is silent', async () => {
  const grant = await take(driver);
  server.block(60_000);
  driver.release(grant).catch(() => {});
  let closed: number | undefined;
  const before = clock.now();
  void driver.close().then(() => {
    closed = clock.now() - before;
  });
  await clock.advance(1_990);
  expect(closed).toBeUndefined();
  await clock.advance(100);
  expect(closed).toBeGreaterThanOrEqual(2_000);
  await clock.advance(60_000);
});
