import { LockLostError, LockUsageError } from '../../core/errors.js';
import type { Lease } from '../../lease/lease.js';
import { nameOf } from './codec.js';
import { holdsOf } from './guarded-holds.js';
import { inSchema } from './schema.js';

/** What a guard asks of a client of `pg`, or of another with the same method. */
export interface QueryClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** What a transaction asks of a `pg.Pool`. */
export interface ClientPool<Client extends QueryClient> {
  connect(): Promise<PooledClient<Client>>;
}

type PooledClient<Client> = Client & {
  release(error?: Error | boolean): void;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  off?(event: 'error', listener: (error: Error) => void): unknown;
};

/**
 * To be called inside a transaction of your own, in the database that keeps the locks. When it resolves, the lease is held,
 * and nobody else gets its keys before the transaction ends, whatever pauses and for how long: so what the transaction
 * writes is committed while the lock is yours, or not at all. It costs one statement. The transaction cannot be committed
 * when it rejects.
 *
 * Commit before you release the lease: until then a release resolves, but does not take effect. A rollback to a savepoint
 * that is older than the guard ends the guard.
 *
 * ```ts
 * await client.query('BEGIN');
 * await guard(client, lease);
 * await client.query('UPDATE accounts SET balance = $1 WHERE id = $2', [balance, id]);
 * await client.query('COMMIT');
 * ```
 *
 * @throws LockLostError when the lease is not held any more, LockUsageError outside a transaction or for a lease that
 * another driver gave; what `client.query` rejects with
 */
export async function guard(client: QueryClient, lease: Lease): Promise<void> {
  checkInTransaction(client);
  lease.ensureHeld();
  const holds = holdsOf(lease.token);
  if (holds.length === 0) throw new LockUsageError('lease', lease, 'one of the driver "postgres"');
  for (const hold of holds) hold.guarded = true;
  const text = inSchema('SELECT latchkey.guard($1::bytea[], $2::int8[])', holds[0]!.schema);
  try {
    await client.query(text, [holds.map(({ key }) => nameOf(key)), holds.map(({ fence }) => fence)]);
  } catch (error) {
    const { code } = error as { code?: unknown };
    const key = lease.keys.length === 1 ? lease.key : lease.keys;
    if (code === 'LK001') throw new LockLostError(key, 'stolen');
    throw error;
  }
}

/**
 * Runs `fn` in a transaction under a {@link guard}: BEGIN, guard, `fn`, COMMIT; ROLLBACK when one of them fails. What `fn`
 * writes is committed while the lease is held, or not at all.
 *
 * ```ts
 * await locker.with(`account:${id}`, (lease) =>
 *   guardedTransaction(pool, lease, async (client) => {
 *     await client.query('UPDATE accounts SET balance = balance - $1 WHERE id = $2', [amount, id]);
 *   }),
 * );
 * ```
 *
 * @throws what {@link guard} and `fn` throw, and what `pool` rejects with; LockUsageError when a query failed and `fn` did
 * not: PostgreSQL commits nothing then
 */
export async function guardedTransaction<T, Client extends QueryClient>(
  pool: ClientPool<Client>,
  lease: Lease,
  fn: (client: Client) => T | Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let fault: Error | undefined;
  // Between two queries a lost connection is an event, which without a listener ends the process. The next query rejects.
  const lost = (error: Error) => {
    fault = error;
  };
  client.on?.('error', lost);
  try {
    await client.query('BEGIN');
    await guard(client, lease);
    const value = await fn(client);
    const answer = await client.query('COMMIT');
    if (isRolledBack(answer))
      throw new LockUsageError('fn', fn, 'a function that throws when a query of its transaction fails');
    return value;
  } catch (error) {
    // A connection that cannot be rolled back is not given to anybody else.
    await client.query('ROLLBACK').catch((failed: Error) => {
      fault = failed;
    });
    throw error;
  } finally {
    client.off?.('error', lost);
    client.release(fault);
  }
}

// So PostgreSQL answers the COMMIT of a transaction in which something has failed.
const isRolledBack = (answer: unknown): boolean =>
  (answer as { command?: unknown } | undefined)?.command === 'ROLLBACK';

// Without a transaction a guard would end as soon as it began.
function checkInTransaction(client: QueryClient): void {
  const { totalCount, pipeline, getTransactionStatus } = client as Partial<PgClient>;
  const idle = !pipeline && getTransactionStatus?.call(client) === 'I';
  if (idle || totalCount !== undefined)
    throw new LockUsageError('client', client, 'one client, in a transaction: BEGIN first');
}

/** What tells a pool and an idle client of `pg`; a client that pipelines may not have been told of its BEGIN yet. */
interface PgClient {
  readonly totalCount: number;
  readonly pipeline: boolean;
  getTransactionStatus(): string | null;
}
