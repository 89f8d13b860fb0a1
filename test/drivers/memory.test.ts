import { describe, expect, test } from '@jest/globals';
import { LockTimeoutError } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { AcquireRequest, Grant, LockInfo } from '../../src/lease/driver.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';

const KEY = 'lock:{k}';

/** A memory driver on a clock of its own, and requests for one key. */
class Bed {
  readonly clock = new FakeClock();
  readonly driver = memoryDriver({ clock: this.clock });
  #requests = 0;

  request(options: Partial<AcquireRequest> = {}): AcquireRequest {
    const token = `token ${++this.#requests}`;
    const meta = { n: `${this.#requests}` };
    return { key: KEY, token, mode: 'write', ttl: 1_000, wait: 0, retryInterval: 100, meta, ...options };
  }

  ask(options?: Partial<AcquireRequest>): Promise<Grant | null> {
    return this.driver.acquire(this.request(options));
  }

  async take(options?: Partial<AcquireRequest>): Promise<Grant> {
    const grant = await this.ask(options);
    if (!grant) throw new Error('expected a grant');
    return grant;
  }

  /** One who waits for ever, unless said otherwise. */
  wait(options: Partial<AcquireRequest> = {}) {
    return watch(this.ask({ wait: Infinity, ...options }));
  }

  async info(key = KEY): Promise<LockInfo | null> {
    return this.driver.inspect(key);
  }
}

describe('a limit', () => {
  test('lets in that many, in order, and hands each permit on', async () => {
    const bed = new Bed();
    const limited = { mode: 'read', limit: 2 } as const;
    const [first, second] = [await bed.take(limited), await bed.take(limited)];
    expect(await bed.ask(limited)).toBeNull();
    const [third, fourth] = [bed.wait(limited), bed.wait(limited)];
    await bed.driver.release(second);
    await bed.clock.advance(0);
    expect([third.state, fourth.state]).toEqual(['fulfilled', 'pending']);
    await bed.driver.release(first);
    await bed.clock.advance(0);
    expect(fourth.value!.fence).toBeGreaterThan(third.value!.fence);
    expect(await bed.info()).toMatchObject({ mode: 'read', limit: 2, waiters: 0 });
  });

  test('is each caller’s own: whoever waits for a smaller one is not overtaken', async () => {
    const bed = new Bed();
    const holders = [];
    for (let n = 0; n < 3; n++) holders.push(await bed.take({ mode: 'read', limit: 5 }));
    const one = bed.wait({ mode: 'read', limit: 1 });
    const [five, reader] = [bed.wait({ mode: 'read', limit: 5 }), bed.wait({ mode: 'read' })];
    for (const holder of holders) {
      expect([one.state, five.state, reader.state]).toEqual(['pending', 'pending', 'pending']);
      expect(await bed.ask({ mode: 'read', limit: 9 })).toBeNull();
      await bed.driver.release(holder);
      await bed.clock.advance(0);
    }
    expect([one.state, five.state, reader.state]).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    expect(await bed.info()).toMatchObject({ limit: 1, holders: [{}, {}, {}] });
  });

  test('does not concern writers: they wait for all, and keep all out', async () => {
    const bed = new Bed();
    const holder = await bed.take({ mode: 'read', limit: 5 });
    const [writer, late] = [bed.wait(), bed.wait({ mode: 'read', limit: 5 })];
    await bed.driver.release(holder);
    await bed.clock.advance(0);
    expect([writer.state, late.state]).toEqual(['fulfilled', 'pending']);
    expect((await bed.info())!.limit).toBe(undefined);
  });

  test('gives a permit back when its holder’s time is up, and no sooner', async () => {
    const bed = new Bed();
    const limited = { mode: 'read', limit: 2 } as const;
    await bed.take({ ...limited, ttl: 100 });
    await bed.take({ ...limited, ttl: 500 });
    const [third, fourth] = [bed.wait(limited), bed.wait(limited)];
    await bed.clock.advance(99);
    expect([third.state, fourth.state]).toEqual(['pending', 'pending']);
    await bed.clock.advance(1);
    expect([third.state, fourth.state]).toEqual(['fulfilled', 'pending']);
    await bed.clock.advance(400);
    expect(fourth.state).toBe('fulfilled');
  });
});

