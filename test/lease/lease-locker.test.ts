import { describe, expect, test } from '@jest/globals';
import {
  LockBackendError,
  LockClosedError,
  LockLostError,
  LockNotObtainedError,
  LockTimeoutError,
} from '../../src/core/errors.js';
import type { Lease } from '../../src/lease/lease.js';
import { Bed, down, silent, watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

describe('acquire', () => {
  test('waits for the release; a waiter is pending until then', async () => {
    const { locker, clock } = new Bed();
    const first = await locker.acquire('a');
    const second = watch(locker.acquire('a'));
    await clock.advance(40);
    expect(second.state).toBe('pending');
    await first.release();
    await clock.advance(0);
    expect(second.state).toBe('fulfilled');
    expect(second.value!.fence).toBeGreaterThan(first.fence);
  });

  test('waits 30 s unless told otherwise, then rejects with LockTimeoutError', async () => {
    const { locker, clock } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    const [patient, brief] = [watch(locker.acquire('a')), watch(locker.acquire('a', { wait: 30 }))];
    await clock.advance(30);
    expect(brief.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'a', name: 'LockTimeoutError' });
    await clock.advance(29_969);
    expect(patient.state).toBe('pending');
    await clock.advance(1);
    expect(patient.error).toBeInstanceOf(LockTimeoutError);
    expect((patient.error as Error).message).toBe('lock: not obtained: "a" within 30000 ms');
  });

  test('waits for ever when told so', async () => {
    const { locker, clock } = new Bed();
    const first = await locker.acquire('a', { ttl: '1h', autoRenew: true });
    const second = watch(locker.acquire('a', { wait: 'forever' }));
    await clock.advance(3 * 3_600_000);
    expect(second.state).toBe('pending');
    await first.release();
    await clock.advance(0);
    expect(second.state).toBe('fulfilled');
  });

  test('rejects with the signal’s reason, not with a time-out, and holds nothing', async () => {
    const { locker, clock } = new Bed();
    const first = await locker.acquire('a');
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiter = watch(locker.acquire('a', { signal: stop.signal }));
    await clock.advance(10);
    stop.abort(reason);
    await clock.advance(0);
    expect(waiter.error).toBe(reason);
    await first.release();
    expect(await locker.inspect('a')).toBeNull();
    await expect(locker.acquire('a', { signal: stop.signal })).rejects.toBe(reason);
  });

  test('of a writer and a reader that share a signal gives neither a lease when it aborts', async () => {
    const { locker, clock } = new Bed();
    await locker.acquire('a', { mode: 'read' });
    const stop = new AbortController();
    const waiters = [
      watch(locker.acquire('a', { signal: stop.signal })),
      watch(locker.acquire('a', { signal: stop.signal, mode: 'read' })),
    ];
    await clock.advance(10);
    stop.abort();
    await clock.advance(0);
    expect(waiters.map(({ state }) => state)).toEqual(['rejected', 'rejected']);
    expect((await locker.inspect('a'))?.holders).toHaveLength(1);
  });

  test('an outage is a LockBackendError, never contention', async () => {
    const { locker, instead } = new Bed();
    instead.acquire = down;
    await expect(locker.acquire('a')).rejects.toBeInstanceOf(LockBackendError);
    await expect(locker.tryAcquire('a')).rejects.toBeInstanceOf(LockBackendError);
    await expect(locker.tryWith('a', () => 1)).rejects.toBeInstanceOf(LockBackendError);
  });

  test('nine who never release obtain one after the other, in order, within 10 s', async () => {
    const { locker, clock } = new Bed();
    const obtained: number[] = [];
    for (let n = 0; n < 9; n++) void locker.acquire('a', { ttl: '1s' }).then(() => obtained.push(n));
    await clock.advance(10_000);
    expect(obtained).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('nine who try: one obtains, eight do not', async () => {
    const { locker } = new Bed();
    const tried = await Promise.allSettled(Array.from({ length: 9 }, () => locker.acquire('a', { wait: 0 })));
    const reasons = tried.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(reasons).toHaveLength(8);
    for (const reason of reasons) {
      expect(reason).toBeInstanceOf(LockNotObtainedError);
      expect(reason.message).toMatch(/^lock: not obtained/);
    }
    const leases = await Promise.all(Array.from({ length: 100 }, () => locker.tryAcquire('b')));
    expect(leases.filter(Boolean)).toHaveLength(1);
  });

  test('a writer holds 300 ms, two readers ask at 100 ms: none in at 200 ms, both at 400 ms', async () => {
    const { locker, clock } = new Bed();
    const writer = await locker.acquire('a');
    let inside = 0;
    clock.after(100, () => {
      for (let n = 0; n < 2; n++) void locker.acquire('a', { mode: 'read' }).then(() => inside++);
    });
    clock.after(300, () => void writer.release());
    await clock.advance(200);
    expect(inside).toBe(0);
    await clock.advance(200);
    expect(inside).toBe(2);
  });

  test('does not give a lease whose time ran out on its way here', async () => {
    const { locker, clock, instead, memory } = new Bed();
    instead.acquire = async (request) => {
      delete instead.acquire;
      const grant = await memory.acquire(request);
      clock.jump(request.ttl);
      return grant;
    };
    const lease = await locker.acquire('a', { ttl: '1s' });
    expect(lease.held).toBe(true);
    expect(lease.ttl()).toBe(1_000);
  });
});

describe('tryAcquire', () => {
  test('tries once, whatever the locker’s wait, unless this call says otherwise', async () => {
    const { locker, clock, registry } = new Bed();
    await locker.acquire('a');
    expect(await locker.tryAcquire('a')).toBeNull();
    expect(
      await registry.registerLocker('patient', { wait: '1h' }).mustOf('patient').tryAcquire('a'),
    ).toBeNull();
    const waiting = watch(locker.tryAcquire('a', { wait: 50 }));
    await clock.advance(49);
    expect(waiting.state).toBe('pending');
    await clock.advance(1);
    expect(waiting).toMatchObject({ state: 'fulfilled', value: null });
  });
});

describe('with', () => {
  test('gives what fn gives, and releases', async () => {
    const { locker } = new Bed();
    let seen: Lease | undefined;
    const value = await locker.with('a', (lease) => {
      seen = lease;
      expect(lease.held).toBe(true);
      return 42;
    });
    expect(value).toBe(42);
    expect(seen!.held).toBe(false);
    expect(await locker.inspect('a')).toBeNull();
  });

  test('with a ttl of 80 ms and work of 170 ms renews: a rival at 120 ms fails; afterwards it is free', async () => {
    const { locker, clock } = new Bed();
    let runs = 0;
    const work = deferred();
    const running = locker.with(
      'a',
      () => {
        runs++;
        clock.after(170, () => work.resolve());
        return work.promise;
      },
      { ttl: 80 },
    );
    await clock.advance(120);
    expect(await locker.tryAcquire('a')).toBeNull();
    await clock.advance(50);
    await running;
    expect(runs).toBe(1);
    expect(await locker.tryAcquire('a')).not.toBeNull();
  });

  test('without autoRenew does not renew', async () => {
    const { locker, clock } = new Bed();
    const work = deferred();
    const running = watch(locker.with('a', () => work.promise, { ttl: 80, autoRenew: false }));
    await clock.advance(80);
    work.resolve();
    await clock.advance(0);
    expect(running.error).toMatchObject({ code: 'LOCK_LOST', reason: 'expired' });
  });

  test('rejects with LockLostError when fn succeeded but the lease was lost under it', async () => {
    const bed = new Bed();
    let stolen: unknown;
    const running = bed.locker.with('a', async (lease) => {
      stolen = await bed.steal(lease);
      return 'done';
    });
    await expect(running).rejects.toMatchObject({ name: 'LockLostError', reason: 'stolen', key: 'a' });
    expect(await bed.memory.release(stolen as never)).toBe(true);
  });

  test('shows fn’s own error, whether the lease was lost, stolen or could not be released', async () => {
    const error = new Error('mine');
    for (const harm of ['none', 'stolen', 'expired', 'down']) {
      const bed = new Bed();
      const running = bed.locker.with('a', async (lease) => {
        if (harm === 'stolen') await bed.steal(lease);
        if (harm === 'expired') bed.clock.jump(60_000);
        if (harm === 'down') bed.instead.release = down;
        throw error;
      });
      await expect(running).rejects.toBe(error);
    }
    const bed = new Bed();
    const thrower = () => {
      throw error;
    };
    await expect(bed.locker.with('a', thrower)).rejects.toBe(error);
    expect(await bed.locker.inspect('a')).toBeNull();
  });

  test('a release that fails after the work does not undo its success', async () => {
    const { locker, instead } = new Bed();
    instead.release = down;
    expect(await locker.with('a', () => 42)).toBe(42);
  });

  test('a lease that fn released itself is no loss', async () => {
    const { locker } = new Bed();
    expect(await locker.with('a', async (lease) => lease.release())).toBe(true);
  });

  test('does not run fn when the lock is not obtained', async () => {
    const { locker } = new Bed();
    await locker.acquire('a');
    let runs = 0;
    const run = () => runs++;
    await expect(locker.with('a', run, { wait: 0 })).rejects.toBeInstanceOf(LockTimeoutError);
    expect(await locker.tryWith('a', run)).toEqual({ acquired: false });
    expect(runs).toBe(0);
    expect(await locker.tryWith('b', () => 7)).toEqual({ acquired: true, value: 7 });
  });

  test('aborts the lease’s signal while fn runs', async () => {
    const bed = new Bed();
    const running = watch(
      bed.locker.with(
        'a',
        async (lease) => {
          await bed.steal(lease);
          await new Promise((_, reject) => {
            lease.signal.addEventListener('abort', () => reject(lease.signal.reason));
          });
        },
        { ttl: 900 },
      ),
    );
    await bed.clock.advance(400);
    expect(running.error).toBeInstanceOf(LockLostError);
  });
});

describe('several keys', () => {
  test('are sorted, each once, under one token, with the largest fence; released in reverse', async () => {
    const { locker, calls } = new Bed();
    const lease = await locker.acquire(['c', 'a', 'b', 'a']);
    expect(lease.keys).toEqual(['a', 'b', 'c']);
    expect(lease.key).toBe('a');
    expect(lease.fence).toBe((await locker.inspect('c'))?.holders[0]?.fence);
    expect(calls.map(({ key }) => key)).toEqual(['lock:{a}', 'lock:{b}', 'lock:{c}']);
    expect(await lease.release()).toBe(true);
    const released = calls.filter(({ what }) => what === 'release').map(({ key }) => key);
    expect(released).toEqual(['lock:{c}', 'lock:{b}', 'lock:{a}']);
  });

  test('all or none: {2,3} fails while {1,2} or {3,4} is held', async () => {
    const { locker } = new Bed();
    const [first, second] = [await locker.acquire(['1', '2']), await locker.acquire(['3', '4'])];
    expect(await locker.tryAcquire(['2', '3'])).toBeNull();
    await first.release();
    expect(await (await locker.tryAcquire('1'))!.release()).toBe(true);
    expect(await locker.tryAcquire(['2', '3'])).toBeNull();
    expect(await locker.inspect('2')).toBeNull();
    await second.release();
    expect((await locker.tryAcquire(['2', '3']))!.keys).toEqual(['2', '3']);
  });

  test('[a, b] against [b, a] does not deadlock', async () => {
    const { locker } = new Bed();
    let done = 0;
    const job = (keys: string[]) =>
      locker.with(keys, async () => {
        await new Promise(setImmediate);
        done++;
      });
    await Promise.all(Array.from({ length: 20 }, (_, n) => job(n % 2 ? ['a', 'b'] : ['b', 'a'])));
    expect(done).toBe(20);
  });

  test('are under one deadline', async () => {
    const { locker, clock } = new Bed();
    const first = await locker.acquire('a');
    await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { wait: 100 }));
    clock.after(60, () => void first.release());
    await clock.advance(99);
    expect(both.state).toBe('pending');
    await clock.advance(1);
    expect(both.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: ['a', 'b'] });
    expect(await locker.inspect('a')).toBeNull();
  });

  test('the first ones are kept while the next is awaited far beyond the ttl, and all have the full ttl then', async () => {
    const { locker, clock } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { ttl: 100 }));
    for (let at = 0; at < 1_000; at += 50) {
      await clock.advance(50);
      expect(await locker.tryAcquire('a')).toBeNull();
    }
    await clock.advance(20);
    await held.release();
    await clock.advance(0);
    expect(both.value!.held).toBe(true);
    expect(both.value!.ttl()).toBe(100);
    await clock.advance(100);
    expect(both.value!.held).toBe(false);
  });

  test('a key that joins while the first ones are being renewed is not forgotten', async () => {
    const { locker, clock, instead, memory } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const [renewal, refresh] = [deferred(), deferred()];
    instead.extend = async (grant, ttl) => {
      await renewal.promise;
      return memory.extend(grant, ttl);
    };
    const both = watch(locker.acquire(['a', 'b'], { ttl: 3_000 }));
    await clock.advance(1_000);
    instead.extend = () => refresh.promise.then(down);
    await held.release();
    await clock.advance(0);
    renewal.resolve();
    await clock.advance(0);
    refresh.resolve();
    await clock.advance(0);
    delete instead.extend;
    await clock.advance(1_000);
    expect(both.value!.keys).toEqual(['a', 'b']);
    expect(both.value!.held).toBe(true);
    expect(await both.value!.release()).toBe(true);
    expect([await locker.inspect('a'), await locker.inspect('b')]).toEqual([null, null]);
  });

  test('losing one of them loses the lease and frees the others', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire(['a', 'b', 'c'], { ttl: 900, autoRenew: true });
    await bed.steal(lease, 'b');
    await bed.clock.advance(400);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen', key: ['a', 'b', 'c'] });
    expect(await bed.locker.inspect('a')).toBeNull();
    expect(await bed.locker.inspect('c')).toBeNull();
    expect(await bed.locker.inspect('b')).not.toBeNull();
  });

  test('when one has vanished, release answers false and frees the others', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire(['a', 'b']);
    await bed.steal(lease, 'b');
    expect(await lease.release()).toBe(false);
    expect(await bed.locker.inspect('a')).toBeNull();
  });

  test('one lost while another is awaited is taken anew', async () => {
    const bed = new Bed();
    const held = await bed.locker.acquire('b', { ttl: '1h' });
    const both = watch(bed.locker.acquire(['a', 'b'], { ttl: 900 }));
    await bed.clock.advance(0);
    bed.instead.extend = async () => null;
    await bed.clock.advance(400);
    delete bed.instead.extend;
    await held.release();
    await bed.clock.advance(0);
    expect(both.value!.held).toBe(true);
    expect(both.value!.keys).toEqual(['a', 'b']);
    expect(await both.value!.release()).toBe(true);
    await bed.registry.close();
  });

  test('one lost at the last moment is taken anew, and leaves no lease behind', async () => {
    const bed = new Bed();
    const held = await bed.locker.acquire('b', { ttl: '1h' });
    const both = watch(bed.locker.acquire(['a', 'b'], { ttl: 900 }));
    await bed.clock.advance(200);
    bed.instead.extend = async () => {
      delete bed.instead.extend;
      return null;
    };
    await held.release();
    await bed.clock.advance(0);
    expect(both.value!.held).toBe(true);
    expect(await both.value!.release()).toBe(true);
    const closing = watch(bed.registry.close({ grace: '1h' }));
    await bed.clock.advance(0);
    expect(closing.state).toBe('fulfilled');
  });

  test('one lost at the last moment is taken anew as often as that happens: its ttl is not too short', async () => {
    const { locker, clock, instead, memory } = new Bed();
    instead.acquire = async (request) => {
      if (request.key === 'lock:{b}') await new Promise<void>((resolve) => void clock.after(200, resolve));
      return memory.acquire(request);
    };
    let losses = 0;
    instead.extend = (grant, ttl) => {
      losses += 1;
      return losses <= 3 ? Promise.resolve(null) : memory.extend(grant, ttl);
    };
    const both = watch(locker.acquire(['a', 'b'], { ttl: 900 }));
    await clock.advance(800);
    expect(losses).toBeGreaterThan(4);
    expect(both.error).toBeUndefined();
    expect(both.value!.held).toBe(true);
    expect(await both.value!.release()).toBe(true);
  });

  test('a backend that falls silent does not keep them beyond the deadline', async () => {
    const { locker, clock, instead } = new Bed();
    const held = await locker.acquire('c', { ttl: '1h' });
    const refused = watch(locker.acquire(['a', 'c'], { wait: 100 }));
    await clock.advance(50);
    instead.release = silent;
    await clock.advance(50);
    expect(refused.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
    delete instead.release;

    const obtained = watch(locker.acquire(['b', 'c'], { wait: 600, ttl: 1_000 }));
    await clock.advance(300);
    instead.extend = silent;
    await held.release();
    await clock.advance(300);
    expect(obtained.value!.ttl()).toBe(400);
  });

  test('an outage at the second frees the first', async () => {
    const { locker, instead, memory, clock } = new Bed();
    instead.acquire = (request) => (request.key === 'lock:{b}' ? down() : memory.acquire(request));
    await expect(locker.acquire(['a', 'b'])).rejects.toBeInstanceOf(LockBackendError);
    await clock.advance(0);
    expect(await locker.inspect('a')).toBeNull();
  });
});

describe('inspect', () => {
  test('names the key as the caller does, and gives the metadata back', async () => {
    const { locker } = new Bed();
    expect(await locker.inspect('{a}')).toBeNull();
    const { fence } = await locker.acquire('{a}', { meta: { job: '7' }, ttl: '5s' });
    expect(await locker.inspect('{a}')).toEqual({
      key: '{a}',
      mode: 'write',
      waiters: 0,
      waiting: [],
      holders: [
        {
          fence,
          ttl: 5_000,
          since: expect.any(Number),
          meta: expect.objectContaining({ job: '7', pid: `${process.pid}` }),
        },
      ],
    });
    expect(await locker.tryAcquire('{a}:fence')).not.toBeNull();
  });
});

test('a closed registry gives nothing', async () => {
  const { locker, registry } = new Bed();
  await registry.close();
  for (const call of [locker.acquire('a'), locker.tryAcquire(['b', 'c']), locker.with('a', () => 1)]) {
    await expect(call).rejects.toBeInstanceOf(LockClosedError);
  }
});
