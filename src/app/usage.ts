import type { Container } from 'inversify';
import { isFormat, TYPE_NAMES } from './config-types.js';
import { AppError } from './errors.js';
import type { Provider } from './provider.js';
import { type ConfigSchema, isEntry, isTable } from './schema.js';
import { show } from './show.js';

/** The options of `createApp`. */
export interface AppOptions {
  /** A `.toml` or `.json` file. Default: none. */
  configFile?: string;
  /** The environment, where an empty variable is unset. Default: `process.env`, as it is when the app starts. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The container of the app. Your own bindings stay when the app stops. Default: a new one. */
  container?: Container;
  /** Whether SIGTERM and SIGINT stop the app, and then end the process. Default: `false`. */
  signals?: boolean;
}

const OPTIONS: Record<keyof AppOptions, [(value: never) => unknown, string]> = {
  configFile: [(value: string) => typeof value === 'string' && value !== '', 'a path'],
  env: [isObject, 'an object'],
  container: [
    (value: Container) => isObject(value) && typeof value.get === 'function',
    'an inversify Container',
  ],
  signals: [(value: boolean) => typeof value === 'boolean', 'true or false'],
};

const HOOKS = ['configError', 'checkVariable', 'register', 'start', 'stop', 'health'] as const;

/** @throws AppError `APP_USAGE` naming the option that is wrong, and its value. */
export function checkOptions(options: AppOptions): void {
  expect(isObject(options), 'the options', 'an object', options);
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue;
    expect(Object.hasOwn(OPTIONS, option), 'an option', `one of ${Object.keys(OPTIONS).join(', ')}`, option);
    const [check, what] = OPTIONS[option as keyof AppOptions];
    expect(Boolean(check(value as never)), `\`${option}\``, what, value);
  }
}

/** @throws AppError `APP_USAGE` naming what is wrong with the provider. */
export function checkProvider(provider: Provider): void {
  expect(isObject(provider), 'a provider', 'an object', provider);
  const { name, config } = provider;
  expect(typeof name === 'string' && name !== '', 'the `name` of a provider', 'text that is not empty', name);
  for (const hook of HOOKS) {
    const value: unknown = provider[hook];
    expect(
      value === undefined || typeof value === 'function',
      `\`${hook}\` of provider "${name}"`,
      'a function',
      value,
    );
  }
  if (config !== undefined) checkSchema(config, `\`config\` of provider "${name}"`);
}

function checkSchema(schema: ConfigSchema, what: string): void {
  expect(isObject(schema) && !Array.isArray(schema), what, 'an object', schema);
  for (const [key, node] of Object.entries(schema)) {
    const at = `${what}, at "${key}"`;
    expect(isObject(node), `${at},`, 'a setting, a table or a section', node);
    if (isEntry(node)) {
      const wanted = `a function, a list, or one of ${TYPE_NAMES}`;
      expect(isFormat(node.format), `\`format\` in ${at},`, wanted, node.format);
    } else if (isTable(node)) {
      checkSchema(node.each, at);
      const other = Object.keys(node.each).find((setting) => !isEntry(node.each[setting]!));
      expect(other === undefined, `\`each\` in ${at},`, 'settings only, each with a `default`', other);
    } else checkSchema(node, at);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function expect(good: boolean, what: string, wanted: string, got: unknown): void {
  if (!good) throw new AppError('APP_USAGE', `expected ${what} to be ${wanted}, got ${show(got)}`);
}