describe('a rest', () => {
  test('keeps everybody out after the release, then hands the key to the first who waits', async () => {
    const bed = new Bed();
    const grant = await bed.take();
    const waiters = [bed.wait({ mode: 'read' }), bed.wait()];
    expect(await bed.driver.release(grant, 300)).toBe(true);
    expect(await bed.driver.release(grant, 300)).toBe(false);
    await bed.clock.advance(299);
    expect(waiters.map(({ state }) => state)).toEqual(['pending', 'pending']);
    expect(await bed.ask()).toBeNull();
    expect(await bed.ask({ mode: 'read' })).toBeNull();
    await bed.clock.advance(1);
    expect(waiters.map(({ state }) => state)).toEqual(['fulfilled', 'pending']);
    expect(waiters[0]!.value!.fence).toBeGreaterThan(grant.fence);
    expect(waiters[0]!.value!.validUntil).toBe(1_300);
  });

  test('is shown, with the time when it is over, and leaves nothing behind', async () => {
    const bed = new Bed();
    const before = Date.now();
    await bed.driver.release(await bed.take(), 300);
    const info = await bed.info();
    expect(info).toMatchObject({ key: KEY, mode: 'write', waiters: 0, holders: [], waiting: [] });
    expect(info!.restsUntil).toBeGreaterThanOrEqual(before + 300);
    expect(info!.restsUntil).toBeLessThanOrEqual(Date.now() + 301);
    const reader = bed.wait({ mode: 'read' });
    expect(await bed.info()).toMatchObject({ mode: 'read', waiters: 1, waiting: [{ mode: 'read' }] });
    await bed.clock.advance(300);
    expect((await bed.info())!.restsUntil).toBe(undefined);
    await bed.driver.release(reader.value!);
    expect(await bed.info()).toBeNull();
  });

  test('over which nobody waits ends by itself: the key is free', async () => {
    const bed = new Bed();
    await bed.driver.release(await bed.take(), 300);
    await bed.clock.advance(300);
    expect(await bed.info()).toBeNull();
    expect(await bed.ask()).not.toBeNull();
  });

  test('of a shared hold keeps its place inside: one permit is missing, and no writer enters', async () => {
    const bed = new Bed();
    const limited = { mode: 'read', limit: 2 } as const;
    const [first] = [await bed.take(limited), await bed.take(limited)];
    await bed.driver.release(first, 300);
    expect(await bed.ask(limited)).toBeNull();
    expect(await bed.ask({ ...limited, limit: 3, ttl: 10 })).not.toBeNull();
    expect(await bed.driver.extend(first, 5_000)).toBeNull();
    const waiter = bed.wait(limited);
    await bed.clock.advance(299);
    expect([waiter.state, (await bed.info())!.holders.length]).toEqual(['pending', 1]);
    await bed.clock.advance(1);
    expect([waiter.state, (await bed.info())!.holders.length]).toEqual(['fulfilled', 2]);
  });

  test('of readers ends for each in its own time; the last end is shown, and a writer waits for it', async () => {
    const bed = new Bed();
    const readers = [await bed.take({ mode: 'read' }), await bed.take({ mode: 'read' })];
    await bed.driver.release(readers[0]!, 300);
    await bed.driver.release(readers[1]!, 100);
    const rests = (await bed.info())!.restsUntil! - Date.now();
    expect(rests).toBeGreaterThan(100);
    expect(rests).toBeLessThanOrEqual(301);
    // A reader may come while others rest, also the one that does.
    const again = await bed.take({ mode: 'read', token: readers[0]!.token, ttl: 50 });
    expect(again.fence).toBeGreaterThan(readers[1]!.fence);
    const writer = bed.wait();
    await bed.clock.advance(299);
    expect([writer.state, (await bed.info())!.holders]).toEqual(['pending', []]);
    await bed.clock.advance(1);
    expect(writer.state).toBe('fulfilled');
  });

  test('does not outlast a wait, which ends in its time', async () => {
    const bed = new Bed();
    await bed.driver.release(await bed.take(), 300);
    const waiter = bed.wait({ wait: 100 });
    await bed.clock.advance(99);
    expect(waiter.state).toBe('pending');
    await bed.clock.advance(1);
    expect(waiter.value).toBeNull();
  });
});

