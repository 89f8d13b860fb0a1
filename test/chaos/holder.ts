import {
  type AcquireOptions,
  type Lease,
  LockBackendError,
  type Locker,
  LockLostError,
  type LockMode,
  LockNotObtainedError,
  LockTimeoutError,
} from 'latchkey';
import { historyNow } from 'latchkey/testing';
import type { Random } from '../support/random.js';
import { blockEventLoop, sleep } from '../support/wait.js';
import { Attempt, type Held } from './attempt.js';
import type { Journal } from './journal.js';
import type { LagMeter } from './lag.js';
import type { Link } from './link.js';
import { fullName, LOCKERS, LONGEST_HOLD, LONGEST_TTL, MAX_BLOCK } from './setting.js';

// What a wait may be late by, beside the delays of the process itself: see docs/guarantees.md.
const SLACK_MS = 750;
// How long a single try may take.
const TRY_MS = 1_000;

/** What the holders of one worker share. */
export interface Desk {
  readonly name: string;
  readonly journal: Journal;
  readonly random: Random;
  readonly lag: LagMeter;
  readonly link: Link;
  readonly lockers: ReadonlyMap<string, Locker>;
  readonly renewIn: 'main' | 'thread';
  /** ms for which the next who has seen that it holds is to block the event loop. */
  block: number;
}

/** Why a leader ends. */
const ENOUGH = new Error('enough');

let attempts = 0;

/** One who takes locks in all the ways there are, and writes to the resource while it holds them. */
export class Holder {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Takes a lock, does its work, gives it back; or does not get it. */
  async turn(): Promise<void> {
    const { random } = this.#desk;
    const way = random.pick([
      this.#with,
      this.#with,
      this.#tryWith,
      this.#acquire,
      this.#acquire,
      this.#extending,
      this.#renewed,
      this.#aborted,
      this.#several,
      this.#handle,
      this.#leading,
      this.#forgetful,
    ]);
    await way.call(this);
    await sleep(random.between(0, 40));
  }

