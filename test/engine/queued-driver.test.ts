import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { StoreError } from '../../src/engine/store.js';
import type { Grant, LockDriver } from '../../src/lease/driver.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

const KEY = 'lock:{k}';

let clock: FakeClock;
let store: ModelStore;
let driver: LockDriver;
let other: LockDriver;
/** How often the store was asked to free a hold of `driver`. */
let frees: number;
/** Whether the answer to the next one is lost. */
let answerIsLost: boolean;

beforeEach(async () => {
  clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  store = server.connect();
  frees = 0;
  answerIsLost = false;
  const { free } = store;
  store.free = async (...args) => {
    frees++;
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
const ask = (of: LockDriver, wait = 600_000, ttl = 60_000) =>
  of.acquire({ key: KEY, token: `t${++tokens}`, mode: 'write', ttl, wait, retryInterval: 100, meta: {} });

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

describe('a release whose answer is lost', () => {
  test('is sent again, and true where the hold was surely ours', async () => {
    const grant = await take(driver);
    answerIsLost = true;
    expect(await answered(driver.release(grant))).toBe(true);
    expect(frees).toBe(2);
    expect(await answered(other.inspect(KEY))).toBeNull();
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