describe('inspect', () => {
  test('shows since when each holder holds and each waiter waits, in order, the first hundred', async () => {
    const bed = new Bed();
    const before = Date.now();
    await bed.take({ mode: 'read' });
    for (let n = 0; n < 150; n++) bed.wait(n % 2 ? { mode: 'read' } : {});
    const { holders, waiting, waiters } = (await bed.info())!;
    expect([holders.length, waiters, waiting.length]).toEqual([1, 150, 100]);
    expect(waiting.map(({ meta }) => meta.n)).toEqual(Array.from({ length: 100 }, (_, n) => `${n + 2}`));
    expect(waiting.slice(0, 3).map(({ mode }) => mode)).toEqual(['write', 'read', 'write']);
    for (const { since } of [...holders, ...waiting]) {
      expect(since).toBeGreaterThanOrEqual(before);
      expect(since).toBeLessThanOrEqual(Date.now());
    }
    expect(JSON.stringify(await bed.info())).not.toContain('token');
  });

  test('shows what is left of each time, and what the holder told of itself', async () => {
    const bed = new Bed();
    await bed.clock.advance(5_000);
    const meta = { host: 'a' };
    const grant = await bed.take({ mode: 'read', meta });
    await bed.take({ mode: 'read', ttl: 300.5 });
    await bed.clock.advance(100);
    const info = (await bed.info())!;
    expect(info.holders).toMatchObject([{ ttl: 900, meta }, { ttl: 201 }]);
    expect('restsUntil' in info).toBe(false);
    await bed.driver.release(grant, 400);
    const before = Date.now();
    const { restsUntil } = (await bed.info())!;
    expect(restsUntil! - before).toBeGreaterThanOrEqual(400);
    expect(restsUntil! - Date.now()).toBeLessThanOrEqual(401);
    // The loop was blocked: no timer told of the end.
    bed.clock.jump(200.5);
    expect((await bed.info())!.holders).toEqual([]);
    bed.clock.jump(199.5);
    expect(await bed.info()).toBeNull();
  });

  test('shows the smallest limit among the holders', async () => {
    const bed = new Bed();
    await bed.take({ mode: 'read' });
    expect('limit' in (await bed.info())!).toBe(false);
    await bed.take({ mode: 'read', limit: 7 });
    await bed.take({ mode: 'read', limit: 5 });
    expect((await bed.info())!.limit).toBe(5);
  });

  test('list gives those that are held or rest, whose names start with the prefix', async () => {
    const bed = new Bed();
    const keys = ['a:{1}', 'a:{2}', 'b:{1}', 'a:{3}', 'a:{4}'];
    const grants = [];
    for (const key of keys) grants.push(await bed.take({ key }));
    await bed.driver.release(grants[1]!);
    await bed.driver.release(grants[3]!, 500);
    const list = async (prefix: string) => {
      const found = [];
      for await (const { key, holders } of bed.driver.list!(prefix)) found.push([key, holders.length]);
      return found;
    };
    expect(await list('a:')).toEqual([
      ['a:{1}', 1],
      ['a:{3}', 0],
      ['a:{4}', 1],
    ]);
    expect(await list('')).toHaveLength(4);
    expect(await list('c:')).toEqual([]);
  });

  test('list leaves out what was freed while it was read', async () => {
    const bed = new Bed();
    const grants = [await bed.take({ key: 'a' }), await bed.take({ key: 'b' })];
    const found = [];
    for await (const { key } of bed.driver.list!('')) {
      found.push(key);
      for (const grant of grants) await bed.driver.release(grant);
      await bed.take({ key: `new ${key}` });
    }
    expect(found).toEqual(['a']);
  });
});

