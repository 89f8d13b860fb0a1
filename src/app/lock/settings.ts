import { LockConfigError } from '../../core/errors.js';
import { isPool, type PostgresOptions } from '../../drivers/postgres/options.js';
import type { RedisOptions } from '../../drivers/redis/options.js';
import { MAX_META_BYTES, metaSize } from '../../lease/option-checks.js';
import { DEFAULTS, type LockerOptions } from '../../lease/options.js';
import { DEFAULT_LOCKER } from '../../registry.js';
import { BACKENDS, type Backend } from '../../setup/backends.js';
import { defined, type LockProviderOptions } from '../../setup/options.js';
import { withoutLogin } from '../../text/without-login.js';
import { fold } from '../config-tree.js';
import type { App } from '../provider.js';
import type { LockConfig, LockerConfig } from './schema.js';

/** The variables that say where a backend is, for locks; others may say so for the whole service. */
const VARIABLES: Record<Backend, string> = { redis: 'LOCK_REDIS_URL', postgres: 'LOCK_POSTGRES_URL' };

/** What is asked of an app whose settings are loaded. */
export type Settled = Pick<App, 'config' | 'env'>;

/** The options with the configuration over them. */
export function withConfig(options: LockProviderOptions, app: Settled): LockProviderOptions {
  const config = app.config.get<LockConfig>('lock') ?? {};
  const inCode = Object.keys(options.lockers ?? {});
  const configured = Object.fromEntries(
    Object.entries(config.lockers ?? {}).map(([name, locker]) => [meantLocker(name, inCode, app), locker]),
  );
  const lockers = [...inCode, ...Object.keys(configured)].map((name): [string, LockerOptions] => [
    name,
    overlaid(options.lockers?.[name], configured[name]),
  ]);
  const general = overlaid(options, config);
  const meta = { ...serviceOf(app.env), ...general.meta };
  for (const [name, locker] of Object.entries(config.lockers ?? {})) {
    const meant = meantLocker(name, inCode, app);
    checkLimit(name, locker, options.lockers?.[meant] ?? {}, app);
    checkMeta(name, locker, { ...meta, ...options.lockers?.[meant]?.meta }, app);
  }
  return defined({
    ...options,
    ...general,
    meta,
    ...defined({ renewIn: config.renew_in, maxBlock: config.max_block }),
    provider: config.provider ?? options.provider,
    lockers: Object.fromEntries(lockers),
    redis: redisOptions(options.redis, config.redis?.url),
    postgres: postgresOptions(options.postgres, config.postgres),
  });
}

/**
 * The locker in code that variables mean by `name`, where code told its names only after the variables were read.
 * @throws LockConfigError where they may mean several
 */
function meantLocker(name: string, inCode: readonly string[], { config }: Settled): string {
  const path = ['lock', 'lockers', name];
  const settings = Object.keys(config.get<LockerConfig>(path) ?? {}).map((setting) => [...path, setting]);
  if (settings.every((setting) => config.variable(setting) === undefined)) return name;
  const inFile = settings.some((setting) => config.isInFile(setting)) ? [name] : [];
  const known = new Set([DEFAULT_LOCKER, ...inCode, ...inFile]);
  const [meant = name, ...others] = [...known].filter((other) => fold(other) === fold(name));
  if (others.length === 0) return meant;
  throw new LockConfigError(
    `variables of lock.lockers.${name}: expected one locker of that name, got ${[meant, ...others].map(withoutLogin).join(', ')}`,
  );
}

/** @throws LockConfigError where code says that only one may hold a key */
function checkLimit(name: string, { limit }: LockerConfig, { mode }: LockerOptions, app: Settled): void {
  if (limit === undefined || mode !== 'write') return;
  throw new LockConfigError(
    `${placeOf(name, 'limit', app)} is ${limit}: expected none, as code says mode 'write'`,
  );
}

/** @throws LockConfigError where it is too much, together with the metadata that code and the process give */
function checkMeta(name: string, { meta }: LockerConfig, others: Record<string, string>, app: Settled): void {
  const size = meta === undefined ? 0 : metaSize({ ...DEFAULTS.meta, ...others, ...meta });
  if (size <= MAX_META_BYTES) return;
  throw new LockConfigError(
    `${placeOf(name, 'meta', app)} and the other metadata have ${size} bytes of JSON: expected at most ${MAX_META_BYTES}`,
  );
}

/** A setting of a locker, and what sets it. */
function placeOf(locker: string, setting: keyof LockerConfig, { config }: Settled): string {
  const path = ['lock', 'lockers', locker, setting];
  const variable = config.variable(path);
  return `${path.join('.')} (${variable === undefined ? 'file' : `env ${variable}`})`;
}

/** Which service it is, for those who inspect: npm and its like tell the scripts they run. */
function serviceOf({ npm_package_name: service, npm_package_version: version }: Settled['env']) {
  return { ...(service && { service }), ...(version && { version }) };
}

/** The backends that are given for locks, in code or by the configuration. */
export function givenFor(options: LockProviderOptions, app: Settled): Backend[] {
  return BACKENDS.filter((name) => {
    const url = ['lock', name, 'url'];
    const inEnv = app.config.variable(url) === VARIABLES[name];
    return options[name] !== undefined || inEnv || app.config.isInFile(url);
  });
}

/** Metadata adds up; of all else the configuration wins. */
function overlaid(options: LockerOptions = {}, config: LockerConfig = {}): LockerOptions {
  const { driver, prefix, ttl, wait, retry_interval, auto_renew, limit, meta } = config;
  const configured = defined({
    driver,
    prefix,
    ttl,
    wait,
    retryInterval: retry_interval,
    autoRenew: auto_renew,
    limit,
  });
  return { ...options, ...configured, ...(meta && { meta: { ...options.meta, ...meta } }) };
}

/** Where Redis is: the configured URL beats an address in code, but not a client that is lent. */
function redisOptions(
  redis: LockProviderOptions['redis'],
  url: string | undefined,
): LockProviderOptions['redis'] {
  if (url === undefined || typeof redis?.duplicate === 'function') return redis;
  const {
    host: _,
    port: __,
    path: ___,
    sentinels: ____,
    name: _____,
    ...rest
  } = (redis ?? {}) as RedisOptions;
  return { ...rest, url };
}

/** Where PostgreSQL is: the configured URL and schema beat those in code, but not the address of a pool that is lent. */
function postgresOptions(
  postgres: LockProviderOptions['postgres'],
  { url, schema }: NonNullable<LockConfig['postgres']> = {},
): LockProviderOptions['postgres'] {
  if (url === undefined && schema === undefined) return postgres;
  const inSchema = schema === undefined ? {} : { schema };
  if (postgres && isPool(postgres)) return { pool: postgres, ...inSchema };
  const { pool } = (postgres ?? {}) as PostgresOptions;
  return { ...postgres, ...inSchema, ...(url !== undefined && pool === undefined && { url }) };
}
