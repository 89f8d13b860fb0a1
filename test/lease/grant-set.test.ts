import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LockBackendError } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { Grant, LockDriver } from '../../src/lease/driver.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Bed, silent, watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

type Fate = 'answered' | 'lost on its way' | 'answer lost' | 'answer lost, and it is told';

/** A backend across a network with one hold: what is sent arrives in order, if it does, and answers may be lost. */
class Network {
  readonly clock = new FakeClock();
  readonly locker;
  /** When the hold ends on the server. */
  until = 0;
  #lastArrival = 0;

  constructor(readonly next: () => { fate: Fate; up: number; down: number }) {
    const { clock } = this;
    const driver: LockDriver = Object.assign(memoryDriver({ clock }), {
      acquire: async ({ key, token, mode, ttl }: Parameters<LockDriver['acquire']>[0]) => {
        this.until = clock.now() + ttl;
        return { key, token, mode, fence: 1, validUntil: this.until };
      },
      extend: (grant: Grant, ttl: number) => this.#extend(grant, ttl),
      release: async () => clock.now() < this.until,
    });
    this.locker = new LockRegistry({ clock }).registerDriver('memory', driver).mustOf();
  }

  #extend(grant: Grant, ttl: number): Promise<Grant | null> {
    const { clock } = this;
    const { fate, up, down } = this.next();
    const sent = clock.now();
    const arrival = Math.max(this.#lastArrival, sent + up);
    this.#lastArrival = arrival;
    return new Promise((resolve, reject) => {
      const fail = () => reject(new LockBackendError('ECONNRESET'));
      clock.after(arrival - sent, () => {
        const applies = fate !== 'lost on its way' && clock.now() < this.until;
        if (applies) this.until = clock.now() + ttl;
        const answer = applies ? { ...grant, validUntil: sent + ttl } : null;
        if (fate === 'answer lost') return;
        clock.after(down, fate === 'answered' ? () => resolve(answer) : fail);
      });
    });
  }
}

const fates = (lossy: boolean) =>
  fc.record({
    fate: lossy
      ? fc.constantFrom<Fate>('answered', 'lost on its way', 'answer lost', 'answer lost, and it is told')
      : fc.constant<Fate>('answered'),
    up: fc.nat(40),
    down: fc.nat(80),
  });
const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant('refresh' as const), ms: fc.integer({ min: 20, max: 1_500 }) }),
    fc.record({ what: fc.constant('extend' as const), ms: fc.nat(500) }),
    fc.record({ what: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 200 }) }),
  ),
  { maxLength: 25 },
);

describe('whatever becomes of renewals, refreshes and extensions and of their answers', () => {
  test('held is never true beyond what the server knows', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.infiniteStream(fates(true)),
        fc.boolean(),
        async (asked, stream, autoRenew) => {
          const network = new Network(() => stream.next().value!);
          const { clock } = network;
          const lease = await network.locker.acquire('k', { ttl: 600, autoRenew });
          const pass = async (ms: number) => {
            for (let left = ms; left > 0; left -= 10) {
              await clock.advance(Math.min(10, left));
              if (lease.held) expect(clock.now()).toBeLessThan(network.until);
              expect(lease.ttl()).toBeLessThanOrEqual(Math.max(0, network.until - clock.now()));
            }
          };
          for (const { what, ms } of asked) {
            if (what === 'pass') await pass(ms);
            else watch(lease[what](ms));
          }
          await pass(700);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  test('and where every answer comes, the lease is held as long as the server knows', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.infiniteStream(fates(false)), async (asked, stream) => {
        const network = new Network(() => stream.next().value!);
        const { clock } = network;
        const lease = await network.locker.acquire('k', { ttl: '1m' });
        for (const { what, ms } of asked) {
          if (what === 'pass') await clock.advance(ms);
          else watch(lease[what](what === 'refresh' ? ms + 5_000 : ms));
          await clock.advance(0);
        }
        await clock.advance(121 * (asked.length + 1));
        const left = Math.max(0, network.until - clock.now());
        expect(lease.ttl()).toBeLessThanOrEqual(left);
        // It counts from the sending, and what arrives waits for what was sent before it.
        expect(lease.ttl()).toBeGreaterThanOrEqual(left - 41);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});

describe('a shorter refresh whose answer is lost ends the lease in time', () => {
  test('though the answer to the renewal before it comes', async () => {
    const { locker, clock, instead, memory } = new Bed();
    const lease = await locker.acquire('a', { ttl: '6s', autoRenew: true });
    instead.extend = async (grant, ttl) => {
      const answer = await memory.extend(grant, ttl);
      await new Promise<void>((resolve) => void clock.after(300, resolve));
      return answer;
    };
    await clock.advance(2_000);
    instead.extend = silent;
    watch(lease.refresh('400ms'));
    await clock.advance(300);
    expect(lease.held).toBe(true);
    await clock.advance(100);
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'backend' });
  });

  test('though the answer to the longer refresh before it comes', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '3s' });
    const long = lease.refresh('3s');
    instead.extend = silent;
    watch(lease.refresh('400ms'));
    expect(await long).toBe(true);
    expect(lease.ttl()).toBeLessThanOrEqual(400);
    expect(lease.ttl()).toBeGreaterThan(390);
    await clock.advance(400);
    expect(lease.held).toBe(false);
  });

  test('a little before the server ends it: clocks do not tick alike', async () => {
    const { locker, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1m' });
    instead.extend = silent;
    watch(lease.refresh('10s'));
    expect(lease.ttl()).toBeLessThanOrEqual(9_990);
    expect(lease.ttl()).toBeGreaterThan(9_980);
  });

  test('and the answer to a later one makes it longer again', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '3s' });
    instead.extend = silent;
    watch(lease.refresh('400ms'));
    delete instead.extend;
    expect(await lease.refresh('2s')).toBe(true);
    expect(lease.ttl()).toBe(2_000);
    await clock.advance(1_999);
    expect(lease.held).toBe(true);
  });
});

