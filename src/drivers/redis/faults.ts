import { type Outcome, StoreError } from '../../engine/store.js';

/** What has become of a command that ioredis rejected with this error. `lost`: the connection was lost before the answer. */
export function outcomeOf(error: Error): Outcome | 'lost' {
  if (error.name === 'ReplyError') return PASSING.test(error.message) ? 'passing' : 'refused';
  if (error.message.includes("isn't writeable")) return 'not-sent';
  const lost = error.name === 'MaxRetriesPerRequestError' || /closed|ended/i.test(error.message);
  return lost ? 'lost' : 'unknown';
}

// Faults that mend themselves while the connection stands: a fail-over, a cluster on the move, a start. A missing right is
// told with the name of the user, who may be called ASK.
const PASSING =
  /^(?!NOPERM\b).*\b(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|UNBLOCKED|BUSY|Too many Cluster)\b/;

/** A server that does not know a command answers with its arguments: a password, or a token. They are left out here. */
export function withoutArguments(message: string): string {
  return message.replace(/,? with args beginning with:.*$/s, '');
}

/** Says what went wrong at Redis, without the command: its arguments hold a token. */
export function storeError(address: string, outcome: Outcome, cause: Error | undefined): StoreError {
  const why = cause ? plain(cause) : new Error('not connected');
  return new StoreError(`Redis at ${address}: ${why.message}`, outcome, why);
}

// ioredis hangs the command and its arguments on its errors.
function plain(error: Error): Error {
  const { message, code } = error as NodeJS.ErrnoException;
  const inner = (error as AggregateError).errors?.[0] as Error | undefined;
  const why = withoutArguments(message || inner?.message || code || String(error));
  return Object.assign(new Error(why), code && { code });
}
