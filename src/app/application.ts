import 'reflect-metadata';
import { Container, type ServiceIdentifier } from 'inversify';
import { type Config, loadConfig } from './config.js';
import { AppError } from './errors.js';
import { type Health, healthOf } from './health.js';
import type { App, Provider } from './provider.js';
import { stopOnSignals } from './signals.js';
import { type AppOptions, checkOptions, checkProvider } from './usage.js';

export type { App, AppOptions };

/** How long a stop waits for a start in progress, in ms. */
const START_LIMIT = 5_000;

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
  /** That of the providers; a start that fails makes it, too. */
  #ending: Promise<void> | undefined;
  #state: 'new' | 'registered' | 'stopped' = 'new';
  /** Aborts when the app is stopped though its start has not ended; the reason says why. */
  readonly #abandon = new AbortController();
  #rejectStart!: (reason: AppError) => void;
  #unlisten = () => {};

  constructor(options: AppOptions) {
    this.#options = options;
    this.container = options.container ?? new Container();
  }

  get config(): Config {
    if (!this.#config) throw new AppError('APP_NOT_STARTED', 'there are no settings before start()');
    return this.#config;
  }

  get env(): Readonly<Record<string, string | undefined>> {
    return this.#options.env ?? process.env;
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
    this.#starting ??= new Promise((resolve, reject) => {
      this.#rejectStart = reject;
      // One that was abandoned is rejected when the app has stopped, and not before.
      const { signal } = this.#abandon;
      this.#start().then(resolve, (cause) => (signal.aborted && cause === signal.reason) || reject(cause));
    });
    return this.#starting;
  }

  stop(): Promise<void> {
    if (!this.#starting) return Promise.resolve();
    this.#stopping ??= this.#stopAfter(this.#starting);
    return this.#stopping;
  }

  get<T>(id: ServiceIdentifier<T>, options?: { name?: string }): T {
    this.#checkRunning('get()');
    return this.container.get(id, options);
  }

  async health(): Promise<Health> {
    this.#checkRunning('health()');
    const able = this.#providers.filter(({ health }) => health);
    return healthOf(able.map((part) => ({ name: part.name, health: async () => part.health?.(this) })));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #abandoned(): AbortSignal {
    return this.#abandon.signal;
  }

  async #start(): Promise<this> {
    const { configFile: file, signals } = this.#options;
    if (signals) this.#unlisten = stopOnSignals(() => this.stop());
    try {
      this.#config = await loadConfig(this.#providers, { file, env: this.env });
      for (const provider of this.#providers) {
        this.#abandoned.throwIfAborted();
        await provider.register?.({ container: this.container, config: this.#config });
      }
      if (!this.#abandoned.aborted) this.#state = 'registered';
      for (const provider of this.#providers) {
        this.#abandoned.throwIfAborted();
        await provider.start?.(this, this.#abandoned);
        if (!this.#abandoned.aborted) this.#started.push(provider);
        // The others have been stopped without it.
        else await provider.stop?.(this);
      }
      this.#abandoned.throwIfAborted();
      return this;
    } catch (cause) {
      this.#abandoned.throwIfAborted();
      await this.#stop().catch(() => {});
      throw cause;
    }
  }

  /** Stops once the start has settled, or when it takes too long. */
  async #stopAfter(starting: Promise<this>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, START_LIMIT, 'late');
    });
    const outcome = await Promise.race([starting.catch(() => 'failed' as const), late]);
    clearTimeout(timer);
    if (outcome === 'failed') return;
    if (outcome !== 'late') return this.#stop();
    const why = new AppError('APP_STOPPED', `the start did not end within ${START_LIMIT} ms of the stop`);
    this.#abandon.abort(why);
    try {
      await this.#stop();
    } finally {
      // Whoever waits for the stop, be it to end the process, comes first.
      setImmediate(() => this.#rejectStart(why));
    }
  }

  #stop(): Promise<void> {
    this.#ending ??= this.#stopStarted();
    return this.#ending;
  }

  async #stopStarted(): Promise<void> {
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
