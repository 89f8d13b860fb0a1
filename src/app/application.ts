import 'reflect-metadata';
import { Container, type ServiceIdentifier } from 'inversify';
import { type Config, loadConfig } from './config.js';
import { AppError } from './errors.js';
import { type Health, healthOf } from './health.js';
import type { App, Provider } from './provider.js';
import { stopOnSignals } from './signals.js';
import { type AppOptions, checkOptions, checkProvider } from './usage.js';

export type { App, AppOptions };

/**
 * An app with no providers yet: `await createApp().install(…).start()`.
 * @throws AppError `APP_USAGE` for a bad option.
 */
export function createApp(options: AppOptions = {}): App {
  checkOptions(options);
  return new Application(options);
}

class Application implements App {
  readonly container: Container;
  readonly #options: AppOptions;
  #providers: readonly Provider[] = [];
  readonly #started: Provider[] = [];
  #config: Config | undefined;
  #starting: Promise<this> | undefined;
  #stopping: Promise<void> | undefined;
  #state: 'new' | 'registered' | 'stopped' = 'new';
  #unlisten = () => {};

  constructor(options: AppOptions) {
    this.#options = options;
    this.container = options.container ?? new Container();
  }

  get config(): Config {
    if (!this.#config) throw new AppError('APP_NOT_STARTED', 'there are no settings before start()');
    return this.#config;
  }

  install(...providers: (Provider | (() => Provider))[]): this {
    if (this.#starting) throw new AppError('APP_FROZEN', 'install() comes before start()');
    const given = providers.map((provider) => (typeof provider === 'function' ? provider() : provider));
    const installed = [...this.#providers];
    for (const provider of given) {
      checkProvider(provider);
      if (installed.some(({ name }) => name === provider.name)) {
        throw new AppError('APP_DUPLICATE_PROVIDER', `provider "${provider.name}" is already installed`);
      }
      installed.push(provider);
    }
    this.#providers = installed;
    return this;
  }

  start(): Promise<this> {
    if (this.#stopping)
      return Promise.reject(new AppError('APP_STOPPED', 'a stopped app does not start again'));
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop(): Promise<void> {
    if (!this.#starting) return Promise.resolve();
    this.#stopping ??= this.#starting.then(
      () => this.#stop(),
      () => {},
    );
    return this.#stopping;
  }

  get<T>(id: ServiceIdentifier<T>, options?: { name?: string }): T {
    this.#checkRunning('get()');
    return this.container.get(id, options);
  }

  async health(): Promise<Health> {
    this.#checkRunning('health()');
    return healthOf(this.#providers);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<this> {
    const { configFile: file, env = process.env, signals } = this.#options;
    if (signals) this.#unlisten = stopOnSignals(() => this.stop());
    try {
      this.#config = await loadConfig(this.#providers, { file, env });
      for (const provider of this.#providers) {
        await provider.register?.({ container: this.container, config: this.#config });
      }
      this.#state = 'registered';
      for (const provider of this.#providers) {
        await provider.start?.(this);
        this.#started.push(provider);
      }
      return this;
    } catch (cause) {
      await this.#stop().catch(() => {});
      throw cause;
    }
  }

  async #stop(): Promise<void> {
    const failures: unknown[] = [];
    for (const provider of this.#started.reverse()) {
      try {
        await provider.stop?.(this);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#state = 'stopped';
    this.#unlisten();
    if (failures.length > 0) throw failures[0];
  }

  #checkRunning(what: string): void {
    if (this.#state === 'new') throw new AppError('APP_NOT_STARTED', `${what} comes after start()`);
    if (this.#state === 'stopped') throw new AppError('APP_STOPPED', `${what} of an app that has stopped`);
  }
}
