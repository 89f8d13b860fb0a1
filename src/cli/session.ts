/// <reference lib="esnext.disposable" preserve="true" />
import { loadConfig } from '../app/config.js';
import { lockSchema } from '../app/lock/schema.js';
import { givenFor, type Settled, withConfig } from '../app/lock/settings.js';
import { LockConfigError } from '../core/errors.js';
import type { Locker } from '../lease/locker.js';
import { DEFAULT_LOCKER, type LockRegistry } from '../registry.js';
import { driverNames } from '../setup/backends.js';
import type { LockProviderOptions } from '../setup/options.js';
import { registryOf } from '../setup/registry-of.js';
import { withoutLogin } from '../text/without-login.js';

/** The options that every command has. */
export interface CommonOptions {
  readonly url?: string;
  readonly prefix?: string;
  readonly config?: string;
  readonly locker?: string;
  readonly json?: boolean;
}

/** The locks that a command is about, as the service's own processes have them. Nothing is connected yet. */
export interface Target {
  readonly registry: LockRegistry;
  readonly driver: string;
  readonly prefix: string;
  readonly redis: LockProviderOptions['redis'];
  readonly postgres: LockProviderOptions['postgres'];
}

export interface Session extends AsyncDisposable {
  readonly locker: Locker;
  /** ms, by the settings. */
  readonly ttl: number;
}

/**
 * Reads the settings as the service does: the file, over it the environment, over it the options of the command.
 * @throws LockConfigError, ConfigError
 */
export async function readTarget({ url, prefix, config, locker }: CommonOptions): Promise<Target> {
  const address: Record<string, string> = url === undefined ? {} : addressOf(url);
  const settled = await readSettings(config, { ...process.env, ...address });
  const { lockers = {}, ...general } = withConfig({}, settled);
  if (locker !== undefined && !Object.hasOwn(lockers, locker)) {
    const known = [DEFAULT_LOCKER, ...Object.keys(lockers)].join(', ');
    if (locker !== DEFAULT_LOCKER)
      throw new LockConfigError(
        `locker "${withoutLogin(locker)}" is not in the settings; there are: ${known}`,
      );
  }
  const own = lockers[locker ?? DEFAULT_LOCKER] ?? {};
  const chosen = { ...general, ...own, meta: { ...general.meta, ...own.meta } };
  const asked = {
    // The driver of the locker counts more than that of all.
    driver: address.LOCK_PROVIDER ?? own.driver ?? general.provider,
    provider: undefined,
    ...(prefix !== undefined && { prefix }),
  };
  // Memory, which is warned of in production, is an error here.
  const registry = registryOf({ ...chosen, ...asked }, { given: givenFor({}, settled), production: false });
  const [info] = registry.info();
  if (info!.driver === 'memory')
    throw new LockConfigError(
      'the locks are in the memory of each process, and cannot be seen from here: set LOCK_PROVIDER and its URL, or give --url',
    );
  const { driver, prefix: fullPrefix } = info!;
  return { registry, driver, prefix: fullPrefix, redis: general.redis, postgres: general.postgres };
}

/** The file, and over it the environment. @throws LockConfigError, ConfigError */
export async function readSettings(file: string | undefined, env: Settled['env']): Promise<Settled> {
  const owner = {
    name: 'lock',
    config: lockSchema(driverNames({}), []),
    configError: (message: string) => new LockConfigError(message),
  };
  return { config: await loadConfig([owner], { file, env, others: 'ignore' }), env };
}

/** Connects. @throws LockBackendError when the backend does not serve */
export async function openSession(options: CommonOptions): Promise<Session> {
  const { registry } = await readTarget(options);
  const close = () => registry.close({ grace: 0 }).catch(() => {});
  try {
    await registry.connect();
  } catch (error) {
    await close();
    throw error;
  }
  const { ttl } = registry.info()[0]!;
  return { locker: registry.mustOf(), ttl, [Symbol.asyncDispose]: close };
}

/** The variables that an address of the command stands for. */
function addressOf(url: string): Record<string, string> {
  if (/^(redis|rediss|unix|redis\+\w+):/.test(url)) return { LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: url };
  if (/^postgres(ql)?:/.test(url)) return { LOCK_PROVIDER: 'postgres', LOCK_POSTGRES_URL: url };
  // A URL may hold a password.
  throw new LockConfigError(
    'expected --url to begin with redis://, rediss://, unix://, redis+sentinel://, redis+cluster:// or postgres://',
  );
}