describe('revoke', () => {
  test('takes the hold of that very fence, tells its holder, and hands the key on', async () => {
    const bed = new Bed();
    const told: number[] = [];
    const victim = await bed.take({ onRevoked: (grace) => told.push(grace) });
    const next = bed.wait();
    expect(await bed.driver.revoke!(KEY, victim.fence - 1)).toBe(false);
    expect(await bed.driver.revoke!('lock:{other}', victim.fence)).toBe(false);
    expect([told, next.state]).toEqual([[], 'pending']);
    expect(await bed.driver.revoke!(KEY, victim.fence)).toBe(true);
    await bed.clock.advance(0);
    expect(told).toEqual([0]);
    expect(next.value!.fence).toBeGreaterThan(victim.fence);
    expect(await bed.driver.extend(victim, 5_000)).toBeNull();
    expect(await bed.driver.release(victim)).toBe(false);
    expect(await bed.driver.revoke!(KEY, victim.fence)).toBe(false);
    expect((await bed.info())!.holders[0]!.fence).toBe(next.value!.fence);
  });

  test('tells the holder before the next one knows that it holds', async () => {
    const bed = new Bed();
    const order: string[] = [];
    const victim = await bed.take({ onRevoked: () => order.push('told') });
    void bed.ask({ wait: Infinity }).then(() => order.push('next'));
    await bed.driver.revoke!(KEY, victim.fence);
    await bed.clock.advance(0);
    expect(order).toEqual(['told', 'next']);
  });

  test('with a grace takes it after that, and refuses extensions until then', async () => {
    const bed = new Bed();
    const told: number[] = [];
    const victim = await bed.take({ ttl: 1_000, onRevoked: (grace) => told.push(grace) });
    const next = bed.wait();
    expect(await bed.driver.revoke!(KEY, victim.fence, 200)).toBe(true);
    expect(told).toEqual([200]);
    expect((await bed.info())!.holders[0]!.ttl).toBe(200);
    expect(await bed.driver.extend(victim, 5_000)).toBeNull();
    await bed.clock.advance(199);
    expect(next.state).toBe('pending');
    await bed.clock.advance(1);
    expect(next.value!.fence).toBeGreaterThan(victim.fence);
    expect(await bed.driver.release(victim)).toBe(false);
  });

  test('with a grace lets the holder release before', async () => {
    const bed = new Bed();
    const victim = await bed.take();
    const next = bed.wait();
    await bed.driver.revoke!(KEY, victim.fence, 200);
    await bed.clock.advance(50);
    expect(await bed.driver.release(victim)).toBe(true);
    await bed.clock.advance(0);
    expect(next.value!.validUntil).toBe(1_050);
    await bed.clock.advance(500);
    expect((await bed.info())!.holders[0]!.fence).toBe(next.value!.fence);
  });

  test('with a grace does not prolong what would end sooner; a second one can only shorten', async () => {
    const bed = new Bed();
    const short = await bed.take({ ttl: 100 });
    await bed.driver.revoke!(KEY, short.fence, 5_000);
    expect((await bed.info())!.holders[0]!.ttl).toBe(100);
    await bed.driver.revoke!(KEY, short.fence, 40);
    await bed.driver.revoke!(KEY, short.fence, 70);
    await bed.clock.advance(39);
    expect(await bed.ask()).toBeNull();
    await bed.clock.advance(1);
    expect(await bed.ask()).not.toBeNull();
  });

  test('takes one reader’s hold and leaves the others', async () => {
    const bed = new Bed();
    const readers = [await bed.take({ mode: 'read' }), await bed.take({ mode: 'read' })];
    const writer = bed.wait();
    expect(await bed.driver.revoke!(KEY, readers[0]!.fence)).toBe(true);
    await bed.clock.advance(0);
    expect(writer.state).toBe('pending');
    expect(await bed.driver.release(readers[1]!)).toBe(true);
    await bed.clock.advance(0);
    expect(writer.state).toBe('fulfilled');
  });
});

