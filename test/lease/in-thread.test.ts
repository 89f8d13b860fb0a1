import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, test } from '@jest/globals';
import type { LossReason } from '../../src/core/errors.js';
import { lockName } from '../../src/core/key.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { LockTrace } from '../../src/lease/diagnostics.js';
import type { Grant, LockDriver, ThreadRenewal, ThreadTerms } from '../../src/lease/driver.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';

/** What a thread knows of one hold. A test says what becomes of it. */
class FakeThread implements ThreadRenewal {
  validUntil: number;
  loss: LossReason | undefined;
  running = true;
  readonly ttls: number[] = [];

  constructor(
    grant: Grant,
    readonly terms: ThreadTerms,
  ) {
    this.validUntil = grant.validUntil;
  }

  setTtl(ttl: number): void {
    this.ttls.push(ttl);
  }

  lose(reason: LossReason): void {
    this.loss = reason;
    this.validUntil = -Infinity;
    this.terms.onLost();
  }
}

/** Locks whose driver renews in a thread that does nothing by itself. */
class ThreadBed {
  readonly clock = new FakeClock();
  readonly threads: Record<string, FakeThread> = {};
  /** When the main thread renewed, and which keys. */
  readonly renewals: [at: number, key: string][] = [];
  /** Keys that the driver cannot renew in a thread. */
  readonly refused = new Set<string>();
  starts = 0;
  starting: Promise<void> | undefined;
  readonly #registry = new LockRegistry({ clock: this.clock }).registerDriver('memory', this.#driver());
  readonly locker = this.#registry
    .registerLocker('threaded', { renewIn: 'thread', autoRenew: true, ttl: 3_200 })
    .mustOf('threaded');

  thread(key: string): FakeThread {
    return this.threads[lockName('lock:', key)]!;
  }

  #driver(): LockDriver {
    const memory: LockDriver = memoryDriver({ clock: this.clock });
    const extend = memory.extend.bind(memory);
    memory.extend = async (grant, ttl) => {
      this.renewals.push([this.clock.now(), grant.key]);
      const renewed = await extend(grant, ttl);
      const thread = this.threads[grant.key];
      if (thread && renewed) thread.validUntil = renewed.validUntil;
      return renewed;
    };
    memory.startThread = () => {
      this.starts += 1;
      return this.starting;
    };
    memory.renewInThread = (grant, terms) => {
      if (this.refused.has(grant.key)) return undefined;
      this.threads[grant.key] = new FakeThread(grant, terms);
      return this.threads[grant.key];
    };
    return memory;
  }
}

describe('a lease that a thread renews', () => {
  test('is renewed by the main thread only when half of its ttl is gone, or a third where the thread is gone', async () => {
    const bed = new ThreadBed();
    const lease = await bed.locker.acquire('a');
    await bed.clock.advance(1_500);
    expect(bed.renewals).toEqual([]);
    await bed.clock.advance(100);
    expect(bed.renewals).toEqual([[1_600, 'lock:{a}']]);
    bed.thread('a').running = false;
    await lease.refresh();
    bed.renewals.length = 0;
    await bed.clock.advance(900);
    expect(bed.renewals).toEqual([]);
    // They come on a grid of 100 ms.
    await bed.clock.advance(200);
    expect(bed.renewals).toEqual([[expect.any(Number), 'lock:{a}']]);
  });

  test('is held as long as the thread says, and lost for the reason that the thread tells', async () => {
    const bed = new ThreadBed();
    const lease = await bed.locker.acquire('a');
    const thread = bed.thread('a');
    thread.validUntil = bed.clock.now() + 100_000;
    expect(lease.ttl()).toBe(100_000);
    await bed.clock.advance(50_000);
    expect([lease.held, bed.renewals]).toEqual([true, []]);
    const { signal } = lease;
    thread.lose('blocked');
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'blocked', key: 'a' });
    expect([lease.held, lease.ttl()]).toEqual([false, 0]);
    expect(await bed.locker.inspect('a')).toBeNull();
  });

  test('gives the thread its ttl, the end by maxHold, and maxBlock', async () => {
    const bed = new ThreadBed();
    await bed.clock.advance(500);
    await bed.locker.acquire('a', { ttl: 700, maxHold: '9s', maxBlock: '4s' });
    expect(bed.thread('a').terms).toMatchObject({ ttl: 700, until: 9_500, maxBlock: 4_000 });
    expect(bed.thread('a').terms.onRenewal).toBeUndefined();
    await bed.locker.acquire('b');
    expect(bed.thread('b').terms).toMatchObject({ ttl: 3_200, until: Infinity, maxBlock: 60_000 });
  });

  test('tells on latchkey:renewal what the thread tells of its renewals', async () => {
    const seen: LockTrace[] = [];
    const note = (message: unknown) => seen.push(message as LockTrace);
    subscribe('latchkey:renewal', note);
    try {
      const bed = new ThreadBed();
      await bed.locker.acquire('a');
      bed.thread('a').terms.onRenewal!('renewed');
      expect(seen).toMatchObject([{ locker: 'threaded', keys: ['a'], outcome: 'renewed' }]);
    } finally {
      unsubscribe('latchkey:renewal', note);
    }
  });

  test.each([
    ['without autoRenew', { autoRenew: false }],
    ["with renewIn: 'main'", { renewIn: 'main' }],
  ] as const)('is another one %s: then no thread is started, or told', async (_, options) => {
    const bed = new ThreadBed();
    const lease = await bed.locker.acquire('a', options);
    expect([lease.held, bed.starts, bed.thread('a')]).toEqual([true, 0, undefined]);
    await bed.locker.acquire('b');
    expect([bed.starts, bed.thread('b')]).toEqual([1, expect.any(FakeThread)]);
  });
});