  #with(): Promise<void> {
    return this.#running(this.#keys(1), { wait: this.#wait() });
  }

  #tryWith(): Promise<void> {
    return this.#running(this.#keys(1), {});
  }

  #several(): Promise<void> {
    return this.#running(this.#keys(this.#desk.random.between(2, 3)), { wait: this.#wait() });
  }

  /** Acquires and releases. */
  #acquire(): Promise<void> {
    return this.#leasing({ wait: this.#wait() }, (lease, attempt) => this.#work(lease, attempt));
  }

  /** Adds to its time while it works. */
  #extending(): Promise<void> {
    return this.#leasing({ wait: this.#wait() }, async (lease, attempt) => {
      for (let more = 0; more < 2; more++) {
        await this.#work(lease, attempt);
        try {
          const at = historyNow();
          const asked = more ? lease.refresh() : lease.extend(200);
          attempt.extending(at, lease);
          if (!(await asked)) return;
        } catch (error) {
          if (!(error instanceof LockBackendError)) this.#unexpected(error);
        }
        attempt.look(lease);
      }
    });
  }

  /** Renews by itself, and holds until it may not any longer. */
  #renewed(): Promise<void> {
    const { random } = this.#desk;
    const maxHold = random.between(300, LONGEST_HOLD);
    return this.#leasing({ wait: this.#wait(), autoRenew: true, maxHold }, async (lease, attempt) => {
      const keepsOn = random.chance(0.3);
      let welcome: boolean;
      do welcome = await this.#work(lease, attempt);
      while (keepsOn && welcome && lease.held);
    });
  }

  /** Gives up waiting. */
  #aborted(): Promise<void> {
    const { random } = this.#desk;
    const gaveUp = new AbortController();
    const ms = random.between(0, 300);
    const timer = setTimeout(() => gaveUp.abort(new Error('gave up')), ms);
    const options = { wait: 1_000, signal: gaveUp.signal };
    return this.#leasing(options, (lease, attempt) => this.#work(lease, attempt), ms).finally(() =>
      clearTimeout(timer),
    );
  }

  /** Works through a handle. */
  async #handle(): Promise<void> {
    const { locker, keys, full } = this.#keys(1);
    const attempt = this.#attempt(full, 'write');
    const wait = this.#wait();
    const lock = this.#desk.lockers.get(locker)!.New(keys[0]!, this.#ttl());
    try {
      await this.#walled(wait, attempt, () => lock.lock({ wait }));
    } catch {
      return;
    }
    attempt.obtained(lock);
    await this.#work(lock, attempt);
    await this.#release(attempt, () => lock.unlock());
  }

  /** Leads, and again when it has lost its lease, until it has had enough. */
  async #leading(): Promise<void> {
    const { random, journal } = this.#desk;
    const { locker, keys, full } = this.#keys(1);
    const enough = new AbortController();
    const timer = setTimeout(() => enough.abort(ENOUGH), random.between(200, LONGEST_HOLD));
    let attempt = this.#attempt(full, 'write');
    let state = 'campaigns' as 'campaigns' | 'leads' | 'resigns';
    const term = async (lease: Lease) => {
      if (state === 'leads') this.#unexpected(new Error('a second term began before the first one was over'));
      if (state !== 'campaigns') attempt = this.#attempt(full, 'write');
      state = 'leads';
      journal.write({ note: 'term', at: historyNow() });
      attempt.obtained(lease);
      while (lease.held && !lease.signal.aborted) if (!(await this.#work(lease, attempt))) break;
      await sleep(random.between(0, 30));
      if (lease.held) {
        state = 'resigns';
        attempt.releasing();
      } else {
        state = 'campaigns';
        attempt = this.#attempt(full, 'write');
      }
    };
    try {
      await this.#desk.lockers.get(locker)!.lead(keys[0]!, term, { ttl: this.#ttl(), signal: enough.signal });
    } catch (error) {
      if (error !== ENOUGH) this.#unexpected(error);
    } finally {
      clearTimeout(timer);
      if (state === 'resigns') attempt.released(undefined);
      else attempt.refused(false);
    }
  }

  /** Never gives back. */
  #forgetful(): Promise<void> {
    const { random } = this.#desk;
    const options = { wait: this.#wait(), ttl: random.between(100, 400) };
    return this.#leasing(options, (lease, attempt) => this.#work(lease, attempt), undefined, false);
  }

  /** with, or tryWith without a wait. */
  async #running({ locker, keys, full }: Keys, options: AcquireOptions): Promise<void> {
    const { lockers } = this.#desk;
    const mode = this.#mode();
    const attempt = this.#attempt(full, mode);
    const all = { ...options, mode, ttl: this.#ttl() };
    const chosen = lockers.get(locker)!;
    let began = () => {};
    const started = new Promise<void>((resolve) => {
      began = resolve;
    });
    let ran = false;
    const fn = async (lease: Lease) => {
      ran = true;
      attempt.obtained(lease);
      began();
      await this.#work(lease, attempt);
      attempt.releasing();
    };
    const whole = options.wait === undefined ? chosen.tryWith(keys, fn, all) : chosen.with(keys, fn, all);
    const settled = whole.then(
      (result) => {
        if (ran) attempt.released(undefined);
        else if (result && !result.acquired) attempt.refused(true);
      },
      (error: unknown) => {
        if (!ran) throw error;
        attempt.released(undefined);
        if (!(error instanceof LockLostError)) this.#unexpected(error);
      },
    );
    await this.#walled(Number(options.wait ?? 0), attempt, () => Promise.race([started, settled])).catch(
      () => {},
    );
    await settled.catch(() => {});
  }

  /** acquire and release, by hand. */
  async #leasing(
    options: AcquireOptions,
    fn: (lease: Lease, attempt: Attempt) => Promise<unknown>,
    abortsAfter = Infinity,
    releases = true,
  ): Promise<void> {
    const { locker, keys, full } = this.#keys(1);
    const mode = this.#mode();
    const attempt = this.#attempt(full, mode);
    const all = { ttl: this.#ttl(), ...options, mode, meta: { hold: attempt.hold } };
    const chosen = this.#desk.lockers.get(locker)!;
    let lease: Lease;
    try {
      const wall = Math.min(Number(options.wait), abortsAfter);
      const asked = this.#walled(wall, attempt, () => chosen.acquire(keys, all));
      void this.#witness(chosen, attempt, keys[0]!, wall);
      lease = await asked;
    } catch {
      return;
    }
    attempt.obtained(lease);
    await fn(lease, attempt);
    if (releases) await this.#release(attempt, () => lease.release());
  }

  /** Writes down when its place was surely in the backend. */
  async #witness(locker: Locker, attempt: Attempt, key: string, wall: number): Promise<void> {
    const info = await locker.inspect(key).catch(() => null);
    if (info?.waiting.some(({ meta }) => meta.hold === attempt.hold)) attempt.placed(attempt.askedAt + wall);
  }

  async #release(attempt: Attempt, release: () => Promise<boolean>): Promise<void> {
    attempt.releasing();
    try {
      attempt.released(await release());
    } catch (error) {
      attempt.released(undefined);
      if (!(error instanceof LockBackendError)) this.#unexpected(error);
    }
  }

  /**
   * Reads the resource, takes its time, and writes to it: first it looks whether it holds, then it acts. False when it
   * was refused.
   */
  async #work(lease: Held, attempt: Attempt): Promise<boolean> {
    const { random } = this.#desk;
    if (!lease.held) return true;
    let value = await this.#access(lease, attempt);
    for (let step = random.between(1, 3); step > 0 && value !== undefined; step--) {
      await sleep(random.between(0, 15));
      attempt.look(lease);
      if (!lease.held) return true;
      this.#blockIfTold(lease, attempt);
      // The gap in which a holder may be stopped, and come back as somebody else's.
      if (random.chance(0.2)) await sleep(random.between(1, 20));
      value = await this.#access(lease, attempt, attempt.mode === 'write' ? value + 1 : undefined);
    }
    return value !== undefined;
  }

  async #access(lease: Held, attempt: Attempt, write?: number): Promise<number | undefined> {
    const { link, journal } = this.#desk;
    const { hold, mode, keys } = attempt;
    // What several keys protect together is a resource of its own: the largest of their fences says nothing of each.
    const key = keys.join(' + ');
    const fence = attempt.fence!;
    const { ok, value } = await link.access({
      key,
      hold,
      mode,
      fence,
      ...(write !== undefined && { write }),
    });
    if (ok) return value;
    const sort = keys.length > 1 ? 'several keys' : 'one key';
    if (lease.held)
      journal.write({ note: 'refused', at: historyNow(), from: attempt.askedAt, sort, hold, what: key });
    return undefined;
  }

  #blockIfTold(lease: Held, attempt: Attempt): void {
    const { block, renewIn, journal } = this.#desk;
    this.#desk.block = 0;
    if (block === 0) return;
    const from = historyNow();
    blockEventLoop(block);
    const { held } = lease;
    attempt.outlived(lease, from);
    const sort = `${renewIn}, ${block < MAX_BLOCK ? 'shorter' : 'longer'} than maxBlock: ${held ? 'held' : 'lost'}`;
    journal.write({ note: 'block', at: historyNow(), from, sort, hold: attempt.hold });
    if (held && block >= MAX_BLOCK) this.#unexpected(new Error(`${attempt.hold} is held beyond maxBlock`));
  }

  /** Runs what waits no longer than `wait`; writes down how it ended where it did not obtain. */
  async #walled<T>(wait: number, attempt: Attempt, ask: () => Promise<T>): Promise<T> {
    const { lag, journal } = this.#desk;
    const from = historyNow();
    const lagBefore = lag.total;
    let outcome = 'obtained';
    try {
      return await ask();
    } catch (error) {
      outcome = (error as Error).name;
      attempt.refused(error instanceof LockNotObtainedError);
      if (error instanceof LockTimeoutError)
        journal.write({ note: 'timeout', at: historyNow(), from, hold: attempt.hold });
      else if (error instanceof LockBackendError)
        journal.write({ note: 'count', sort: 'backend errors', at: historyNow() });
      else if ((error as Error).message !== 'gave up') this.#unexpected(error);
      throw error;
    } finally {
      const at = historyNow();
      const late = at - from - (lag.total - lagBefore) - (wait || TRY_MS);
      const what = `${attempt.hold}: ${attempt.keys.length} keys, wait ${wait}: ${outcome} after ${Math.round(at - from)} ms, ${Math.round(late)} late`;
      if (late > SLACK_MS)
        journal.write({ note: 'overrun', at, from, sort: outcome, hold: attempt.hold, what });
    }
  }

  #unexpected(error: unknown): void {
    const { name, stack } = error as Error;
    this.#desk.journal.write({ note: 'error', at: historyNow(), sort: name, what: String(stack ?? error) });
  }

  #attempt(full: readonly string[], mode: LockMode): Attempt {
    const { journal, name } = this.#desk;
    return new Attempt(journal, `${name}.${attempts++}`, full, mode);
  }

  #keys(count: number): Keys {
    const { random } = this.#desk;
    const locker = random.pick(Object.keys(LOCKERS));
    const [hot, ...rest] = LOCKERS[locker]!;
    const chosen = random.chance(0.4) ? [hot!, ...random.shuffled(rest)] : random.shuffled(rest);
    const keys = chosen.slice(0, count).sort();
    return { locker, keys, full: keys.map((key) => fullName(locker, key)) };
  }

  #mode(): LockMode {
    return this.#desk.random.chance(0.35) ? 'read' : 'write';
  }

  #ttl(): number {
    return this.#desk.random.between(300, LONGEST_TTL);
  }

  #wait(): number {
    const { random } = this.#desk;
    return random.chance(0.15) ? random.between(1, 60) : random.between(100, 1_500);
  }
}

interface Keys {
  readonly locker: string;
  readonly keys: readonly string[];
  readonly full: readonly string[];
}
