import type { Container } from 'inversify';
import { LockConfigError } from '../../core/errors.js';
import { Locker } from '../../lease/locker.js';
import { LockRegistry } from '../../registry.js';
import type { Health } from '../health.js';
import type { App } from '../provider.js';
import { enter, leave } from './accessor.js';
import { builtInDrivers } from './backends.js';
import type { LockProviderOptions } from './options.js';
import type { LockConfig } from './schema.js';
import { lockerOptions } from './settings.js';

/** The locks of one app, from its start to its stop. */
export class Component {
  readonly #registry: LockRegistry;
  readonly #options: LockProviderOptions;
  #unbind = () => {};

  private constructor(options: LockProviderOptions, app: App) {
    this.#options = options;
    this.#registry = new LockRegistry();
    const builtIn = builtInDrivers(options, app.config.get<LockConfig>('lock') ?? {});
    for (const [name, driver] of [...builtIn, ...Object.entries(options.drivers ?? {})])
      this.#registry.registerDriver(name, driver);
    for (const [name, locker] of lockerOptions(options, app)) this.#registry.registerLocker(name, locker);
  }

  /** Connects every driver that a locker uses. `options` are checked. */
  static async start(app: App, options: LockProviderOptions): Promise<Component> {
    const component = new Component(options, app);
    try {
      await component.#registry.connect();
      component.#bind(app.container);
    } catch (error) {
      await component.#registry.close({ grace: 0 }).catch(() => {});
      throw error;
    }
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

  /** Of each driver in use. */
  async health(): Promise<Health> {
    const drivers = await this.#registry.ping();
    return Object.fromEntries([...drivers].map(([driver, status]) => [`lock.${driver}`, status]));
  }

  #bind(container: Container): void {
    if (container.isCurrentBound(LockRegistry)) {
      throw new LockConfigError(
        'the container has the locks of another app already: give each app a container of its own',
      );
    }
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
