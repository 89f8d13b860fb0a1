/** The possible values of `code` of an AppError. */
export type AppErrorCode =
  | 'APP_USAGE'
  | 'APP_CONFIG'
  | 'APP_FROZEN'
  | 'APP_DUPLICATE_PROVIDER'
  | 'APP_NOT_STARTED'
  | 'APP_STOPPED';

/**
 * The errors of the app itself. Errors of providers reach you unchanged. Test `code`:
 *
 * - `APP_USAGE`: an option or a provider is not what it should be; the message names it and the value.
 * - `APP_CONFIG`: see {@link ConfigError}.
 * - `APP_FROZEN`: `install` after `start`.
 * - `APP_DUPLICATE_PROVIDER`: two providers of one name.
 * - `APP_NOT_STARTED`: asked for what there is only after `start`.
 * - `APP_STOPPED`: the app has stopped, or its start failed; neither can be undone.
 */
export class AppError extends Error {
  constructor(
    readonly code: AppErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`app: ${message}`, options);
    this.name = new.target.name;
  }
}

/** The settings are wrong. The message lists every mistake, and never shows the value of a sensitive one. */
export class ConfigError extends AppError {
  constructor(
    message: string,
    /** One line for each mistake. */
    readonly mistakes: readonly string[],
    options?: ErrorOptions,
  ) {
    super('APP_CONFIG', `config: ${message}`, options);
  }
}
