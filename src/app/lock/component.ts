import type { Container } from 'inversify';
import { onAbort } from '../../core/abort.js';
import { LockConfigError } from '../../core/errors.js';
import { Locker } from '../../lease/locker.js';
import { LockRegistry } from '../../registry.js';
import { enter, leave } from '../../running.js';
import { lockHealth } from '../../setup/health.js';
import type { LockProviderOptions } from '../../setup/options.js';
import { registryOf } from '../../setup/registry-of.js';
import type { Health } from '../health.js';
import type { App } from '../provider.js';
import { givenFor, withConfig } from './settings.js';

/** The locks of one app, from its start to its stop. */
export class Component {
  readonly #registry: LockRegistry;
  readonly #options: LockProviderOptions;
  #unbind = () => {};

  private constructor(options: LockProviderOptions, app: App) {
    this.#options = options;
    const production = app.env.NODE_ENV === 'production';
    this.#registry = registryOf(withConfig(options, app), { given: givenFor(options, app), production });
  }

  /** Connects every driver that a locker uses; not any more, and closes all, when `signal` aborts. `options` are checked. */
  static async start(app: App, options: LockProviderOptions, signal: AbortSignal): Promise<Component> {
    const component = new Component(options, app);
    const close = () => component.#registry.close({ grace: 0 }).catch(() => {});
    const stopListening = onAbort(signal, () => void close());
    try {
      signal.throwIfAborted();
      await component.#registry.connect();
      component.#bind(app.container);
    } catch (error) {
      await close();
      throw error;
    } finally {
      stopListening();
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
  health(): Promise<Health> {
    return lockHealth(this.#registry);
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
