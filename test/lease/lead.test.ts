import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LockBackendError, LockClosedError, LockLostError, LockTimeoutError } from '../../src/core/errors.js';
import { retry } from '../../src/core/retry.js';
import type { LeadTrace } from '../../src/lease/diagnostics.js';
import { currentLease } from '../../src/lease/holding.js';
import type { Lease } from '../../src/lease/lease.js';
import { Bed, down, watch } from '../support/bed.js';
import { type Deferred, deferred } from '../support/wait.js';

let told: LeadTrace[] = [];
const note = (message: unknown) => void told.push(message as LeadTrace);
beforeEach(() => {
  told = [];
  subscribe('latchkey:lead', note);
});
afterEach(() => void unsubscribe('latchkey:lead', note));
const events = () => told.map(({ event }) => event);

/** A job that goes on until the test ends it; each term's lease and end are kept. */
class Job {
  readonly terms: { lease: Lease; end: Deferred<string> }[] = [];

  readonly run = (lease: Lease): Promise<string> => {
    const end = deferred<string>();
    this.terms.push({ lease, end });
    return end.promise;
  };

  get last() {
    return this.terms.at(-1)!;
  }
}

describe('a leader', () => {
  test('is the only one of many, renews, and gives what fn returns; then the next leads at once', async () => {
    const { locker, clock } = new Bed();
    const jobs = Array.from({ length: 3 }, () => new Job());
    const leading = jobs.map((job) => watch(locker.lead('job', job.run, { ttl: '1s' })));
    await clock.advance(30_000);
    expect(jobs.map(({ terms }) => terms.length)).toEqual([1, 0, 0]);
    expect(jobs[0]!.last.lease).toMatchObject({ key: 'job', mode: 'write', held: true });
    jobs[0]!.last.end.resolve('done');
    await clock.advance(0);
    expect(leading[0]!.value).toBe('done');
    expect(jobs.map(({ terms }) => terms.length)).toEqual([1, 1, 0]);
    expect(jobs[1]!.last.lease.fence).toBeGreaterThan(jobs[0]!.last.lease.fence);
    jobs[1]!.last.end.reject(new Error('mine'));
    await clock.advance(0);
    expect(leading[1]!.error).toMatchObject({ message: 'mine' });
    expect(jobs[2]!.terms).toHaveLength(1);
    jobs[2]!.last.end.resolve('last');
    await clock.advance(0);
    expect(await locker.inspect('job')).toBeNull();
  });

  test('is told by its signal that its lease is lost, and campaigns again only when fn has settled', async () => {
    const bed = new Bed();
    const { locker, clock } = bed;
    const job = new Job();
    const leading = watch(locker.lead('job', job.run, { ttl: '3s' }));
    await clock.advance(0);
    const first = job.last;
    const rival = await bed.steal(first.lease);
    await clock.advance(1_000);
    expect(first.lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
    await bed.memory.release(rival);
    const asked = bed.count('acquire');
    await clock.advance(60_000);
    // The key is free all the time: it does not ask for it.
    expect(bed.count('acquire')).toBe(asked);
    expect(job.terms).toHaveLength(1);
    first.end.reject(new Error('because of the loss'));
    await clock.advance(0);
    expect(job.terms).toHaveLength(2);
    expect(job.last.lease.fence).toBeGreaterThan(first.lease.fence);
    expect(leading.state).toBe('pending');
    job.last.end.resolve('done');
    await clock.advance(0);
    expect(leading.value).toBe('done');
  });

  test('campaigns again also when fn returns after the loss, or returned before it could be told', async () => {
    const { locker, clock } = new Bed();
    const job = new Job();
    const leading = watch(locker.lead('job', job.run, { ttl: '3s', autoRenew: false }));
    await clock.advance(3_000);
    expect(job.last.lease.held).toBe(false);
    job.last.end.resolve('late');
    await clock.advance(0);
    expect(job.terms).toHaveLength(2);
    clock.jump(60_000);
    job.last.end.resolve('later');
    await new Promise(setImmediate);
    expect(job.terms).toHaveLength(3);
    expect(leading.state).toBe('pending');
  });

  test('that is revoked with a grace puts its work away, and queues behind the others', async () => {
    const { locker, clock } = new Bed();
    const [victim, next] = [new Job(), new Job()];
    void locker.lead('job', victim.run);
    void locker.lead('job', next.run);
    await clock.advance(0);
    await locker.revoke('job', victim.last.lease.fence, { grace: '5s' });
    expect(victim.last.lease.signal.reason).toMatchObject({ reason: 'revoked' });
    await clock.advance(1_000);
    expect([victim.last.lease.held, next.terms.length]).toEqual([true, 0]);
    victim.last.end.resolve('put away');
    await clock.advance(0);
    expect(next.terms).toHaveLength(1);
    next.last.end.resolve('done');
    await clock.advance(0);
    expect(victim.terms).toHaveLength(2);
  });

  test('has its lease as the current one, and finds a deadlock with itself', async () => {
    const { locker } = new Bed();
    await locker.lead('job', async (lease) => {
      expect(currentLease()).toBe(lease);
      await expect(locker.acquire('job')).rejects.toMatchObject({ code: 'LOCK_DEADLOCK' });
    });
  });

  test('that released its lease itself has ended', async () => {
    const { locker } = new Bed();
    expect(await locker.lead('job', async (lease) => lease.release())).toBe(true);
  });
});

describe('the end of leading', () => {
  test('by options.signal: fn is told while it still leads, and is awaited; then the next leads', async () => {
    const { locker, clock } = new Bed();
    const stop = new AbortController();
    const [job, next] = [new Job(), new Job()];
    const leading = watch(locker.lead('job', job.run, { signal: stop.signal, ttl: '1s' }));
    void locker.lead('job', next.run);
    await clock.advance(0);
    const reason = new Error('deploy');
    stop.abort(reason);
    expect(job.last.lease.signal.reason).toBe(reason);
    await clock.advance(10_000);
    expect([job.last.lease.held, leading.state, next.terms.length]).toEqual([true, 'pending', 0]);
    job.last.end.resolve('put away');
    await clock.advance(0);
    expect(leading.error).toBe(reason);
    expect(next.terms).toHaveLength(1);
  });

  test('by options.signal while it campaigns, or before', async () => {
    const { locker, clock } = new Bed();
    await locker.acquire('job', { ttl: '1h' });
    for (const reason of [null, Number.NaN, new LockLostError('x', 'stolen')]) {
      const stop = new AbortController();
      const leading = watch(locker.lead('job', () => 1, { signal: stop.signal }));
      await clock.advance(1_000);
      expect(leading.state).toBe('pending');
      stop.abort(reason);
      await clock.advance(0);
      expect(leading.state).toBe('rejected');
      expect(leading.error).toBe(reason);
      await expect(locker.lead('job', () => 1, { signal: stop.signal })).rejects.toBe(reason);
    }
  });

  test('by options.signal while the lease is being given: fn is told, or does not run', async () => {
    let ran = 0;
    for (let turns = 0; turns < 30; turns++) {
      const { locker, clock } = new Bed();
      const stop = new AbortController();
      const job = new Job();
      const leading = watch(locker.lead('job', job.run, { signal: stop.signal }));
      for (let turn = 0; turn < turns; turn++) await null;
      stop.abort('enough');
      await clock.advance(0);
      for (const { lease, end } of job.terms) {
        ran++;
        expect(lease.signal.reason).toBe('enough');
        end.resolve('stopped');
      }
      await clock.advance(0);
      expect(leading.error).toBe('enough');
      expect(await locker.inspect('job')).toBeNull();
    }
    expect(ran).toBeGreaterThan(0);
    expect(ran).toBeLessThan(30);
  });

  test('by the registry: the leader is told at once and has its grace; the others are rejected', async () => {
    const { locker, clock, registry } = new Bed();
    const [job, other] = [new Job(), new Job()];
    const leading = watch(locker.lead('job', job.run, { ttl: '1s' }));
    const campaigning = watch(locker.lead('job', other.run));
    await clock.advance(0);
    const closing = watch(registry.close({ grace: '10s' }));
    expect(job.last.lease.signal.reason).toBeInstanceOf(LockClosedError);
    await clock.advance(0);
    expect(campaigning.error).toMatchObject({ code: 'LOCK_CLOSED', key: 'job' });
    await clock.advance(5_000);
    expect([job.last.lease.held, leading.state, closing.state]).toEqual([true, 'pending', 'pending']);
    job.last.end.resolve('put away');
    await clock.advance(0);
    expect(leading.error).toMatchObject({ code: 'LOCK_CLOSED', key: 'job' });
    expect(closing.state).toBe('fulfilled');
  });

  test('by the registry, when fn does not settle in the grace: its lease is lost', async () => {
    const { locker, clock, registry } = new Bed();
    const job = new Job();
    const leading = watch(locker.lead('job', job.run));
    await clock.advance(0);
    const closing = watch(registry.close({ grace: '1s' }));
    await clock.advance(999);
    expect(job.last.lease.held).toBe(true);
    await clock.advance(1);
    expect([job.last.lease.held, closing.state, leading.state]).toEqual([false, 'fulfilled', 'pending']);
    job.last.end.resolve('late');
    await clock.advance(0);
    expect(leading.error).toBeInstanceOf(LockClosedError);
  });

  test('by a wait that is given, or a retry strategy, for each campaign', async () => {
    const bed = new Bed();
    const { locker, clock } = bed;
    const held = await locker.acquire('job', { ttl: '1h' });
    const brief = watch(locker.lead('job', () => 1, { wait: '2s' }));
    const tries = watch(locker.lead('job', () => 1, { retry: retry.limit(retry.linear('1s'), 3) }));
    await clock.advance(1_999);
    expect(brief.state).toBe('pending');
    await clock.advance(1);
    expect(brief.error).toBeInstanceOf(LockTimeoutError);
    await clock.advance(1_000);
    expect(tries.error).toMatchObject({ code: 'LOCK_NOT_OBTAINED' });
    await held.release();
  });

  test('by its signal, though the registry closes before fn has settled', async () => {
    const { locker, clock, registry } = new Bed();
    const stop = new AbortController();
    const job = new Job();
    const leading = watch(locker.lead('job', job.run, { signal: stop.signal }));
    await clock.advance(0);
    stop.abort('deploy');
    watch(registry.close());
    job.last.end.resolve('put away');
    await clock.advance(0);
    expect(leading.error).toBe('deploy');
  });

  test('by fn that throws, even undefined: that is what is thrown', async () => {
    const { locker, clock } = new Bed();
    const leading = watch(locker.lead('job', () => Promise.reject(undefined)));
    await clock.advance(0);
    expect(leading).toEqual({ state: 'rejected', error: undefined });
  });

  test('leaves nothing behind: no timer, no listener', async () => {
    const { locker, clock } = new Bed();
    const stop = new AbortController();
    let signal: AbortSignal | undefined;
    const note = (lease: Lease) => {
      signal = lease.signal;
    };
    await locker.lead('job', note, { signal: stop.signal });
    // What still listened would abort a signal of its own.
    const aborts = jest.spyOn(AbortController.prototype, 'abort');
    stop.abort('later');
    expect(aborts).toHaveBeenCalledTimes(1);
    aborts.mockRestore();
    expect(signal!.aborted).toBe(false);
    await clock.advance(60_000);
    expect(clock.pending).toBe(0);
  });
});

describe('an outage', () => {
  test('ends no campaign: it is tried again, at longer and longer intervals, at the latest each 5 s', async () => {
    const { locker, clock, instead } = new Bed();
    const times: number[] = [];
    instead.acquire = () => {
      times.push(clock.now());
      return down();
    };
    const job = new Job();
    const leading = watch(locker.lead('job', job.run));
    await clock.advance(60_000);
    expect(leading.state).toBe('pending');
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    expect(pauses.slice(0, 7)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000]);
    expect(pauses.slice(7).every((pause) => pause === 5_000)).toBe(true);
    expect(told[0]).toMatchObject({
      locker: 'default',
      key: 'job',
      event: 'failed',
      error: { code: 'LOCK_BACKEND' },
    });
    delete instead.acquire;
    await clock.advance(5_000);
    expect(job.terms).toHaveLength(1);
  });

  test('ends a campaign with a wait when that is over, as an outage', async () => {
    const { locker, clock, instead } = new Bed();
    instead.acquire = down;
    const leading = watch(locker.lead('job', () => 1, { wait: '2s' }));
    await clock.advance(2_000);
    expect(leading.error).toBeInstanceOf(LockBackendError);
  });

  test('ends no campaign with a wait more than a retryInterval before that is over', async () => {
    const { locker, clock, instead } = new Bed();
    const times: number[] = [];
    instead.acquire = () => {
      times.push(clock.now());
      return down();
    };
    const leading = watch(locker.lead('job', () => 1, { wait: '10s' }));
    await clock.advance(9_800);
    expect(leading.state).toBe('pending');
    await clock.advance(200);
    expect(leading.error).toBeInstanceOf(LockBackendError);
    expect(times).toEqual([0, 100, 300, 700, 1_500, 3_100, 6_300, 9_900]);
  });

  test('takes its time off the wait, and ends it where no time would be left for another try', async () => {
    const bed = new Bed();
    const { locker, clock, instead } = bed;
    await clock.advance(7_000);
    instead.acquire = down;
    const patient = watch(locker.lead('job', () => 1, { wait: '2s', retryInterval: 500 }));
    const brief = watch(locker.lead('job', () => 1, { wait: 500, retryInterval: 500 }));
    await clock.advance(0);
    expect(brief.error).toBeInstanceOf(LockBackendError);
    delete instead.acquire;
    await clock.advance(500);
    expect(bed.asked('acquire').map(({ wait }) => wait)).toEqual([2_000, 500, 1_500]);
    expect(patient.value).toBe(1);
  });

  test('under which the lease is lost is a loss: it campaigns when the backend is back', async () => {
    const { locker, clock, instead } = new Bed();
    const job = new Job();
    void locker.lead('job', job.run, { ttl: '3s' });
    await clock.advance(0);
    instead.extend = down;
    instead.acquire = down;
    await clock.advance(3_000);
    expect(job.last.lease.signal.reason).toMatchObject({ reason: 'backend' });
    job.last.end.resolve('stopped');
    await clock.advance(10_000);
    expect(job.terms).toHaveLength(1);
    delete instead.acquire;
    await clock.advance(5_000);
    expect(job.terms).toHaveLength(2);
  });

  test('is waited out no longer than the signal says', async () => {
    const { locker, clock, instead, registry } = new Bed();
    instead.acquire = down;
    const stop = new AbortController();
    const stopped = watch(locker.lead('job', () => 1, { signal: stop.signal }));
    const closed = watch(locker.lead('job', () => 1));
    await clock.advance(10_000);
    stop.abort('enough');
    await clock.advance(0);
    expect(stopped.error).toBe('enough');
    watch(registry.close());
    await clock.advance(0);
    expect(closed.error).toMatchObject({ code: 'LOCK_CLOSED', key: 'job' });
  });
});