describe('several keys that a thread renews', () => {
  async function held() {
    const bed = new ThreadBed();
    const lease = await bed.locker.acquire(['a', 'b', 'c']);
    return { bed, lease, clock: bed.clock };
  }

  test('are held as long as the one that ends first', async () => {
    const { bed, lease, clock } = await held();
    for (const key of ['a', 'c']) bed.thread(key).validUntil = 90_000;
    bed.thread('b').validUntil = 80_000;
    expect(lease.ttl()).toBe(80_000);
    await clock.advance(60_000);
    expect(lease.ttl()).toBe(20_000);
  });

  test('are lost together, for the reason that is told of one', async () => {
    const { bed, lease } = await held();
    const { signal } = lease;
    bed.thread('b').lose('stolen');
    expect(signal.reason).toMatchObject({ reason: 'stolen', key: ['a', 'b', 'c'] });
    for (const key of ['a', 'b', 'c']) expect(await bed.locker.inspect(key)).toBeNull();
  });

  test('are renewed by the main thread at a third of the ttl, if one of them is not renewed by a thread', async () => {
    const { bed, lease, clock } = await held();
    bed.thread('b').running = false;
    await lease.refresh();
    bed.renewals.length = 0;
    await clock.advance(1_050);
    expect(bed.renewals.map(([, key]) => key)).toEqual(['lock:{a}', 'lock:{b}', 'lock:{c}']);

    const poor = new ThreadBed();
    poor.refused.add('lock:{b}');
    await poor.locker.acquire(['a', 'b']);
    await poor.clock.advance(1_100);
    expect(poor.renewals.map(([, key]) => key)).toEqual(['lock:{a}', 'lock:{b}']);
  });

  test('have the ttl of a refresh from then on, each', async () => {
    const { bed, lease } = await held();
    await lease.refresh('9s');
    await lease.refresh('2s');
    for (const key of ['a', 'b', 'c']) expect(bed.thread(key).ttls).toEqual([9_000, 2_000]);
  });
});

test('a wait is for the thread and for the key: half of it is for the thread at most', async () => {
  const bed = new ThreadBed();
  bed.starting = new Promise(() => {});
  const rival = await bed.locker.acquire('a', { renewIn: 'main' });
  const late = watch(bed.locker.acquire('a', { wait: '3s' }));
  await bed.clock.advance(1_499);
  expect((await bed.locker.inspect('a'))!.waiters).toBe(0);
  await bed.clock.advance(1);
  expect((await bed.locker.inspect('a'))!.waiters).toBe(1);
  await bed.clock.advance(1_499);
  expect(late.state).toBe('pending');
  await bed.clock.advance(1);
  expect(late.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
  expect(rival.held).toBe(true);
});
