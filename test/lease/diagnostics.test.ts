import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { hostname } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { LockLostError } from '../../src/core/errors.js';
import { type LockTrace, trace, tracings } from '../../src/lease/diagnostics.js';
import { Bed, down } from '../support/bed.js';
import { deferred } from '../support/wait.js';

const STEPS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
const undo: (() => void)[] = [];

afterEach(() => {
  for (const stop of undo.splice(0)) stop();
});

/** Everything published while a test runs, as it was at the time. */
function record(): { name: string; message: Record<string, unknown> }[] {
  const seen: { name: string; message: Record<string, unknown> }[] = [];
  const listen = (channel: string, name: string) => {
    const note = (message: unknown) => {
      const { error, ...rest } = message as Record<string, unknown>;
      const text = error instanceof Error ? { error: `${error.stack} ${JSON.stringify(error)}` } : {};
      seen.push({ name, message: { ...structuredClone(rest), ...text } });
    };
    subscribe(channel, note);
    undo.push(() => unsubscribe(channel, note));
  };
  for (const what of ['acquire', 'extend', 'release']) {
    for (const step of STEPS) listen(`tracing:latchkey:${what}:${step}`, `${what}:${step}`);
  }
  listen('latchkey:lost', 'lost');
  listen('latchkey:renewal', 'renewal');
  return seen;
}

describe('a life of a lease', () => {
  test('is told with locker, keys, mode and fence', async () => {
    const seen = record();
    const { locker } = new Bed();
    const lease = await locker.acquire(['b', 'a'], { mode: 'read' });
    await lease.refresh();
    await lease.release();
    const meta = { host: hostname(), pid: String(process.pid) };
    const about = { locker: 'default', keys: ['a', 'b'], mode: 'read', meta };
    expect(seen.find(({ name }) => name === 'acquire:start')?.message).toEqual(about);
    for (const name of [
      'acquire:asyncEnd',
      'extend:start',
      'extend:asyncEnd',
      'release:start',
      'release:asyncEnd',
    ]) {
      const { message } = seen.find((event) => event.name === name)!;
      expect(message).toMatchObject({ ...about, fence: lease.fence });
    }
    expect(seen.some(({ name }) => name.endsWith(':error'))).toBe(false);
  });

  test('of a try that fails has no fence', async () => {
    const { locker } = new Bed();
    await locker.acquire('a');
    const seen = record();
    await locker.tryAcquire('a');
    expect(seen.find(({ name }) => name === 'acquire:asyncEnd')?.message).toEqual({
      locker: 'default',
      keys: ['a'],
      mode: 'write',
      meta: { host: hostname(), pid: String(process.pid) },
    });
  });

  test('takes in the metadata that a listener adds at its start, and tells who holds the keys', async () => {
    const { locker } = new Bed();
    const first = await locker.acquire('a');
    let holders: LockTrace['holders'];
    const note = (message: unknown) => {
      const told = message as LockTrace;
      told.meta.trace = 'mine';
      ({ holders } = told);
    };
    subscribe('tracing:latchkey:acquire:start', note);
    undo.push(() => unsubscribe('tracing:latchkey:acquire:start', note));
    const second = locker.acquire(['a', 'b'], { meta: { job: 'x' } });
    expect(await holders!()).toEqual([expect.objectContaining({ fence: first.fence })]);
    await first.release();
    expect((await second).meta).toMatchObject({ job: 'x', trace: 'mine' });
    expect((await locker.inspect('b'))!.holders[0]!.meta).toMatchObject({ job: 'x', trace: 'mine' });
    expect(first.meta).not.toHaveProperty('trace');
  });

  test('tells on latchkey:renewal what came of each automatic renewal', async () => {
    const seen: LockTrace[] = [];
    const note = (message: unknown) => seen.push(message as LockTrace);
    subscribe('latchkey:renewal', note);
    undo.push(() => unsubscribe('latchkey:renewal', note));
    const bed = new Bed();
    const { locker, clock, instead } = bed;
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await clock.advance(400);
    await lease.refresh();
    expect(seen.map(({ outcome }) => outcome)).toEqual(['renewed']);
    expect(seen[0]).toMatchObject({ locker: 'default', keys: ['a'], mode: 'write', fence: lease.fence });
    expect(seen[0]).not.toHaveProperty('fault');
    instead.extend = down;
    await clock.advance(400);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.length).toBeLessThan(10);
    for (const { outcome, fault } of seen.slice(1)) {
      expect(outcome).toBe('failed');
      expect(fault).toMatchObject({ code: 'LOCK_BACKEND' });
    }
    const failed = seen.length;
    delete instead.extend;
    await bed.steal(lease);
    await clock.advance(200);
    expect(lease.held).toBe(false);
    expect(seen.slice(failed).map(({ outcome }) => outcome)).toEqual(['lost']);
  });

  test('that is released while it is being renewed is told of no renewal', async () => {
    const seen = record();
    const { locker, clock, instead, memory } = new Bed();
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    const late = deferred();
    instead.extend = (grant, ttl) => late.promise.then(() => memory.extend(grant, ttl));
    await clock.advance(400);
    await lease.release();
    late.resolve();
    await clock.advance(0);
    expect(seen.filter(({ name }) => name === 'renewal' || name === 'lost')).toEqual([]);
  });

  test('is over with its release, or its loss: what is asked for then is not told', async () => {
    const { locker, clock } = new Bed();
    const [released, lost] = [await locker.acquire('a'), await locker.acquire('b', { ttl: 100 })];
    await released.release();
    await clock.advance(100);
    const seen = record();
    expect(await released.refresh()).toBe(false);
    expect(await lost.extend(5)).toBe(false);
    expect(await lost.release()).toBe(false);
    expect(seen).toEqual([]);
  });

  test('whose hold is revoked is told where that is done, too', async () => {
    const seen: [string, object][] = [];
    for (const step of ['start', 'asyncEnd', 'error']) {
      const note = (message: unknown) => seen.push([step, { ...(message as object) }]);
      subscribe(`tracing:latchkey:revoke:${step}`, note);
      undo.push(() => unsubscribe(`tracing:latchkey:revoke:${step}`, note));
    }
    const { locker, instead } = new Bed();
    const { fence } = await locker.acquire('a');
    await locker.revoke('a', fence, { grace: '1s' });
    await locker.revoke('b', 5);
    instead.revoke = down;
    await expect(locker.revoke('b', 6)).rejects.toThrow();
    const told = { locker: 'default', key: 'a', fence, grace: 1_000 };
    expect(seen).toEqual([
      ['start', told],
      ['asyncEnd', { ...told, result: true }],
      ['start', { locker: 'default', key: 'b', fence: 5, grace: 0 }],
      ['asyncEnd', { locker: 'default', key: 'b', fence: 5, grace: 0, result: false }],
      ['start', expect.anything()],
      ['error', expect.objectContaining({ error: expect.objectContaining({ code: 'LOCK_BACKEND' }) })],
      ['asyncEnd', expect.anything()],
    ]);
  });

  test('that ends in a loss is told on latchkey:lost', async () => {
    const seen: unknown[] = [];
    const note = (message: unknown) => seen.push(message);
    subscribe('latchkey:lost', note);
    undo.push(() => unsubscribe('latchkey:lost', note));
    const { locker, clock } = new Bed();
    const { fence, meta } = await locker.acquire('a', { ttl: 100 });
    await clock.advance(100);
    expect(seen).toEqual([
      { locker: 'default', keys: ['a'], mode: 'write', meta, fence, error: expect.any(LockLostError) },
    ]);
  });
});

