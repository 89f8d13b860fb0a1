import { withoutLogin } from '../text/without-login.js';

/** The code of each error class. */
export const LOCK_ERROR_CODES = {
  LockNotObtainedError: 'LOCK_NOT_OBTAINED',
  LockTimeoutError: 'LOCK_TIMEOUT',
  LockNotHeldError: 'LOCK_NOT_HELD',
  LockLostError: 'LOCK_LOST',
  LockDeadlockError: 'LOCK_DEADLOCK',
  LockBackendError: 'LOCK_BACKEND',
  LockConfigError: 'LOCK_CONFIG',
  LockUsageError: 'LOCK_USAGE',
  LockClosedError: 'LOCK_CLOSED',
} as const;

/** The possible values of `code` of a LockError. */
export type LockErrorCode = (typeof LOCK_ERROR_CODES)[keyof typeof LOCK_ERROR_CODES];

interface Details {
  key?: unknown;
  cause?: unknown;
}

/** The base class of all errors of the locks. Test `code` or the class; messages may change. */
export abstract class LockError extends Error {
  abstract readonly code: LockErrorCode;
  /** The key, as the caller named it. */
  readonly key?: unknown;

  constructor(message: string, { key, cause }: Details = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.key = key;
  }
}

/** Another caller holds the key. Contention only: an outage is a {@link LockBackendError}. */
export class LockNotObtainedError extends LockError {
  readonly code: 'LOCK_NOT_OBTAINED' | 'LOCK_TIMEOUT' = LOCK_ERROR_CODES.LockNotObtainedError;

  constructor(key: unknown, why: string) {
    super(`lock: not obtained: ${showKey(key)} ${why}`, { key });
  }
}

/** The `wait` is over, and another caller holds the key; or it was over before all of several keys could be asked for. */
export class LockTimeoutError extends LockNotObtainedError {
  override readonly code = LOCK_ERROR_CODES.LockTimeoutError;

  constructor(key: unknown, wait: number) {
    super(key, wait === 0 ? 'is held, and wait is 0' : `within ${wait} ms`);
  }
}

/** The key to unlock is not locked, or the lease was released. */
export class LockNotHeldError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockNotHeldError;

  constructor(key: unknown, why?: string) {
    super(`lock: not held: ${showKey(key)}${why === undefined ? '' : `: ${why}`}`, { key });
  }
}

/**
 * Why a lease ended before its holder released it: its time was over (`expired`), the backend no longer has the hold
 * (`stolen`), the backend did not answer in time to renew it (`backend`), `maxHold` was reached (`maxHold`), the
 * registry was closed (`closed`), an operator revoked it (`revoked`), or the event loop was blocked for `maxBlock`
 * (`blocked`).
 */
export type LossReason = 'expired' | 'stolen' | 'backend' | 'maxHold' | 'closed' | 'revoked' | 'blocked';

const LOSSES: Record<LossReason, string> = {
  expired: 'its time ran out',
  stolen: 'the backend says it is no longer ours',
  backend: 'the backend did not answer in time to renew it',
  maxHold: 'it was held for maxHold',
  closed: 'the locks were closed',
  revoked: 'it was revoked',
  blocked: 'the event loop was blocked for maxBlock',
};

/** The lease ended before its holder released it. Other callers are no longer excluded. */
export class LockLostError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockLostError;

  constructor(
    key: unknown,
    readonly reason: LossReason,
    cause?: unknown,
  ) {
    super(`lock: lost: ${showKey(key)}: ${LOSSES[reason]}`, { key, cause });
  }
}

/** The caller asks for a key that it already holds. */
export class LockDeadlockError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockDeadlockError;

  constructor(key: unknown, takenAt: string) {
    super(`lock: deadlock: ${showKey(key)} is already held here, taken\n${takenAt}`, { key });
  }
}

/** The backend failed or did not answer. Never contention. */
export class LockBackendError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockBackendError;

  constructor(what: string, details: Details = {}) {
    super(`lock: backend: ${what}`, details);
  }
}

/** The configuration, or the wiring of drivers, lockers and providers, is wrong. */
export class LockConfigError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockConfigError;

  constructor(message: string, details: Details = {}) {
    super(`lock: config: ${message}`, details);
  }
}

/** An argument is wrong. Nothing was locked. */
export class LockUsageError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockUsageError;
  /** What is wrong, as the caller named it. */
  readonly option: string;
  /** Not enumerable, so no log shows it: it may be an address, or hold one. */
  declare readonly value: unknown;

  constructor(option: string, value: unknown, expected: string, details: Details = {}) {
    const shown = show(typeof value === 'string' ? withoutLogin(value) : value);
    const name = withoutLogin(option);
    super(`lock: usage: expected \`${name}\` to be ${expected}, got ${shown}`, details);
    this.option = name;
    Object.defineProperty(this, 'value', { value });
  }
}

/** The locks are closed or closing, and give no new leases. */
export class LockClosedError extends LockError {
  readonly code = LOCK_ERROR_CODES.LockClosedError;

  constructor(key?: unknown) {
    super(key === undefined ? 'lock: closed' : `lock: closed: ${showKey(key)}`, { key });
  }
}

const MOST_SHOWN = 5;

function showKey(key: unknown): string {
  if (!Array.isArray(key)) return show(key);
  const shown = key.slice(0, MOST_SHOWN).map(show).join(', ');
  return key.length > MOST_SHOWN ? `${shown} and ${key.length - MOST_SHOWN} more` : shown;
}

/** A value as it may stand in a message: short, and never failing. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
