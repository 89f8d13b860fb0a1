import { basename } from 'node:path';
import { type Duration, parseDuration, parseWait, type Wait } from '../core/duration.js';
import { LockConfigError, LockNotObtainedError } from '../core/errors.js';
import type { Lease } from '../lease/lease.js';
import type { Locker } from '../lease/locker.js';
import { EXIT, Exit, ofSignal } from './exit.js';
import { GuardedCommand } from './run/guarded.js';
import { type CommonOptions, openSession, type Session } from './session.js';

export interface RunOptions extends CommonOptions {
  readonly wait?: string;
  readonly ttl?: string;
  readonly limit?: string;
  readonly atLeast?: string;
  readonly once?: string;
  readonly keep?: string;
  readonly conflictExitCode: string;
}

/** The signals that are passed on to the command; those that end a process also end the wait. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
const PASSED = [...ENDING, 'SIGUSR1', 'SIGUSR2', 'SIGTSTP', 'SIGCONT', 'SIGWINCH'] as const;

// A command needs some time to end in before its lease does.
const LEAST_TTL = 1_000;
const LEAST_TOLD_MS = 50;

/** `latchkey run KEY -- COMMAND ARG…` */
export async function run(key: string, command: string[], options: RunOptions): Promise<void> {
  if (process.platform === 'win32')
    throw new Exit(EXIT.usage, '`run` needs process groups, which Windows does not have');
  const conflict = parseCode(options.conflictExitCode);
  const settings = parseOptions(options);
  const mark = parseMark(options);
  const signals = new Signals();
  try {
    await using session = await openSession(options);
    signals.throwIfAborted();
    checkTtl(options, session);
    const meta = { command: basename(command[0]!) };
    const acquire = {
      ...settings,
      autoRenew: true,
      renewIn: 'thread',
      meta,
      signal: signals.signal,
    } as const;
    const work = (lease: Lease) => runUnder(lease, key, command, signals);
    await obtain(session.locker, key, options, acquire, mark, work);
  } catch (error) {
    if (error instanceof LockNotObtainedError) throw new Exit(conflict, error.message);
    throw error;
  } finally {
    signals.close();
  }
}

type Acquire = Parameters<Locker['with']>[2];

async function obtain(
  locker: Locker,
  key: string,
  { once }: RunOptions,
  acquire: Acquire,
  mark: { keep?: Duration },
  work: (lease: Lease) => Promise<void>,
): Promise<void> {
  if (once === undefined) return locker.with(key, work, acquire);
  const { ran } = await locker.once(key, once, work, { ...acquire, ...mark });
  if (!ran) throw new LockNotObtainedError(key, `for slot "${once}": it runs, or has run`);
}

/** @throws Exit with the code of the command, unless that is 0 */
async function runUnder(
  lease: Lease,
  key: string,
  [command, ...args]: string[],
  signals: Signals,
): Promise<void> {
  signals.throwIfAborted();
  const guarded = new GuardedCommand();
  const env = { LATCHKEY_KEY: key, LATCHKEY_FENCE: String(lease.fence) };
  guarded.start(command!, args, env, lease.ttl());
  signals.passTo((signal) => guarded.signal(signal));
  const tell = () => (lease.signal.aborted ? guarded.end(lease.ttl()) : guarded.renewed(lease.ttl()));
  const telling = setInterval(tell, Math.max(LEAST_TOLD_MS, Math.min(1_000, lease.ttl() / 16)));
  lease.signal.addEventListener('abort', tell);
  if (lease.signal.aborted) tell();
  try {
    const { code, late } = await guarded.ended;
    if (lease.signal.aborted)
      throw new Exit(EXIT.lost, `${lease.signal.reason.message}; the command was ended`);
    if (late) throw new Exit(EXIT.lost, 'the lease could not be renewed in time; the command was ended');
    if (code !== EXIT.done) throw new Exit(code);
  } finally {
    clearInterval(telling);
    lease.signal.removeEventListener('abort', tell);
  }
}

/** The signals that `latchkey` gets: they end the wait, and then reach the command. */
class Signals {
  readonly #stop = new AbortController();
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  #pass: ((signal: NodeJS.Signals) => void) | undefined;

  constructor() {
    for (const signal of PASSED) {
      const listener = () => this.#receive(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  /** Aborts with an Exit, for as long as nobody takes the signals. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  throwIfAborted(): void {
    this.#stop.signal.throwIfAborted();
  }

  passTo(pass: (signal: NodeJS.Signals) => void): void {
    this.#pass = pass;
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #receive(signal: NodeJS.Signals): void {
    if (this.#pass) this.#pass(signal);
    else if (ENDING.includes(signal as (typeof ENDING)[number])) {
      this.#stop.abort(new Exit(ofSignal(signal), `ended by ${signal} while it waited`));
    }
  }
}

/** @throws LockUsageError, Exit naming the option as it is written here */
function parseOptions({ wait, ttl, limit, atLeast }: RunOptions) {
  if (wait !== undefined) parseWait('--wait', wait);
  return {
    ...(wait !== undefined && { wait: wait as Wait }),
    ...(ttl !== undefined && { ttl: parseDuration('--ttl', ttl, LEAST_TTL) as Duration }),
    ...(limit !== undefined && { limit: parseLimit(limit) }),
    ...(atLeast !== undefined && { atLeast: parseDuration('--at-least', atLeast) as Duration }),
  };
}

/** @throws LockConfigError */
function checkTtl({ ttl: own }: RunOptions, { ttl }: Session): void {
  if (own === undefined && ttl < LEAST_TTL)
    throw new LockConfigError(
      `the ttl in the settings is ${ttl} ms: expected at least ${LEAST_TTL} ms, or --ttl`,
    );
}

/** @throws LockUsageError, Exit */
function parseMark({ once, keep }: RunOptions): { keep?: Duration } {
  if (keep === undefined) return {};
  if (once === undefined) throw new Exit(EXIT.usage, 'expected --once beside --keep');
  return { keep: parseDuration('--keep', keep, 1) };
}

function parseLimit(limit: string): number {
  if (/^[1-9]\d*$/.test(limit)) return Number(limit);
  throw new Exit(EXIT.usage, `expected --limit to be a number of at least 1, got ${limit}`);
}

function parseCode(code: string): number {
  if (/^\d+$/.test(code) && Number(code) <= 255) return Number(code);
  throw new Exit(EXIT.usage, `expected --conflict-exit-code to be a number from 0 to 255, got ${code}`);
}