describe('latchkey:lead', () => {
  test('tells of each term, without the token', async () => {
    const bed = new Bed();
    const job = new Job();
    void bed.locker.lead('job', job.run, { ttl: '3s' });
    await bed.clock.advance(0);
    const { lease } = job.last;
    await bed.steal(lease);
    await bed.clock.advance(1_000);
    job.last.end.reject(new Error('after the loss'));
    await bed.clock.advance(60_000);
    job.last.end.resolve('done');
    await bed.clock.advance(0);
    const about = { locker: 'default', key: 'job', fence: lease.fence };
    expect(told.slice(0, 3)).toEqual([
      { ...about, event: 'elected' },
      { ...about, event: 'lost', error: expect.objectContaining({ reason: 'stolen' }) },
      { ...about, event: 'settled', error: expect.objectContaining({ message: 'after the loss' }) },
    ]);
    const again = { ...about, fence: job.last.lease.fence };
    expect(told.slice(3)).toEqual([
      { ...again, event: 'elected' },
      { ...again, event: 'ended' },
    ]);
    expect(JSON.stringify(told)).not.toContain(lease.token);
  });

  test('tells of a fn that does not settle, once, when the ttl has passed since it was told', async () => {
    const bed = new Bed();
    const job = new Job();
    void bed.locker.lead('job', job.run, { ttl: '3s' });
    await bed.clock.advance(0);
    await bed.steal(job.last.lease);
    await bed.clock.advance(1_000);
    expect(events()).toEqual(['elected', 'lost']);
    await bed.clock.advance(2_850);
    expect(events()).toEqual(['elected', 'lost']);
    await bed.clock.advance(150);
    expect(events()).toEqual(['elected', 'lost', 'unsettled']);
    expect(told[2]).toMatchObject({ fence: job.last.lease.fence, since: 3_000, error: { reason: 'stolen' } });
    await bed.clock.advance(60_000);
    expect(events()).toHaveLength(3);
  });

  test('tells so of one whose signal has ended the leading, too', async () => {
    const { locker, clock } = new Bed();
    const stop = new AbortController();
    const job = new Job();
    watch(locker.lead('job', job.run, { ttl: '3s', signal: stop.signal }));
    await clock.advance(0);
    stop.abort('deploy');
    await clock.advance(3_000);
    expect(events()).toEqual(['elected', 'unsettled']);
    job.last.end.resolve('late');
    await clock.advance(0);
    expect(events()).toEqual(['elected', 'unsettled', 'ended']);
  });
});
