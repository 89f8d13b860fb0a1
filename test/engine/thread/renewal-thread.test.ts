import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Timer } from '../../../src/core/clock.js';
import { Hold } from '../../../src/engine/hold.js';
import type { ClaimId, Renewal, RenewalAnswer, RenewingStore } from '../../../src/engine/store.js';
import type { FromThread, ThreadData, ToThread } from '../../../src/engine/thread/messages.js';
import { RenewalLoop } from '../../../src/engine/thread/renewal-loop.js';
import { RenewalThread } from '../../../src/engine/thread/renewal-thread.js';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import type { RenewalOutcome, ThreadTerms } from '../../../src/lease/driver.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const TTL = 6_000;

/** Knows how many of its timers keep the process alive. */
class WatchedClock extends FakeClock {
  readonly alive = new Set<object>();

  override after(ms: number, fn: () => void): Timer {
    const of = {};
    this.alive.add(of);
    const timer = super.after(ms, () => {
      this.alive.delete(of);
      fn();
    });
    const cancel = () => {
      this.alive.delete(of);
      timer.cancel();
    };
    const keepAlive = (yes: boolean) => void (yes ? this.alive.add(of) : this.alive.delete(of));
    return { cancel, keepAlive };
  }
}

/** A worker in this thread. What is posted to it is copied, and it renews as a worker does. */
class LoopWorker extends EventEmitter {
  readonly received: ToThread[] = [];
  readonly sent: FromThread[] = [];
  keepsAlive = true;
  ended = false;
  readonly #loop: RenewalLoop;

  constructor(readonly options: WorkerOptions) {
    super();
    const data = structuredClone(options.workerData as ThreadData);
    this.#loop = new RenewalLoop(store, clock, new SharedClock(clock, data.time), (message) => {
      if (this.ended) return;
      this.sent.push(message);
      queueMicrotask(() => this.emit('message', message));
    });
  }

  postMessage(message: ToThread): void {
    if (this.ended) return;
    this.received.push(message);
    this.#loop.receive(structuredClone(message));
  }

  unref(): void {
    this.keepsAlive = false;
  }

  async terminate(): Promise<number> {
    this.ended = true;
    this.emit('exit', 1);
    return 1;
  }
}

let clock: WatchedClock;
let thread: RenewalThread;
let workers: LoopWorker[];
let revoked: [ClaimId, number][];
let renewals: Renewal[];
let answer: RenewalAnswer;
/** Tells the thread that its store is connected. */
let connected: () => void;
let connects: boolean;
let warnings: unknown[][];

const store: RenewingStore = {
  limits: { renewBatch: 100 },
  open: ({ ready }) => {
    connected = ready;
    if (connects) ready();
  },
  renew: async (batch) => {
    renewals.push(...batch);
    return batch.map(() => answer);
  },
};

const startLoop = (options: WorkerOptions) => {
  const worker = new LoopWorker(options);
  workers.push(worker);
  return worker as unknown as Worker;
};

const events = { revoked: (id: ClaimId, grace: number) => void revoked.push([id, grace]) };

beforeEach(() => {
  clock = new WatchedClock();
  // Every thread reads the shared time from it.
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(Math.round(clock.now() * 1e6)));
  [workers, revoked, renewals, warnings] = [[], [], [], []];
  answer = 'renewed';
  connects = true;
  jest.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => void warnings.push(args));
  thread = new RenewalThread(clock, { store: { url: 'redis://h' }, start: startLoop }, events);
});

afterEach(async () => {
  await thread.close();
  jest.restoreAllMocks();
});

let tokens = 0;

function granted(ttl = TTL): Hold {
  const how = { mode: 'write', ttl, wait: 0, retryInterval: 100, meta: {} } as const;
  const request = { key: 'k', token: `t${++tokens}`, ...how };
  const grant = { fence: 1, validUntil: clock.now() + ttl, run: [] };
  return new Hold({ id: request.token, request, mayComeLate: false }, grant, 0, clock.now(), () => {});
}

function renewed(terms: Partial<ThreadTerms> = {}, hold = granted()) {
  const onLost = jest.fn();
  const renewal = thread.renew(hold, { ttl: TTL, until: Infinity, maxBlock: 60_000, onLost, ...terms });
  return { hold, renewal: renewal!, onLost };
}

/** How often the heart beats in that time, as the worker sees it. */
async function beats(ms: number): Promise<number> {
  const { time } = workers.at(-1)!.options.workerData as ThreadData;
  const worker = new SharedClock(clock, time);
  let last = worker.beat;
  let count = 0;
  for (let passed = 0; passed < ms; passed++) {
    await clock.advance(1);
    if (worker.beat !== last) count++;
    last = worker.beat;
  }
  return count;
}

