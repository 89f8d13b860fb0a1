/** One setting. */
export interface ConfigEntry {
  /** The value where neither file nor environment gives one, checked as theirs are. `null`: unset. */
  default: unknown;
  /**
   * A function that throws for a wrong value, a list of the allowed values, or a type. A type also turns the text of a
   * variable into its value. `String`, `Number` and `Boolean` themselves are types too. It is not used for an unset value.
   */
  format: ((value: unknown) => void) | readonly unknown[] | ConfigType;
  /**
   * A description of a good value, for the message "expected …". Default: what `format` lists, or the message it
   * throws.
   */
  expected?: string;
  /** The variable that sets it. Of several, the first that is not empty. */
  env?: string | readonly string[];
  /** Turns the text of a variable into a value. Default: the text itself. If it throws, the setting is wrong. */
  parse?: (text: string) => unknown;
  /** `true` keeps the value, and any message `format` makes of it, out of every error. Default: `false`. */
  sensitive?: boolean;
}

/** A type of settings: `int` is a whole number, `nat` one of at least 0, `port` one from 0 to 65535. */
export type ConfigType = 'String' | 'Number' | 'Boolean' | 'int' | 'nat' | 'port';

/** The settings of each entry of a table. Their variables come from the table's. */
export type ConfigShape = Readonly<Record<string, Omit<ConfigEntry, 'env'>>>;

/**
 * A table whose entries the user names: `[lock.lockers.jobs]`. An entry is there when `known`, the file or the
 * environment names it, and every one has the settings of `each`.
 *
 * With `env: 'LOCK_LOCKERS'`, `LOCK_LOCKERS__JOBS__RETRY_INTERVAL` sets `retry_interval` of `jobs`. A variable means
 * the entry whose name, in any case and with `_` for anything but letters and digits, is the variable's; where
 * there is none, it makes one in lower case.
 */
export interface ConfigTable {
  each: ConfigShape;
  /** What the variables start with, before `__<NAME>__<SETTING>`. Default: no variables. */
  env?: string;
  /** Entries that are there though neither file nor environment names them, or with defaults of their own. */
  known?: readonly string[] | Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Sections, tables and settings by key. What has `default` is a setting and what has `each` is a table, so neither
 * can be a key.
 */
export interface ConfigSchema {
  readonly [key: string]: ConfigEntry | ConfigTable | ConfigSchema;
}

/** Whose settings a top-level section holds. */
export interface ConfigOwner {
  name: string;
  /** The settings it owns, by top-level key; no two owners have a key in common. */
  config?: ConfigSchema;
  /** Makes the error when every mistake is in these settings. Default: a `ConfigError`. */
  configError?(message: string): Error;
  /**
   * Says what is wrong with a variable that is set and that no setting reads; `undefined` leaves it alone. `known` are the
   * variables of its settings. Default: all are left alone.
   */
  checkVariable?(variable: string, known: readonly string[]): string | undefined;
}

export function isEntry(node: ConfigSchema[string]): node is ConfigEntry {
  return Object.hasOwn(node, 'default');
}

export function isTable(node: ConfigSchema[string]): node is ConfigTable {
  return Object.hasOwn(node, 'each');
}

/** A ready-made format, to be spread into a setting: `{ ...flag, default: null, env: 'LOCK_AUTO_RENEW' }`. */
export interface ConfigFormat extends Pick<ConfigEntry, 'parse'> {
  format: Exclude<ConfigEntry['format'], ConfigType>;
  expected: string;
}

const WORDS = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

/** `true` or `false`; in a variable also `1`, `0`, `yes`, `no`, `on`, `off`, in any case. */
export const flag: ConfigFormat = {
  format: [true, false],
  expected: 'true or false',
  parse: (text) => WORDS.get(text.toLowerCase()) ?? text,
};

/** Text that is not empty. */
export const text: ConfigFormat = {
  format(value) {
    if (typeof value !== 'string' || value === '') throw new TypeError('not text');
  },
  expected: 'text that is not empty',
};

/** A table of text: `{ a = "1", b = "2" }`; in a variable `a=1,b=2`, where no value can hold a comma. */
export const texts: ConfigFormat = {
  format(value) {
    const good = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!good || Object.values(value).some((item) => typeof item !== 'string')) {
      throw new TypeError('not a table of text');
    }
  },
  expected: 'a table of text (in a variable: a=1,b=2)',
  parse(list) {
    return Object.fromEntries(
      list.split(',').map((pair) => {
        const cut = pair.indexOf('=');
        if (cut < 1) throw new TypeError('no "="');
        return [pair.slice(0, cut).trim(), pair.slice(cut + 1).trim()];
      }),
    );
  },
};
