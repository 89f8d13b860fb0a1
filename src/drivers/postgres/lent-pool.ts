import { LockUsageError } from '../../core/errors.js';
import { isPool, type LentPool, type PostgresOptions } from './options.js';

/** @throws LockUsageError for a client, or what another package connects by: its settings are not those of a pool. */
export function checkLentPool(postgres: LentPool | PostgresOptions): void {
  const { connect, query } = postgres as Record<string, unknown>;
  const client = typeof connect === 'function' || typeof query === 'function';
  if (!client || isPool(postgres)) return;
  throw new LockUsageError(
    'postgres',
    postgres,
    'a pg.Pool (this is a client, or of another package: give a pg.Pool, or options of pg, or { url })',
  );
}