const messages = (of: 'renew' | 'retimed' | 'forget', worker = workers.at(-1)!) =>
  worker.received.filter((message) => of in message);

describe('the start', () => {
  test('is awaited until the worker is connected', async () => {
    connects = false;
    const started = jest.fn();
    void thread.start()!.then(started);
    void thread.start()!.then(started);
    await clock.advance(4_000);
    expect(started).not.toHaveBeenCalled();
    connected();
    await clock.advance(0);
    expect(started).toHaveBeenCalledTimes(2);
    expect(thread.start()).toBeUndefined();
    expect(workers.length).toBe(1);
  });

  test('is awaited for 5 s at most', async () => {
    connects = false;
    const started = jest.fn();
    void thread.start()!.then(started);
    await clock.advance(4_990);
    expect(started).not.toHaveBeenCalled();
    await clock.advance(10);
    expect(started).toHaveBeenCalled();
    expect(thread.start()).toBeUndefined();
    expect(renewed().renewal.running).toBe(true);
  });

  test('gives the worker its name, what it opens its store by, and the options of this process', () => {
    renewed();
    const { options } = workers[0]!;
    expect(options).toMatchObject({ name: 'latchkey-renewal', workerData: { store: { url: 'redis://h' } } });
    expect(options).not.toHaveProperty('execArgv');
  });

  test.each([
    ['-e', true],
    ['-p', true],
    ['-pe', true],
    ['--eval', true],
    ['--print', true],
    ['--input-type=module', true],
    ['--expose-gc', false],
    ['--import=./a-e.js', false],
    ['--prof', false],
  ])(
    'leaves the options of this process out where they say that the source is text: %s, %s',
    (option, out) => {
      jest.replaceProperty(process, 'execArgv', ['--no-warnings', option]);
      renewed();
      expect(workers[0]!.options.execArgv).toEqual(out ? [] : undefined);
    },
  );
});

test('nothing keeps the process alive', async () => {
  connects = false;
  void thread.start();
  renewed();
  expect([workers[0]!.keepsAlive, clock.alive.size]).toEqual([false, 0]);
  await clock.advance(1_000);
  expect(clock.alive.size).toBe(0);
});

describe('where there is no thread, the caller renews, and the process is warned once', () => {
  const warning = (why: string) => [
    [expect.stringMatching(`but in the main thread: .*${why}`), { code: 'LATCHKEY_THREAD' }],
  ];

  test('since there can be none', () => {
    thread = new RenewalThread(clock, { impossible: 'no reason' }, events);
    expect([thread.start(), renewed().renewal, renewed().renewal]).toEqual([undefined, undefined, undefined]);
    expect(warnings).toEqual(warning('no reason'));
    expect(clock.pending).toBe(0);
  });

  test('since it does not start', () => {
    const start = () => {
      throw new Error('no memory');
    };
    thread = new RenewalThread(clock, { store: {}, start }, events);
    expect([thread.start(), renewed().renewal, renewed().renewal]).toEqual([undefined, undefined, undefined]);
    expect(warnings).toEqual(warning('no memory'));
    expect(clock.pending).toBe(0);
  });

  test.each([
    ['it fails', (worker: LoopWorker) => worker.emit('error', new Error('no module')), 'no module'],
    ['it ends', () => {}, 'it ended'],
  ])('since %s', async (_, fail, why) => {
    connects = false;
    const started = jest.fn();
    void thread.start()!.then(started);
    const { hold, renewal, onLost } = renewed({ maxBlock: 1_000 });
    expect(renewal.running).toBe(true);
    fail(workers[0]!);
    await workers[0]!.terminate();
    await clock.advance(0);
    expect(started).toHaveBeenCalled();
    expect(warnings).toEqual(warning(why));
    expect(renewal.running).toBe(false);
    expect([thread.start(), renewed().renewal]).toEqual([undefined, undefined]);
    // The hold is as good as before.
    await clock.advance(TTL - 1_000);
    expect(hold.validUntil).toBeGreaterThan(clock.now());
    expect(onLost).not.toHaveBeenCalled();
    hold.unshare();
    await clock.advance(20_000);
    expect(clock.pending).toBe(0);
    expect(workers.length).toBe(1);
    expect(warnings.length).toBe(1);
  });

  test('but not after the close, which ends it', async () => {
    connects = false;
    const started = jest.fn();
    void thread.start()!.then(started);
    await thread.close();
    expect(workers[0]!.ended).toBe(true);
    expect([thread.start(), renewed().renewal]).toEqual([undefined, undefined]);
    await clock.advance(0);
    expect(started).toHaveBeenCalled();
    expect(clock.pending).toBe(0);
    expect(warnings).toEqual([]);
  });
});

