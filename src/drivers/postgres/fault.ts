import { LockConfigError } from '../../core/errors.js';
import { type Outcome, StoreError } from '../../engine/store.js';

/** An error of `pg` or of the server: `code` is five letters or digits where the server said it. */
export type PgError = Error & { code?: string; severity?: string };

/** Somebody else has the row locked. */
export const isRowLocked = (fault: StoreError): boolean => (fault.cause as PgError)?.code === '55P03';

/** Whether the server answered with an error, and has undone the statement. */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = error as PgError;
  return severity !== undefined && typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Told by a session that ends, or by a pooler that has lost the server. */
export function endsSession(error: unknown): boolean {
  return /^(08|57P)/.test(sqlState(error) ?? '');
}

/** What became of a statement that failed with this. */
export function outcomeOf(error: unknown): Outcome {
  const state = sqlState(error);
  if (state === undefined) return 'unknown';
  // The statement before may have been committed; and where a pooler has lost the server, that may run it yet.
  if (endsSession(error)) return 'unknown';
  // A transaction guards the hold.
  if (state === 'LK002') return 'in-use';
  return PASSING.test(state) ? 'passing' : 'refused';
}

// Read-only (a fail-over), transactions to be tried again, out of resources, limits (a full queue of notifications), locks,
// cancelled, I/O.
const PASSING = /^(25006|40|53|54|55|57|58)/;

/** What went wrong, without what was asked: it holds a token. */
export function storeError(address: string, error: unknown, outcome: Outcome): StoreError {
  if (error instanceof StoreError) return error;
  const cause = plain(error);
  return new StoreError(`PostgreSQL at ${address}: ${cause.message}`, outcome, cause);
}

// The server's errors tell the statement's context, and those of a connection may hold its parameters.
function plain(error: unknown): Error {
  if (error instanceof LockConfigError) return error;
  const { message, code } = error as PgError;
  const inner = (error as AggregateError).errors?.[0] as Error | undefined;
  return Object.assign(new Error(message || inner?.message || code || 'failed'), code && { code });
}
