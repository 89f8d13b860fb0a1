import { describe, expect, test } from '@jest/globals';
import { LockTimeoutError } from '../../src/core/errors.js';
import { Bed, watch } from '../support/bed.js';

const rested = (bed: Bed) => bed.asked('release').map(({ key, keepFor }) => [key, keepFor]);

describe('atLeast', () => {
  test('keeps the key taken for what is left of it since the grant', async () => {
    const bed = new Bed();
    const { locker, clock } = bed;
    const lease = await locker.acquire('a', { atLeast: '5s' });
    await clock.advance(2_000);
    const next = watch(locker.acquire('a', { wait: 'forever' }));
    expect(await lease.release()).toBe(true);
    expect(rested(bed)).toEqual([['lock:{a}', 3_000]]);
    expect((await locker.inspect('a'))!).toMatchObject({
      holders: [],
      waiters: 1,
      restsUntil: expect.any(Number),
    });
    await clock.advance(2_999);
    expect(next.state).toBe('pending');
    expect(await locker.tryAcquire('a', { mode: 'read' })).toBeNull();
    await clock.advance(1);
    expect(next.value!.fence).toBeGreaterThan(lease.fence);
  });

  test('that has passed leaves the key free at once', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a', { atLeast: '5s' });
    await bed.clock.advance(5_000);
    await lease.release();
    expect(rested(bed)).toEqual([['lock:{a}', undefined]]);
    expect(await bed.locker.inspect('a')).toBeNull();
  });

  test('of a part of a millisecond is a whole one', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a', { atLeast: 10 });
    await bed.clock.advance(9.5);
    await lease.release();
    expect(rested(bed)).toEqual([['lock:{a}', 1]]);
  });

  test('counts from when all of several keys are held, and holds for each', async () => {
    const bed = new Bed();
    const { locker, clock } = bed;
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { atLeast: '5s' }));
    await clock.advance(3_000);
    await held.release();
    await clock.advance(1_000);
    bed.calls.length = 0;
    await both.value!.release();
    expect(rested(bed)).toEqual([
      ['lock:{b}', 4_000],
      ['lock:{a}', 4_000],
    ]);
  });

  test('holds after a with whose function throws, and after one that is done', async () => {
    const bed = new Bed();
    const fail = () => {
      throw new Error('mine');
    };
    await expect(bed.locker.with('a', fail, { atLeast: '1m' })).rejects.toThrow('mine');
    await bed.locker.with('b', () => 1, { atLeast: '1m' });
    expect(rested(bed)).toEqual([
      ['lock:{a}', 60_000],
      ['lock:{b}', 60_000],
    ]);
    expect(await bed.locker.tryAcquire('a')).toBeNull();
  });

  test('holds over the end of the registry, for those who finish in their grace and those who do not', async () => {
    const bed = new Bed();
    const { locker, clock, registry } = bed;
    const lease = await locker.acquire('finishes', { atLeast: '30s' });
    await locker.acquire('does not', { atLeast: '30s' });
    watch(registry.close({ grace: '2s' }));
    await clock.advance(1_000);
    await lease.release();
    await clock.advance(1_000);
    expect(rested(bed)).toEqual([
      ['lock:{finishes}', 29_000],
      ['lock:{does not}', 28_000],
    ]);
  });

  test('holds for a lease that maxHold has ended', async () => {
    const bed = new Bed();
    await bed.locker.acquire('a', { atLeast: '30s', maxHold: '10s' });
    await bed.clock.advance(10_000);
    expect(rested(bed)).toEqual([['lock:{a}', 20_000]]);
  });

  test('is not for keys that were not all obtained', async () => {
    const bed = new Bed();
    await bed.hold('b');
    const both = watch(bed.locker.acquire(['a', 'b'], { atLeast: '30s', wait: 10 }));
    await bed.clock.advance(10);
    expect(both.error).toBeInstanceOf(LockTimeoutError);
    expect(rested(bed)).toEqual([['lock:{a}', undefined]]);
  });

  test('of a reader keeps writers out and lets readers in', async () => {
    const { locker, clock } = new Bed();
    await locker.with('a', () => 1, { mode: 'read', atLeast: '5s' });
    expect(await locker.tryAcquire('a')).toBeNull();
    expect(await (await locker.tryAcquire('a', { mode: 'read' }))!.release()).toBe(true);
    await clock.advance(4_999);
    expect(await locker.tryAcquire('a')).toBeNull();
    await clock.advance(1);
    expect(await locker.tryAcquire('a')).not.toBeNull();
  });

  test('with a limit makes a rate: so many in so long', async () => {
    const { locker, clock } = new Bed();
    const started: number[] = [];
    const job = () =>
      locker.with('api', () => started.push(clock.now()), { limit: 2, atLeast: '1s', wait: 'forever' });
    for (let n = 0; n < 6; n++) void job();
    await clock.advance(5_000);
    expect(started).toEqual([0, 0, 1_000, 1_000, 2_000, 2_000]);
  });
});