describe('a hold', () => {
  test('is renewed by the thread, and both see its time', async () => {
    const { hold, renewal, onLost } = renewed();
    await clock.advance(10 * TTL);
    expect(renewals.length).toBeGreaterThanOrEqual(29);
    expect(renewals.length).toBeLessThanOrEqual(34);
    const { key, token } = hold;
    expect(renewals[0]).toMatchObject({ key, token, mode: 'write', ttl: TTL, sequence: 1 });
    expect(renewal.validUntil).toBe(hold.validUntil);
    expect(hold.validUntil - clock.now()).toBeGreaterThan(TTL / 2);
    expect(hold.validUntil - clock.now()).toBeLessThanOrEqual(TTL);
    expect(renewal.loss).toBeUndefined();
    expect(onLost).not.toHaveBeenCalled();
  });

  test('whose time is up is not', async () => {
    const hold = granted(100);
    clock.jump(100);
    expect(renewed({}, hold).renewal).toBeUndefined();
  });

  test('is renewed no longer than it may be held', async () => {
    const { renewal, onLost } = renewed({ until: clock.now() + 10_000 });
    await clock.advance(9_000);
    expect(renewal.validUntil).toBeGreaterThan(clock.now());
    await clock.advance(1_000);
    expect([renewal.validUntil, renewal.loss]).toEqual([-Infinity, 'maxHold']);
    await clock.advance(TTL);
    expect(onLost).toHaveBeenCalledTimes(1);
  });

  test('that the store has lost is told to its owner', async () => {
    const [lost, other] = [renewed(), renewed()];
    answer = 'lost';
    await clock.advance(TTL / 3);
    expect([lost.renewal.validUntil, lost.renewal.loss]).toEqual([-Infinity, 'stolen']);
    expect(lost.onLost).toHaveBeenCalledTimes(1);
    expect(other.onLost).toHaveBeenCalledTimes(1);
  });

  test('that is being revoked is told to the engine', async () => {
    const { hold } = renewed();
    answer = { revoked: 500 };
    await clock.advance(TTL / 3);
    expect(revoked).toEqual([[hold, 500 - 1 - 0.5]]);
  });

  test('tells the outcome of its renewals to who asks for it, and to nobody else', async () => {
    const outcomes: RenewalOutcome[] = [];
    renewed({ onRenewal: (outcome) => void outcomes.push(outcome) });
    renewed();
    await clock.advance(TTL);
    expect(outcomes.length).toBeGreaterThan(1);
    expect(renewals.length).toBe(2 * outcomes.length);
    expect(new Set(outcomes)).toEqual(new Set(['renewed']));
    const [worker] = workers;
    const { length } = worker!.sent.filter((message) => 'renewal' in message);
    expect(length).toBe(outcomes.length);
  });

  test('that is over is not told of what the thread says afterwards', async () => {
    const onRenewal = jest.fn();
    const { hold, onLost } = renewed({ onRenewal });
    hold.unshare();
    for (const message of [{ renewal: 1, outcome: 'renewed' }, { lost: 1 }, { revoked: 1, grace: 0 }])
      workers[0]!.emit('message', message);
    expect(onRenewal).not.toHaveBeenCalled();
    expect(onLost).not.toHaveBeenCalled();
    expect(revoked).toEqual([]);
  });

  test('whose ttl is set is renewed by that from then on', async () => {
    const { renewal, hold } = renewed();
    renewal.setTtl(TTL / 6);
    expect(messages('retimed')).toEqual([{ retimed: 1 }]);
    await clock.advance(2 * TTL);
    expect(renewals.length).toBeGreaterThan(10);
    expect(new Set(renewals.map(({ ttl }) => ttl))).toEqual(new Set([TTL / 6]));
    expect(hold.validUntil - clock.now()).toBeLessThanOrEqual(TTL / 6);
  });

  test('whose time has become shorter is told to the thread after that, or it would renew too late', () => {
    const { hold, renewal } = renewed();
    const left: number[] = [];
    const worker = workers[0]!;
    jest.spyOn(worker, 'postMessage').mockImplementation(() => void left.push(hold.validUntil - clock.now()));
    hold.startRenewal(TTL / 2, clock.now());
    expect(left.length).toBe(1);
    expect(left[0]).toBeLessThanOrEqual(TTL / 2);
    expect(left[0]).toBeGreaterThan(TTL * 0.49);
    // As short as before.
    hold.startRenewal(TTL, clock.now());
    expect(left.length).toBe(1);
    expect(renewal.running).toBe(true);
  });
});

