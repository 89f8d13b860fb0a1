import { type Duration, parseDuration, parseWait, type Wait } from '../../core/duration.js';
import { checkPrefix } from '../../core/key.js';
import { nearest } from '../../core/nearest.js';
import { checkSchema } from '../../drivers/postgres/client.js';
import { checkLimit } from '../../lease/option-checks.js';
import { withoutLogin } from '../../text/without-login.js';
import { type ConfigEntry, type ConfigSchema, flag, text, texts } from '../schema.js';

/** What may be configured for all lockers, and for each; unset where code and defaults are to decide. */
export interface LockerConfig {
  driver?: string;
  prefix?: string;
  ttl?: Duration;
  wait?: Wait;
  retry_interval?: Duration;
  auto_renew?: boolean;
  limit?: number;
  meta?: Record<string, string>;
}

export interface LockConfig extends Omit<LockerConfig, 'driver' | 'limit' | 'meta'> {
  provider?: string;
  renew_in?: 'main' | 'thread';
  max_block?: Duration;
  lockers?: Record<string, LockerConfig>;
  redis?: { url?: string };
  postgres?: { url?: string; schema?: string };
}

type Setting = Omit<ConfigEntry, 'env'>;

const LOCKERS = 'LOCK_LOCKERS';

const DURATION = "a duration such as '250ms', '30s', '5m', '1h' or '1d'";

const ttl = duration((value) => parseDuration('ttl', value, 1), `${DURATION}, at least 1 ms`);
const wait = duration((value) => parseWait('wait', value), `${DURATION}, or 'forever'`);
const retryInterval = duration(
  (value) => parseDuration('retry_interval', value, 1),
  `${DURATION}, at least 1 ms`,
);
const maxBlock = duration((value) => parseDuration('max_block', value, 1), `${DURATION}, at least 1 ms`);
const limit: Setting = {
  default: null,
  format: (value) => void checkLimit(value),
  expected: 'a whole number of at least 1',
  parse: (value) => (/^\d+$/.test(value) ? Number(value) : value),
};
const prefix: Setting = {
  default: null,
  format: (value) => void checkPrefix(value),
  expected: 'text without braces, of at most 2,048 bytes',
};
const schema: Setting = {
  default: null,
  format: (value) => void checkSchema(value),
  expected: 'a lower-case name of letters, digits and _',
};

/**
 * The settings under `lock`. `drivers` are the names that may be chosen, where they are known already; `lockers` those
 * that code names.
 */
export function lockSchema(drivers: readonly string[] | undefined, lockers: readonly string[]): ConfigSchema {
  const driver: Setting = drivers
    ? { default: null, format: drivers, expected: `one of ${drivers.map(withoutLogin).join(', ')}` }
    : { ...text, default: null };
  return {
    lock: {
      provider: { ...driver, env: 'LOCK_PROVIDER' },
      prefix: { ...prefix, env: 'LOCK_PREFIX' },
      ttl: { ...ttl, env: 'LOCK_TTL' },
      wait: { ...wait, env: 'LOCK_WAIT' },
      retry_interval: { ...retryInterval, env: 'LOCK_RETRY_INTERVAL' },
      auto_renew: { ...flag, default: null, env: 'LOCK_AUTO_RENEW' },
      renew_in: { default: null, format: ['main', 'thread'], env: 'LOCK_RENEW_IN' },
      max_block: { ...maxBlock, env: 'LOCK_MAX_BLOCK' },
      lockers: {
        env: LOCKERS,
        known: lockers,
        each: {
          driver,
          prefix,
          ttl,
          wait,
          retry_interval: retryInterval,
          auto_renew: { ...flag, default: null },
          limit,
          meta: { ...texts, default: null },
        },
      },
      redis: { url: { ...text, default: null, env: ['LOCK_REDIS_URL', 'REDIS_URL'], sensitive: true } },
      postgres: {
        url: { ...text, default: null, env: ['LOCK_POSTGRES_URL', 'DATABASE_URL'], sensitive: true },
        schema: { ...schema, env: 'LOCK_POSTGRES_SCHEMA' },
      },
    },
  };
}

/** Refuses a variable that was surely meant for locks: it is within two letters of a known one. */
export function checkVariable(variable: string, known: readonly string[]): string | undefined {
  if (!variable.startsWith('LOCK_')) return undefined;
  const ours = known.filter((name) => name.startsWith('LOCK_'));
  const [table, ...rest] = variable.split('__');
  const ofTable =
    rest.length > 0 && nearest(table!, [LOCKERS], 2) ? [LOCKERS, ...rest].join('__') : undefined;
  const meant = nearest(variable, ours, 2) ?? ofTable;
  return meant && `unknown, did you mean ${meant}?`;
}

function duration(parse: (value: unknown) => number, expected: string): Setting {
  return { default: null, format: (value) => void parse(value), expected };
}
