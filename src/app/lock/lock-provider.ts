import type { Container } from 'inversify';
import { LockConfigError } from '../../core/errors.js';
import { DEFAULT_LOCKER } from '../../registry.js';
import { driverNames } from '../../setup/backends.js';
import { checkOptions, type LockProviderOptions } from '../../setup/options.js';
import { loadConfig } from '../config.js';
import type { App, Provider } from '../provider.js';
import type { ConfigOwner } from '../schema.js';
import { Component } from './component.js';
import { checkVariable, lockSchema } from './schema.js';

type OptionsOf = (container: Container) => LockProviderOptions | Promise<LockProviderOptions>;

/**
 * The lock component of an app: `app.install(lockProvider)`, or `app.install(lockProvider({ … }))`. It binds `Locker`,
 * by default and by name, and `LockRegistry`; `lock.L()` gives its lockers while the app runs. Options may be a
 * function of the container, called when the component starts.
 *
 * The start fails with LockConfigError for wrong settings, or when the container has the locks of another app. It fails
 * with LockBackendError when a backend that a locker uses does not work.
 * @throws LockUsageError for wrong options. If a function gives them, the start fails with this error instead.
 */
export function lockProvider(options: LockProviderOptions | OptionsOf = {}): Provider {
  const known = typeof options === 'function' ? undefined : options;
  if (typeof options !== 'function') checkOptions(options);
  const components = new WeakMap<App, Component>();
  return {
    ...ownerOf(known),
    async start(app, signal) {
      const given = typeof options === 'function' ? await options(app.container) : options;
      checkOptions(given);
      // The variables were read before the function told the names of drivers and lockers.
      if (!known) await loadConfig([ownerOf(given)], { env: app.env });
      components.set(app, await Component.start(app, given, signal));
    },
    stop: (app) => components.get(app)?.stop(),
    async health(app) {
      const component = components.get(app);
      return component ? component.health() : { status: 'down', error: 'the locks have not started' };
    },
  };
}

/** The settings, as far as the options are known already. */
function ownerOf(options: LockProviderOptions | undefined): ConfigOwner {
  const lockers = [DEFAULT_LOCKER, ...Object.keys(options?.lockers ?? {})];
  return {
    name: 'lock',
    config: lockSchema(options && driverNames(options), lockers),
    configError: (message) => new LockConfigError(message),
    checkVariable,
  };
}
