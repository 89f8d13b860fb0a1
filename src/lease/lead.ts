import { firstOf, onAbort } from '../core/abort.js';
import { sleep } from '../core/clock.js';
import { LockBackendError, LockClosedError } from '../core/errors.js';
import { type LeadTrace, traceLead } from './diagnostics.js';
import type { HeldLease } from './held-lease.js';
import { runHolding } from './holding.js';
import type { LockerHost } from './host.js';
import type { Settings } from './options.js';
import type { Work } from './with.js';

// The pause after a fault while campaigning doubles up to this, in ms.
const LONGEST_PAUSE = 5_000;

/** One who would lead. */
export interface Candidate<T> {
  readonly locker: string;
  readonly key: string;
  readonly fn: Work<T>;
  readonly takenAt: object;
  readonly settings: Settings;
  readonly host: LockerHost;
  obtain(settings: Settings): Promise<HeldLease>;
}

/** What came of a term: `fn` ended it by itself, or the lease was lost. */
type Term<T> = { ended: true; value: T } | { ended: false };

/** Campaigns, runs `fn` while it leads, and campaigns again when it was lost, until `fn` ends by itself or is told to. */
export async function lead<T>(candidate: Candidate<T>): Promise<T> {
  const { key, settings, host } = candidate;
  const { signal, done } = firstOf(host.closing, settings.signal);
  try {
    for (;;) {
      const lease = await elected(candidate, signal);
      const term = await serve(candidate, lease, signal);
      if (term.ended) return term.value;
    }
  } catch (error) {
    throw host.closing.aborted && error === host.closing.reason ? new LockClosedError(key) : error;
  } finally {
    done();
  }
}

/** A backend that is away ends no campaign before `wait` does, but for a last `retryInterval`. */
async function elected<T>(candidate: Candidate<T>, signal: AbortSignal): Promise<HeldLease> {
  const { settings, host } = candidate;
  const deadline = host.clock.now() + settings.wait;
  for (let pause = settings.retryInterval; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const wait = Math.max(0, deadline - host.clock.now());
    try {
      return await candidate.obtain({ ...settings, wait });
    } catch (error) {
      if (!(error instanceof LockBackendError)) throw error;
      tell(candidate, 'failed', { error });
      const left = deadline - host.clock.now() - settings.retryInterval;
      if (left <= 0) throw error;
      await sleep(Math.min(pause, left), host.clock, signal);
    }
  }
}

/** One term. @throws what `fn` throws by itself, and the reason of `signal` when that aborts */
async function serve<T>(candidate: Candidate<T>, lease: HeldLease, signal: AbortSignal): Promise<Term<T>> {
  const { fence } = lease;
  const stopWatching = watch(candidate, lease);
  const interrupt = () => lease.interrupt(signal.reason);
  const ignoreSignal = onAbort(signal, interrupt);
  // It may have aborted since the lease was obtained.
  if (signal.aborted) interrupt();
  lease.keepAlive(true);
  tell(candidate, 'elected', { fence });
  let outcome: { value: T } | { error: unknown };
  try {
    outcome = { value: await runHolding(lease, candidate.takenAt, candidate.fn) };
  } catch (error) {
    outcome = { error };
  }
  stopWatching();
  ignoreSignal();
  const told = signal.aborted;
  await lease[Symbol.asyncDispose]();
  lease.keepAlive(false);
  if (lease.interrupted && !told) {
    tell(candidate, 'settled', { fence, ...('error' in outcome && { error: outcome.error }) });
    return { ended: false };
  }
  tell(candidate, 'ended', { fence });
  if (told) throw signal.reason;
  if ('error' in outcome) throw outcome.error;
  return { ended: true, value: outcome.value };
}

/** Tells when the lease is lost, and when `fn` goes on all the same. Returns what ends that. */
function watch<T>(candidate: Candidate<T>, lease: HeldLease): () => void {
  const { clock } = candidate.host;
  const { signal, fence } = lease;
  const { ttl } = candidate.settings;
  let stopTimer = () => {};
  const stopListening = onAbort(signal, () => {
    const aborted = clock.now();
    if (!lease.held) tell(candidate, 'lost', { fence, error: signal.reason });
    const timer = clock.after(ttl, () =>
      tell(candidate, 'unsettled', { fence, error: signal.reason, since: clock.now() - aborted }),
    );
    timer.keepAlive(false);
    stopTimer = () => timer.cancel();
  });
  return () => {
    stopListening();
    stopTimer();
  };
}

function tell<T>({ locker, key }: Candidate<T>, event: LeadTrace['event'], more: Partial<LeadTrace>): void {
  traceLead({ locker, key, event, ...more });
}
