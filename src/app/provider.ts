/// <reference lib="esnext.disposable" preserve="true" />
import type { Container, ServiceIdentifier } from 'inversify';
import type { Config } from './config.js';
import type { Health, HealthAnswer } from './health.js';
import type { ConfigOwner } from './schema.js';

/** What a provider has to work with when it registers. */
export interface ProviderContext {
  readonly container: Container;
  readonly config: Config;
}

/**
 * A part of an app: settings, bindings, and what must be started and stopped. Everything but `name` is optional. Hooks
 * are called as methods, one after the other, and each is awaited. One object can be a part of several apps.
 */
export interface Provider extends ConfigOwner {
  /** Unique in its app. */
  name: string;
  /**
   * Binds the services of the provider. It is called before any provider starts. Open nothing here, because `stop` is
   * called only if `start` has succeeded.
   */
  register?(context: ProviderContext): void | Promise<void>;
  /**
   * Opens connections and the like. Everything is bound, and the providers before this one have started. Don't await
   * `app.stop()` here: it waits for the start to end, for five seconds. After that `signal` aborts: what was opened is to
   * be closed, since `stop` is called only if the start succeeds after all.
   */
  start?(app: App, signal: AbortSignal): void | Promise<void>;
  /**
   * Closes them. It is called once, and only if the `start` of this provider has succeeded, even after the app was
   * stopped.
   */
  stop?(app: App): void | Promise<void>;
  /**
   * Resolves when everything works, and rejects otherwise. It can also resolve to its state, or to the states of several
   * parts by name.
   */
  health?(app: App): HealthAnswer;
}

/** Providers that share a container and settings, started and stopped together. */
export interface App extends AsyncDisposable {
  /** The container that was lent to `createApp`, or the app's own. The app itself binds and unbinds nothing. */
  readonly container: Container;
  /**
   * The settings, once they are loaded.
   * @throws AppError `APP_NOT_STARTED`.
   */
  readonly config: Config;
  /** The environment that `createApp` was given, or the process's. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Adds providers, in this order; all of them or, when it throws, none. A function is called at once to give one.
   * @throws AppError `APP_FROZEN` once `start` was called, `APP_DUPLICATE_PROVIDER`, `APP_USAGE`.
   */
  install(...providers: (Provider | (() => Provider))[]): this;
  /**
   * Loads the settings, lets every provider register, then starts each, in the order of installation. When any of it
   * fails, those that had started are stopped in reverse order, and the start rejects with the first cause. After that
   * you need another app, because bindings cannot be undone. A second call starts nothing, and settles as the first
   * does.
   * @throws ConfigError; AppError `APP_STOPPED` once the app was stopped; and what the providers throw.
   */
  start(): Promise<this>;
  /**
   * Stops all providers in reverse order, also if the stop of one fails, and then rejects with the first failure. It
   * waits for a start in progress, for 5 s. After that it stops what has started, and the start rejects with AppError
   * `APP_STOPPED`. A provider that ends its start later is stopped at once. Without a start, or after one that failed,
   * it does nothing. A second call stops nothing, and settles as the first does.
   */
  stop(): Promise<void>;
  /**
   * What the container gives for `id`, bound with that name or without one. It can be called from the first start hook
   * of a provider until the last stop hook has ended.
   * @throws AppError `APP_NOT_STARTED`, `APP_STOPPED`; and inversify's own errors.
   */
  get<T>(id: ServiceIdentifier<T>, options?: { name?: string }): T;
  /**
   * The answers of all providers that have a `health`, asked at the same time. One that fails is `down`, with the
   * message of its error.
   * @throws AppError `APP_NOT_STARTED`, `APP_STOPPED`.
   */
  health(): Promise<Health>;
}