test('no message, error or loss shows a token', async () => {
  const seen = record();
  const tokens: string[] = [];
  const bed = new Bed();
  const { locker, instead, clock, memory, registry } = bed;
  instead.acquire = (request) => {
    tokens.push(request.token);
    return memory.acquire(request);
  };
  await locker.with(['a', 'b'], async (lease) => {
    await lease.extend('1s');
    await locker.tryAcquire('a');
    await expect(locker.acquire('a', { wait: 10 })).rejects.toThrow();
  });
  const lost = await locker.acquire('c', { ttl: 900, autoRenew: true });
  instead.extend = down;
  await expect(lost.refresh()).rejects.toThrow();
  instead.release = down;
  await clock.advance(900);
  expect(lost.held).toBe(false);
  await expect((await locker.acquire('d')).release()).rejects.toThrow();
  instead.acquire = down;
  await expect(locker.acquire('e')).rejects.toThrow();
  await locker
    .New('f')
    .lock()
    .catch(() => {});
  await registry.close({ grace: 0 });

  expect(tokens.length).toBeGreaterThan(4);
  expect(seen.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['acquire:error', 'extend:error', 'release:error', 'lost']),
  );
  const text = JSON.stringify(seen);
  for (const token of tokens) expect(text).not.toContain(token);
});

test('whether a call is traced is known before anything is made for it', () => {
  for (const what of ['acquire', 'extend', 'release'] as const)
    expect(tracings[what].hasSubscribers).toBe(false);
  record();
  for (const what of ['acquire', 'extend', 'release'] as const)
    expect(tracings[what].hasSubscribers).toBe(true);
});

test('with a subscriber the answer, and the error, come through', async () => {
  record();
  const about = { keys: ['a'], mode: 'write', meta: {} } as const;
  const error = new Error('mine');
  expect(await trace('extend', 'x', about, async () => true)).toBe(true);
  await expect(trace('extend', 'x', about, () => Promise.reject(error))).rejects.toBe(error);
});
