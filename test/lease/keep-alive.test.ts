import { expect, test } from '@jest/globals';
import type { Timer } from '../../src/core/clock.js';
import type { Locker } from '../../src/lease/locker.js';
import type { Work } from '../../src/lease/with.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

/** Knows whether one of its timers would keep the process alive. */
class LivingClock extends FakeClock {
  readonly #living = new Set<object>();

  get keepsAlive(): boolean {
    return this.#living.size > 0;
  }

  override after(ms: number, fn: () => void): Timer {
    const timer = super.after(ms, () => {
      this.#living.delete(timer);
      fn();
    });
    this.#living.add(timer);
    return {
      cancel: () => {
        this.#living.delete(timer);
        timer.cancel();
      },
      keepAlive: (yes) => void (yes ? this.#living.add(timer) : this.#living.delete(timer)),
    };
  }
}

test.each<[string, (locker: Locker, fn: Work<unknown>) => Promise<unknown>]>([
  ['with', (locker, fn) => locker.with('a', fn)],
  ['tryWith', (locker, fn) => locker.tryWith('a', fn)],
  ['once', (locker, fn) => locker.once('a', 1, fn)],
  ['lead', (locker, fn) => locker.lead('a', fn)],
])('%s keeps the process alive while fn runs, and not when it has returned or thrown', async (_, run) => {
  const clock = new LivingClock();
  const locker = new LockRegistry({ clock }).mustOf();
  // Its timer alone keeps nothing alive.
  await locker.acquire('renewed', { autoRenew: true });
  await clock.advance(0);
  expect(clock.keepsAlive).toBe(false);
  for (const settle of ['reject', 'resolve'] as const) {
    const work = deferred<unknown>();
    const running = watch(run(locker, () => work.promise));
    await clock.advance(20_000);
    expect([running.state, clock.keepsAlive]).toEqual(['pending', true]);
    work[settle](new Error('mine'));
    await clock.advance(0);
    expect([running.state === 'pending', clock.keepsAlive]).toEqual([false, false]);
    await clock.advance(60_000);
    expect(clock.keepsAlive).toBe(false);
  }
});

test('a leader that goes on after its loss keeps no process alive by that', async () => {
  const clock = new LivingClock();
  const registry = new LockRegistry({ clock });
  const locker = registry.mustOf();
  watch(locker.lead('a', () => new Promise(() => {}), { maxHold: 500, ttl: '1m' }));
  await clock.advance(499);
  expect(clock.keepsAlive).toBe(true);
  await clock.advance(1);
  expect(clock.pending).toBeGreaterThan(0);
  expect(clock.keepsAlive).toBe(false);
});