describe('a hold', () => {
  test('is over when its time is, also where the timer is late', async () => {
    const bed = new Bed();
    const grant = await bed.take({ ttl: 100 });
    bed.clock.jump(99);
    expect((await bed.driver.extend(grant, 100))!.validUntil).toBe(199);
    bed.clock.jump(100);
    expect(await bed.driver.extend(grant, 100)).toBeNull();
    expect(await bed.driver.release(grant)).toBe(false);
    expect(await bed.driver.revoke!(KEY, grant.fence)).toBe(false);
    expect(await bed.info()).toBeNull();
  });

  test('that was asked for twice with one token is one hold, also for who waited', async () => {
    const bed = new Bed();
    const holder = await bed.take();
    const twins = [1, 2, 3].map(() => bed.wait({ mode: 'read', token: 'twin' }));
    await bed.driver.release(holder);
    await bed.clock.advance(0);
    const [first] = twins.map(({ value }) => value!);
    expect(twins.map(({ value }) => value!.fence)).toEqual([first!.fence, first!.fence, first!.fence]);
    expect((await bed.info())!.holders).toHaveLength(1);
    expect(await bed.driver.release(first!)).toBe(true);
    expect(await bed.info()).toBeNull();
  });

  test('that is granted to a token whose last hold has run out is another one', async () => {
    const bed = new Bed();
    const limited = { mode: 'read', limit: 2 } as const;
    const holders = [await bed.take(limited), await bed.take(limited)];
    const first = bed.wait({ ...limited, token: 'same', ttl: 50 });
    const second = bed.wait({ ...limited, token: 'same', ttl: 500 });
    await bed.driver.release(holders[0]!);
    await bed.clock.advance(0);
    expect([first.state, second.state]).toEqual(['fulfilled', 'pending']);
    // The loop was blocked: no timer told of the end.
    bed.clock.jump(60);
    await bed.driver.release(holders[1]!);
    await bed.clock.advance(10);
    expect(second.value!.fence).toBeGreaterThan(first.value!.fence);
    expect((await bed.info())!.holders.map(({ fence }) => fence)).toEqual([second.value!.fence]);
    expect(await bed.driver.release(second.value!)).toBe(true);
    expect(await bed.info()).toBeNull();
  });
});

describe('fences', () => {
  test('are those of the clock, so that they also grow when the process starts anew', async () => {
    const before = Date.now() * 1_000;
    const grants = [await new Bed().take(), await new Bed().take()];
    for (const { fence } of grants) {
      expect(fence).toBeGreaterThanOrEqual(before);
      expect(fence).toBeLessThanOrEqual(Date.now() * 1_000 + 2);
    }
  });

  test('grow beyond each that a release names, and with every hold', async () => {
    const bed = new Bed();
    const first = await bed.take();
    const used = first.fence + 1e12;
    await bed.driver.release({ ...first, fence: used });
    const second = await bed.take();
    expect(second.fence).toBe(used + 1);
    await bed.driver.release({ ...second, fence: first.fence });
    expect((await bed.take()).fence).toBe(used + 2);
  });
});

describe('without a turn of the clock', () => {
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

  test.each([
    ['a release', async (bed: Bed, grant: Grant) => bed.driver.release(grant)],
    ['a revocation', async (bed: Bed, { fence }: Grant) => bed.driver.revoke!(KEY, fence)],
  ])('%s hands the key on', async (_, end) => {
    const bed = new Bed();
    const holder = await bed.take();
    const waiter = bed.wait();
    expect(await end(bed, holder)).toBe(true);
    await settled();
    expect(waiter.value!.fence).toBeGreaterThan(holder.fence);
  });

  test('a try is answered', async () => {
    const bed = new Bed();
    await bed.take();
    const { pending } = bed.clock;
    expect(await bed.ask({ wait: 0 })).toBeNull();
    expect(bed.clock.pending).toBe(pending);
  });
});

test('the process stays alive while somebody waits, and no longer', async () => {
  let alive = false;
  class Watched extends FakeClock {
    override after(ms: number, fn: () => void) {
      const timer = super.after(ms, fn);
      const keepAlive = (yes: boolean) => {
        alive = yes;
      };
      return { cancel: () => timer.cancel(), keepAlive };
    }
  }
  const bed = new Bed();
  const clock = new Watched();
  const driver = memoryDriver({ clock });
  const holder = (await driver.acquire(bed.request({ ttl: 1e6 })))!;
  expect(alive).toBe(false);
  const ends: ((stop: AbortController) => unknown)[] = [
    () => clock.advance(50),
    (stop) => stop.abort(),
    () => driver.release(holder),
  ];
  for (const end of ends) {
    const stop = new AbortController();
    const waiting = watch(driver.acquire(bed.request({ wait: 50, signal: stop.signal })));
    expect([waiting.state, alive]).toEqual(['pending', true]);
    await end(stop);
    await clock.advance(0);
    expect([waiting.state === 'pending', alive]).toEqual([false, false]);
  }
});

