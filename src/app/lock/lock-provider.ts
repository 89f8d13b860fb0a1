import type { Container } from 'inversify';
import { LockConfigError, LockUsageError } from '../../core/errors.js';
import { redisDriver } from '../../drivers/redis/driver.js';
import { Locker } from '../../lease/locker.js';
import { LockRegistry } from '../../registry.js';
import type { App, Provider } from '../provider.js';
import { enter, leave } from './accessor.js';
import { type LockConfig, lockSchema } from './schema.js';
import { driverNames, type LockProviderOptions, lockerOptions, redisOptions } from './settings.js';

type OptionsOf = (container: Container) => LockProviderOptions | Promise<LockProviderOptions>;

/**
 * The lock component of an app: `app.install(lockProvider)`, or `app.install(lockProvider({ … }))`. It binds `Locker`,
 * by default and by name, and `LockRegistry`; `lock.L()` gives its lockers while the app runs. Options may be a
 * function of the container, called when the component starts.
 *
 * The start fails with LockConfigError for wrong settings, LockUsageError for wrong options, and LockBackendError when
 * a backend that a locker uses does not serve.
 */
export function lockProvider(options: LockProviderOptions | OptionsOf = {}): Provider {
  if ((typeof options !== 'object' && typeof options !== 'function') || options === null) {
    throw new LockUsageError('options', options, 'an object, or a function of the container');
  }
  const known = typeof options === 'function' ? undefined : options;
  let component: Component | undefined;
  return {
    name: 'lock',
    config: lockSchema(known && driverNames(known), Object.keys(known?.lockers ?? {})),
    configError: (message) => new LockConfigError(message),
    async start(app) {
      component = await Component.start(
        app,
        typeof options === 'function' ? await options(app.container) : options,
      );
    },
    stop: () => component?.stop(),
    health: async () => component?.health(),
  };
}

class Component {
  readonly #registry: LockRegistry;
  readonly #options: LockProviderOptions;
  #unbind = () => {};

  private constructor(options: LockProviderOptions, config: LockConfig) {
    this.#options = options;
    this.#registry = new LockRegistry().registerDriver('redis', () =>
      redisDriver(redisOptions(options, config)),
    );
    for (const [name, driver] of Object.entries(options.drivers ?? {}))
      this.#registry.registerDriver(name, driver);
    for (const [name, locker] of lockerOptions(options, config)) this.#registry.registerLocker(name, locker);
  }

  static async start(app: App, options: LockProviderOptions): Promise<Component> {
    const component = new Component(options, app.config.get<LockConfig>('lock') ?? {});
    try {
      await component.#registry.connect();
    } catch (error) {
      await component.#registry.close({ grace: 0 }).catch(() => {});
      throw error;
    }
    component.#bind(app.container);
    enter(component.#registry);
    return component;
  }

  async stop(): Promise<void> {
    try {
      await this.#registry.close({ grace: this.#options.grace });
    } finally {
      leave(this.#registry);
      this.#unbind();
    }
  }

  async health() {
    const drivers = await this.#registry.ping();
    return Object.fromEntries([...drivers].map(([driver, status]) => [`lock.${driver}`, status]));
  }

  #bind(container: Container): void {
    const bindings = [
      container.bind(LockRegistry).toConstantValue(this.#registry).getIdentifier(),
      container.bind(Locker).toConstantValue(this.#registry.mustOf()).whenDefault().getIdentifier(),
      ...this.#registry
        .info()
        .map(({ name }) =>
          container.bind(Locker).toConstantValue(this.#registry.mustOf(name)).whenNamed(name).getIdentifier(),
        ),
    ];
    this.#unbind = () => {
      for (const binding of bindings) container.unbind(binding);
    };
  }
}
