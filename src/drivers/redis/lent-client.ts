import { LockUsageError } from '../../core/errors.js';

/** @throws LockUsageError for a client that is not of ioredis. */
export function checkLentClient(redis: object): void {
  const { duplicate, sendCommand, status } = redis as Record<string, unknown>;
  const client = typeof duplicate === 'function' || typeof sendCommand === 'function';
  if (!client || typeof status === 'string') return;
  const which = 'isOpen' in redis ? 'of the package redis' : 'of another package';
  throw new LockUsageError(
    'redis',
    redis,
    `an ioredis client (this is a client ${which}; Latchkey takes ioredis: give its client, or { url })`,
  );
}