describe('the thread forgets', () => {
  test('what is over a little later, all of it in one message', async () => {
    const [first, second, third] = [renewed(), renewed(), renewed()];
    first.hold.unshare();
    third.hold.unshare();
    expect(messages('forget')).toEqual([]);
    await clock.advance(250);
    expect(messages('forget')).toEqual([{ forget: [1, 3] }]);
    await clock.advance(1_000);
    expect(messages('forget').length).toBe(1);
    expect(second.renewal.validUntil).toBeGreaterThan(clock.now());
  });

  test('what is over, although other holds begin all the time', async () => {
    const { hold } = renewed();
    hold.unshare();
    for (let begun = 0; begun < 10; begun++) {
      renewed();
      await clock.advance(50);
    }
    expect(messages('forget')).toEqual([{ forget: [1] }]);
  });

  test('256 that are over at once', () => {
    const all = Array.from({ length: 257 }, () => renewed().hold);
    for (const hold of all.slice(0, 255)) hold.unshare();
    expect(messages('forget')).toEqual([]);
    for (const hold of all.slice(255)) hold.unshare();
    expect(messages('forget')).toEqual([{ forget: all.slice(0, 256).map((_, i) => i + 1) }]);
  });
});

describe('the thread ends', () => {
  test('10 s after its last hold, and is started again for the next one', async () => {
    const { hold, renewal } = renewed();
    await clock.advance(30_000);
    expect(workers[0]!.ended).toBe(false);
    hold.unshare();
    await clock.advance(9_700);
    expect(workers[0]!.ended).toBe(false);
    await clock.advance(600);
    expect(workers[0]!.ended).toBe(true);
    expect(clock.pending).toBe(0);
    expect(renewal.running).toBe(false);

    const next = renewed();
    expect([workers.length, next.renewal.running, renewal.running]).toEqual([2, true, false]);
    await clock.advance(30_000);
    expect(next.renewal.validUntil).toBeGreaterThan(clock.now());
    expect(warnings).toEqual([]);
  });

  test('10 s after its start where it has no hold', async () => {
    await clock.advance(60_000);
    await thread.start();
    await clock.advance(9_700);
    expect(workers[0]!.ended).toBe(false);
    await clock.advance(600);
    expect(workers[0]!.ended).toBe(true);
    expect(clock.pending).toBe(0);
  });
});

describe('the heart', () => {
  test('beats four times a second, and ten times in the shortest maxBlock', async () => {
    renewed();
    const rate = async () => await beats(1_000);
    expect(await rate()).toBe(4);
    renewed({ maxBlock: 500 });
    expect(await rate()).toBe(20);
    renewed({ maxBlock: 2_000 });
    expect(await rate()).toBe(20);
  });

  test('beats seldom again once the thread was idle', async () => {
    const { hold } = renewed({ maxBlock: 100 });
    hold.unshare();
    await clock.advance(11_000);
    expect(workers[0]!.ended).toBe(true);
    renewed();
    expect(await beats(1_000)).toBe(4);
  });

  test('stands still while the event loop is blocked, and who was blocked for too long is told at once', async () => {
    const [short, long] = [renewed({ maxBlock: 2_000 }), renewed({ maxBlock: 10_000 })];
    clock.jump(2_000);
    expect([short.renewal.validUntil, short.renewal.loss]).toEqual([-Infinity, 'blocked']);
    expect(long.renewal.validUntil).toBeGreaterThan(clock.now());
    // The next hold makes it beat.
    workers[0]!.removeAllListeners('message');
    renewed({ maxBlock: 1_000 });
    expect(short.onLost).toHaveBeenCalledTimes(1);
    expect(long.onLost).not.toHaveBeenCalled();
  });

  test('beats at the next hold after a block, which ends the holds before it alone', () => {
    const before = renewed({ maxBlock: 1_000 });
    clock.jump(1_000);
    const { renewal } = renewed({ maxBlock: 1_000 });
    expect(before.onLost).toHaveBeenCalledTimes(1);
    expect(before.renewal.loss).toBe('blocked');
    expect(renewal.validUntil).toBeGreaterThan(clock.now());
  });

  test('beats at the next hold after a block while there was none', async () => {
    renewed({ maxBlock: 1_000 }).hold.unshare();
    clock.jump(5_000);
    const { renewal } = renewed({ maxBlock: 1_000 });
    expect(renewal.validUntil).toBeGreaterThan(clock.now());
    await clock.advance(30_000);
    expect(renewal.validUntil).toBeGreaterThan(clock.now());
  });
});

test('the thread is started, and the heart beats, outside of the async context of the call that needs it', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const after = clock.after.bind(clock);
  clock.after = (...args) => {
    if (context.getStore() === undefined) seen.push(args[0]);
    return after(...args);
  };
  const start = (options: WorkerOptions) => {
    seen.push(context.getStore());
    return startLoop(options);
  };
  const other = new RenewalThread(clock, { store: {}, start }, events);
  await context.run('of the caller', () => other.start());
  expect(seen).toEqual([undefined, 250]);
  await other.close();
});
