import { type ConfigEntry, type ConfigFormat, type ConfigType, flag } from './schema.js';

const TYPES: Readonly<Record<ConfigType, ConfigFormat>> = {
  String: {
    format(value) {
      if (typeof value !== 'string') throw new TypeError('not text');
    },
    expected: 'text',
  },
  Number: number('a number', Number.isFinite),
  Boolean: flag,
  int: number('a whole number', Number.isSafeInteger),
  nat: number('a whole number of at least 0', (value) => Number.isSafeInteger(value) && value >= 0),
  port: number('a whole number from 0 to 65535', (value) => (value & 0xffff) === value),
};

const CONSTRUCTORS = new Map<unknown, ConfigType>([
  [String, 'String'],
  [Number, 'Number'],
  [Boolean, 'Boolean'],
]);

/** The format of an entry; that of its type, where it names one, under what the entry itself says. */
export function formatOf(
  entry: ConfigEntry,
): Pick<ConfigEntry, 'expected' | 'parse'> & Pick<ConfigFormat, 'format'> {
  const type = typeOf(entry.format);
  return type
    ? { ...TYPES[type], ...entry, format: TYPES[type].format }
    : (entry as ConfigEntry & ConfigFormat);
}

/** Whether it is a format at all. */
export function isFormat(value: unknown): boolean {
  return typeof value === 'function' || Array.isArray(value) || typeOf(value) !== undefined;
}

export const TYPE_NAMES = Object.keys(TYPES).join(', ');

function typeOf(format: unknown): ConfigType | undefined {
  const known = typeof format === 'string' && Object.hasOwn(TYPES, format);
  return known ? (format as ConfigType) : CONSTRUCTORS.get(format);
}

function number(expected: string, good: (value: number) => boolean): ConfigFormat {
  return {
    format(value) {
      if (typeof value !== 'number' || !good(value)) throw new TypeError(`not ${expected}`);
    },
    expected,
    parse: (text) => (/^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text),
  };
}
