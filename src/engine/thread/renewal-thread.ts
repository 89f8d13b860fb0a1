import type { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../core/clock.js';
import { outside } from '../../core/outside.js';
import type { ThreadRenewal, ThreadTerms } from '../../lease/driver.js';
import type { Hold } from '../hold.js';
import type { ClaimId } from '../store.js';
import type { FromThread, ThreadData, ToThread } from './messages.js';
import { SharedClock } from './shared-clock.js';
import { SharedHold } from './shared-hold.js';
import type { ThreadStart } from './thread-start.js';

// How long its start is waited for.
const START_MS = 5_000;
// How long the thread outlives its last hold.
const IDLE_MS = 10_000;
// The heart beats so often in the shortest `maxBlock`, and at least so often.
const BEATS = 10;
const LONGEST_BEAT_MS = 250;
// Options of node for source that is given as text.
const OF_TEXT = /^(-e|-p|-pe|--eval|--print|--input-type)\b/;
// How many holds are over before the thread is told.
const GONE = 256;

/** What is known here of a hold that the thread renews. */
interface Kept {
  readonly hold: Hold;
  readonly shared: SharedHold;
  readonly onLost: () => void;
  readonly onRenewal: ThreadTerms['onRenewal'];
}

/**
 * The worker thread that renews holds of one driver. It is started for the first of them and ended some time after the
 * last, and keeps no process alive. Where it fails, the main thread renews, and the process is warned once.
 */
export class RenewalThread {
  readonly #clock: Clock;
  readonly #source: ThreadStart;
  readonly #events: { revoked(id: ClaimId, grace: number): void };
  readonly #time = SharedClock.time();
  readonly #sharedClock: SharedClock;
  readonly #kept = new Map<number, Kept>();
  #lastId = 0;
  #gone: number[] = [];
  #worker: Worker | undefined;
  /** Until the worker is connected. */
  #starting: { readonly promise: Promise<void>; readonly done: () => void } | undefined;
  #failed = false;
  #shortestBlock = Infinity;
  #beat: Timer | undefined;
  /** `clock.now()` of the start, and of the end of the latest hold. */
  #idleSince = 0;

  constructor(clock: Clock, source: ThreadStart, events: { revoked(id: ClaimId, grace: number): void }) {
    this.#clock = clock;
    this.#source = source;
    this.#events = events;
    this.#sharedClock = new SharedClock(clock, this.#time);
  }

  /** Starts the thread. Resolves when it is connected or has failed, after 5 s at most; undefined where it is so already. */
  start(): Promise<void> | undefined {
    this.#running();
    return this.#starting?.promise;
  }

  /** Renews the hold. Undefined: there is no thread, or the hold is over. */
  renew(hold: Hold, { ttl, until, maxBlock, onLost, onRenewal }: ThreadTerms): ThreadRenewal | undefined {
    const worker = this.#running();
    if (!worker || this.#clock.now() >= hold.validUntil) return undefined;
    const id = ++this.#lastId;
    this.#beatFor(maxBlock);
    const memory = SharedHold.memory(this.#sharedClock, hold.validUntil, hold.sequence, ttl);
    const shared = new SharedHold(memory, this.#sharedClock, { until, maxBlock });
    const retime = () => this.#post({ retimed: id });
    hold.share(shared, { shortened: retime, ended: () => this.#forget(id) });
    this.#kept.set(id, { hold, shared, onLost, onRenewal });
    const { key, token, request } = hold;
    const sharedUntil = this.#sharedClock.toShared(until);
    const traced = onRenewal !== undefined;
    this.#post({
      renew: { id, key, token, mode: request.mode, memory, until: sharedUntil, maxBlock, traced },
    });
    const thread = this;
    return {
      get validUntil() {
        return shared.validUntil;
      },
      get loss() {
        return shared.loss;
      },
      get running() {
        return thread.#worker === worker;
      },
      setTtl: (ms) => {
        shared.ttl = ms;
        retime();
      },
    };
  }

  /** Ends the thread: nothing is renewed there any more. */
  async close(): Promise<void> {
    this.#failed = true;
    this.#beat?.cancel();
    await this.#end();
  }

  #running(): Worker | undefined {
    if (this.#worker || this.#failed) return this.#worker;
    if ('impossible' in this.#source) return void this.#fail(this.#source.impossible);
    const { start, store } = this.#source;
    const data: ThreadData = { time: this.#time, store };
    try {
      const worker = outside(() =>
        start({
          name: 'latchkey-renewal',
          workerData: data,
          // What says that the source is text would stop a worker that is a file.
          ...(process.execArgv.some((option) => OF_TEXT.test(option)) && { execArgv: [] }),
        }),
      );
      worker.on('message', (message: FromThread) => this.#receive(message));
      worker.on('error', (error: Error) => this.#fail(error.message, worker));
      worker.on('exit', () => this.#fail('it ended', worker));
      worker.unref();
      this.#worker = worker;
      this.#starting = this.#inTime();
      this.#idleSince = this.#clock.now();
      this.#beatFor(Infinity);
      return worker;
    } catch (error) {
      return void this.#fail((error as Error).message);
    }
  }

  #inTime(): { promise: Promise<void>; done: () => void } {
    let done = () => {};
    const promise = new Promise<void>((resolve) => {
      done = resolve;
    });
    const timer = this.#clock.after(START_MS, () => this.#started());
    timer.keepAlive(false);
    return {
      promise,
      done: () => {
        timer.cancel();
        done();
      },
    };
  }

  #post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #receive(message: FromThread): void {
    if ('ready' in message) this.#started();
    else if ('renewal' in message) this.#kept.get(message.renewal)?.onRenewal?.(message.outcome);
    else if ('lost' in message) this.#kept.get(message.lost)?.onLost();
    else {
      const kept = this.#kept.get(message.revoked);
      if (kept) this.#events.revoked(kept.hold, message.grace);
    }
  }

  #started(): void {
    this.#starting?.done();
    this.#starting = undefined;
  }

  #forget(id: number): void {
    this.#kept.delete(id);
    this.#idleSince = this.#clock.now();
    if (this.#gone.push(id) >= GONE) this.#tellGone();
  }

  #tellGone(): void {
    if (this.#gone.length > 0) this.#post({ forget: this.#gone });
    this.#gone = [];
  }

  /** The heart beats from now on, often enough to tell a block of that length. */
  #beatFor(maxBlock: number): void {
    const often = this.#beat && this.#kept.size > 0 && maxBlock >= this.#shortestBlock;
    // A block that is over is not for a hold that begins now.
    if (often && this.#clock.now() - this.#sharedClock.beat < maxBlock) return;
    this.#tick();
    this.#shortestBlock = Math.min(this.#shortestBlock, maxBlock);
    this.#beat?.cancel();
    const pause = Math.min(LONGEST_BEAT_MS, this.#shortestBlock / BEATS);
    this.#beat = outside(() => this.#clock.after(pause, () => this.#beatAgain()));
    this.#beat.keepAlive(false);
  }

  #beatAgain(): void {
    this.#beat = undefined;
    this.#tellGone();
    if (this.#kept.size > 0 || this.#clock.now() - this.#idleSince < IDLE_MS)
      return this.#beatFor(this.#shortestBlock);
    this.#shortestBlock = Infinity;
    void this.#end();
  }

  #tick(): void {
    // Whoever was blocked for too long is to learn it, before the beat makes it forgotten.
    if (this.#clock.now() - this.#sharedClock.beat >= this.#shortestBlock)
      for (const { shared, onLost } of [...this.#kept.values()])
        if (shared.validUntil === -Infinity) onLost();
    this.#sharedClock.tick();
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#started();
    await worker?.terminate();
  }

  /** `worker`: which ended though it should not. */
  #fail(why: string, worker?: Worker): void {
    if (worker !== this.#worker) return;
    this.#failed = true;
    this.#worker = undefined;
    this.#started();
    process.emitWarning(
      `Locks are not renewed in a worker thread, as \`renewIn\` asks, but in the main thread: ${why}`,
      { code: 'LATCHKEY_THREAD' },
    );
  }
}
