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
 * A part of an app: settings, bindings, and what must be started and stopped. Everything but `name` is optional.
 * Hooks are called with `this`, one at a time, and each is waited for. One object may be a part of several apps.
 */
export interface Provider extends ConfigOwner {
  /** Unique in its app. */
  name: string;
  /**
   * Binds what the provider offers. Called before any provider starts; open nothing here, for `stop` is not
   * called unless `start` was done.
   */
  register?(context: ProviderContext): void | Promise<void>;
  /**
   * Opens what must be open, with everything bound and the providers before this one started.
   * Don't await `app.stop()` here: it waits for the start to end, for five seconds.
   */
  start?(app: App): void | Promise<void>;
  /** Closes it. Called once, and only if this provider's `start` was done, be it after the app was stopped. */
  stop?(app: App): void | Promise<void>;
  /** Resolves while all is well and rejects otherwise; or tells of each of several things, by name. */
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
   * Loads the settings, lets every provider register, then starts each, in the order of installation. When any of
   * it fails, those that had started are stopped in reverse, and the start rejects with the first cause. That is
   * final, for what was bound can't be taken back: make another app. However often it is called, it happens once,
   * and every call settles alike.
   * @throws ConfigError; AppError `APP_STOPPED` once the app was stopped; and what the providers throw.
   */
  start(): Promise<this>;
  /**
   * Stops the providers in reverse, every one even if another's stop fails, and then rejects with the first
   * failure. Waits for a start in progress, for 5 s: then what has started is stopped, and the start rejects with
   * AppError `APP_STOPPED`; a provider that ends its start later is stopped at once. Without a start, or after one that
   * failed, it does nothing. However often it is called, it happens once, and every call settles alike.
   */
  stop(): Promise<void>;
  /**
   * What the container gives for `id`, bound with that name or without one. There from the providers' start hooks
   * until the last stop hook is done.
   * @throws AppError `APP_NOT_STARTED`, `APP_STOPPED`; and inversify's own errors.
   */
  get<T>(id: ServiceIdentifier<T>, options?: { name?: string }): T;
  /**
   * What the providers with a `health` say, all asked at once. What fails is `down` with the error's message.
   * @throws AppError `APP_NOT_STARTED`, `APP_STOPPED`.
   */
  health(): Promise<Health>;
}