describe('one that is over stays over', () => {
  test('though the answer to a renewal comes in the moment when it would be told', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    const late = deferred<Grant>();
    let sent!: Grant;
    instead.extend = (grant) => {
      sent = grant;
      return late.promise;
    };
    const refreshed = watch(lease.refresh());
    clock.jump(900);
    expect(lease.held).toBe(false);
    late.resolve({ ...sent, validUntil: clock.now() + 900 });
    await new Promise(setImmediate);
    expect([refreshed.value, lease.held]).toEqual([false, false]);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
  });
});

describe('a renewal that is not needed is not sent', () => {
  test('where the lease ends by maxHold before', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a', { ttl: 900, maxHold: 900, autoRenew: true });
    await bed.clock.advance(899);
    expect([lease.held, bed.count('extend')]).toEqual([true, 0]);
    await bed.clock.advance(1);
    expect(() => lease.ensureHeld()).toThrow(/maxHold/);
  });

  test('where the holder asks for one in the same moment', async () => {
    const bed = new Bed();
    const renewed = await bed.locker.acquire('a', { ttl: 3_000, autoRenew: true });
    const lost = await bed.locker.acquire('b', { ttl: 1_200 });
    // Both are due at once, after a block of the event loop.
    lost.signal.addEventListener('abort', () => void renewed.refresh());
    bed.clock.jump(1_500);
    await bed.clock.advance(0);
    expect(lost.held).toBe(false);
    expect(bed.asked('extend').map(({ key }) => key)).toEqual(['lock:{a}']);
    expect(renewed.ttl()).toBe(3_000);
  });
});

describe('the grants of several keys', () => {
  const fences: Record<string, number> = { 'lock:{a}': 900, 'lock:{b}': 5, 'lock:{c}': 70 };

  async function ofThree(): Promise<Bed> {
    const bed = new Bed();
    const { instead, clock } = bed;
    instead.acquire = async ({ key, token, mode, ttl }) => ({
      key,
      token,
      mode,
      fence: fences[key]!,
      validUntil: clock.now() + ttl,
    });
    instead.extend = async (grant, ttl) => ({ ...grant, validUntil: clock.now() + ttl });
    instead.release = async () => true;
    return bed;
  }
  const told = (bed: Bed) => bed.asked('release').map(({ key, fence }) => [key, fence]);
  const ALL = [
    ['lock:{c}', 900],
    ['lock:{b}', 900],
    ['lock:{a}', 900],
  ];

  test('are given back under the largest fence, the last one first', async () => {
    const bed = await ofThree();
    const lease = await bed.locker.acquire(['a', 'b', 'c']);
    expect(lease.fence).toBe(900);
    await lease.release();
    expect(told(bed)).toEqual(ALL);
  });

  test('are given back under the largest fence also when one was lost, that one too', async () => {
    const bed = await ofThree();
    const lease = await bed.locker.acquire(['a', 'b', 'c']);
    bed.instead.extend = async (grant) => (grant.key === 'lock:{b}' ? null : grant);
    expect(await lease.refresh()).toBe(false);
    expect(told(bed)).toEqual(ALL);
  });

  test('are given back under the largest fence when their time is up', async () => {
    const bed = await ofThree();
    await bed.locker.acquire(['a', 'b', 'c'], { ttl: 500 });
    await bed.clock.advance(500);
    expect(told(bed)).toEqual(ALL);
  });

  test('end with the first of them', async () => {
    const bed = await ofThree();
    const lease = await bed.locker.acquire(['a', 'b', 'c'], { ttl: 500 });
    bed.instead.extend = async (grant, ttl) => ({
      ...grant,
      validUntil: bed.clock.now() + (grant.key === 'lock:{b}' ? 100 : ttl),
    });
    expect(await lease.refresh('5s')).toBe(true);
    expect(lease.ttl()).toBe(100);
  });
});

test('a thread is told of a shorter ttl before the refresh is sent, and of a longer one when it is in force', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  let validUntil = 1_000;
  const memory = memoryDriver({ clock });
  const driver: LockDriver = Object.assign(memory, {
    extend: async (grant: Grant, ttl: number) => {
      told.push(`asks for ${ttl}`);
      await null;
      told.push('has its answer');
      validUntil = clock.now() + ttl;
      return { ...grant, validUntil };
    },
    renewInThread: () => ({
      get validUntil() {
        return validUntil;
      },
      loss: undefined,
      running: true,
      setTtl: (ttl: number) => told.push(`tells the thread ${ttl}`),
    }),
  });
  const locker = new LockRegistry({ clock }).registerDriver('memory', driver).mustOf();
  const lease = await locker.acquire('k', { ttl: 1_000, autoRenew: true, renewIn: 'thread' });
  await lease.refresh(5_000);
  await lease.refresh(2_000);
  expect(told).toEqual([
    'asks for 5000',
    'has its answer',
    'tells the thread 5000',
    'tells the thread 2000',
    'asks for 2000',
    'has its answer',
  ]);
});