describe('waiting', () => {
  test.each([2 ** 31, 2 ** 31 + 10, 2 ** 40])(
    'a wait and a ttl of %d ms end in their time, and not at once',
    async (ms) => {
      const bed = new Bed();
      await bed.take({ ttl: ms + 5 });
      const waiter = bed.wait({ wait: ms });
      await bed.clock.advance(ms - 1);
      expect([waiter.state, (await bed.info())!.holders.length]).toEqual(['pending', 1]);
      await bed.clock.advance(1);
      expect([waiter.value, (await bed.info())!.holders.length]).toEqual([null, 1]);
      await bed.clock.advance(5);
      expect(await bed.info()).toBeNull();
      // The same by the clock of the system, as far as a test can wait.
      const driver = memoryDriver();
      const request = bed.request({ key: 'real' });
      await driver.acquire({ ...request, ttl: ms });
      const real = watch(driver.acquire({ ...request, token: 'other', wait: ms }));
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect([real.state, (await driver.inspect('real'))!.holders.length]).toEqual(['pending', 1]);
      await driver.close();
    },
  );

  test('an abort in the moment of the grant leaks nothing, whichever comes first', async () => {
    for (const abortFirst of [true, false]) {
      const bed = new Bed();
      const holder = await bed.take();
      const stop = new AbortController();
      const aborted = bed.wait({ signal: stop.signal });
      const next = bed.wait();
      if (abortFirst) stop.abort('enough');
      const released = bed.driver.release(holder);
      if (!abortFirst) stop.abort('enough');
      expect(await released).toBe(true);
      await bed.clock.advance(0);
      expect(aborted.state).toBe(abortFirst ? 'rejected' : 'fulfilled');
      if (!abortFirst) expect(await bed.driver.release(aborted.value!)).toBe(true);
      await bed.clock.advance(0);
      expect(await bed.driver.release(next.value!)).toBe(true);
      expect(await bed.info()).toBeNull();
    }
  });

  test('a release that is made because a signal aborts lets in nobody who waits with it', async () => {
    const bed = new Bed();
    const stop = new AbortController();
    const holder = await bed.take();
    stop.signal.addEventListener('abort', () => void bed.driver.release(holder));
    const waiters = [bed.wait({ signal: stop.signal }), bed.wait({ signal: stop.signal, mode: 'read' })];
    stop.abort('enough');
    await bed.clock.advance(0);
    expect(waiters.map(({ error }) => error)).toEqual(['enough', 'enough']);
    expect(await bed.info()).toBeNull();
  });

  test.each([new LockTimeoutError('outer', 5), Number.NaN, null, 0, 'text'])(
    'the reason %p of an abort comes through as it is',
    async (reason) => {
      const bed = new Bed();
      await bed.take();
      const stop = new AbortController();
      const waiter = bed.wait({ signal: stop.signal });
      stop.abort(reason);
      await bed.clock.advance(0);
      expect(waiter.state).toBe('rejected');
      expect(waiter.error).toBe(reason);
      await expect(bed.ask({ signal: stop.signal })).rejects.toBe(reason);
    },
  );

  test('10,000 who wait are all told when the driver closes', async () => {
    const bed = new Bed();
    await bed.take();
    const waiters = Array.from({ length: 10_000 }, (_, n) =>
      bed.wait(n % 2 ? {} : { mode: 'read', limit: 3 }),
    );
    await bed.driver.close();
    await bed.clock.advance(0);
    expect(new Set(waiters.map(({ error }) => (error as { code?: string }).code))).toEqual(
      new Set(['LOCK_CLOSED']),
    );
    expect(bed.clock.pending).toBe(0);
  });

  test('a closed driver tells nothing of its locks, as those of servers do', async () => {
    const { driver } = new Bed();
    await expect(driver.ping()).resolves.toBe(undefined);
    await driver.close();
    const listed = driver.list!('lock:')[Symbol.asyncIterator]().next();
    const asked = driver.acquire({ ...new Bed().request(), wait: 50 });
    for (const refused of [asked, driver.ping(), driver.inspect(KEY), driver.revoke!(KEY, 1), listed])
      await expect(refused).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  });
});
