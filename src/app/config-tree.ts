import { withoutLogin } from '../text/without-login.js';
import {
  type ConfigEntry,
  type ConfigSchema,
  type ConfigShape,
  type ConfigTable,
  isEntry,
  isTable,
} from './schema.js';
import { show } from './show.js';

/** One setting's place: what may fill it, and what did. */
export interface Leaf {
  readonly id: string;
  readonly path: readonly string[];
  readonly entry: ConfigEntry;
  /** The variable that sets it, where one does. */
  readonly variable: string | undefined;
  /** What the file says; `undefined` where it says nothing. */
  readonly file: unknown;
  value?: unknown;
}

export type ConfigNode = Leaf | Map<string, ConfigNode>;

export interface Mistake {
  /** The top-level key it is under. */
  readonly section: string | undefined;
  readonly text: string;
}

type Table = Record<string, unknown>;
type Variables = Map<string, Record<string, string>>;

/** Lays a schema over what file and environment say: every named entry, every setting, and what has no place. */
export class ConfigTree {
  readonly leaves: Leaf[] = [];
  readonly mistakes: Mistake[] = [];
  /** Every variable that may set something, with the top-level key that it is under. */
  readonly variables = new Map<string, string>();
  /** The variables that set something, or are mistakes already. */
  readonly handled = new Set<string>();
  readonly root: Map<string, ConfigNode>;

  constructor(
    schema: ConfigSchema,
    file: unknown,
    private readonly fileName: string,
    private readonly env: ReadonlyMap<string, string>,
  ) {
    this.root = this.#section(schema, file, []);
  }

  mistake(path: readonly string[], text: string): void {
    this.mistakes.push({ section: path[0], text });
  }

  #section(schema: ConfigSchema, file: unknown, path: readonly string[]): Map<string, ConfigNode> {
    const table = this.#table(file, path);
    for (const key of Object.keys(table)) {
      if (Object.hasOwn(schema, key)) continue;
      // Without its value: a misspelt key may hold a password.
      const known = Object.keys(schema).join(', ') || 'nothing here';
      this.mistake(
        [...path, key],
        `${shownPath([...path, key])} (${this.fileName}): unknown, expected ${known}`,
      );
    }
    return new Map(
      Object.entries(schema).map(([key, node]) => [key, this.#node(node, own(table, key), [...path, key])]),
    );
  }

  #node(node: ConfigSchema[string], file: unknown, path: readonly string[]): ConfigNode {
    if (isTable(node)) return this.#named(node, file, path);
    if (!isEntry(node)) return this.#section(node, file, path);
    const names = typeof node.env === 'string' ? [node.env] : (node.env ?? []);
    for (const name of names) {
      this.variables.set(name, path[0]!);
      this.handled.add(name);
    }
    const variable = names.find((name) => this.env.has(name));
    const id = `setting ${this.leaves.length}`;
    const leaf: Leaf = { id, path, entry: node, variable, file: file ?? undefined };
    this.leaves.push(leaf);
    return leaf;
  }

  #named({ each, env, known = [] }: ConfigTable, file: unknown, path: readonly string[]): ConfigNode {
    const table = this.#table(file, path);
    const defaults = Array.isArray(known) ? {} : (known as Record<string, Table>);
    const names = new Set([...(Array.isArray(known) ? known : Object.keys(known)), ...Object.keys(table)]);
    if (names.delete('')) {
      this.mistake(path, `${shownPath(path)} (${this.fileName}) has an entry named "": expected a name`);
    }
    const variables = env === undefined ? new Map() : this.#variables(env, each, names, path);
    if (env !== undefined) {
      for (const name of names)
        for (const key of Object.keys(each)) this.variables.set(variableOf(env, name, key), path[0]!);
    }
    const node = (name: string) => {
      const shape = entryShape(each, own(defaults, name) as Table | undefined, variables.get(name));
      return this.#section(shape, own(table, name), [...path, name]);
    };
    return new Map([...new Set([...names, ...variables.keys()])].map((name) => [name, node(name)]));
  }

  #variables(prefix: string, each: ConfigShape, names: Set<string>, path: readonly string[]): Variables {
    const found: Variables = new Map();
    const settings = Object.keys(each);
    for (const variable of this.env.keys()) {
      if (!variable.startsWith(`${prefix}__`)) continue;
      this.handled.add(variable);
      const rest = variable.slice(prefix.length + 2);
      const cut = rest.lastIndexOf('__');
      const setting = settings.find((key) => fold(key) === fold(rest.slice(cut + 2)));
      if (cut < 1 || setting === undefined) {
        const known = settings.map((key) => key.toUpperCase()).join(', ');
        this.mistake(path, `env ${variable}: unknown, expected ${prefix}__<NAME>__ and one of ${known}`);
        continue;
      }
      const name = rest.slice(0, cut);
      const meant = [...names].filter((candidate) => fold(candidate) === fold(name));
      if (meant.length > 1) {
        this.mistake(
          path,
          `env ${variable}: expected one entry of that name, got ${meant.map(withoutLogin).join(', ')}`,
        );
        continue;
      }
      const entry = meant[0] ?? name.toLowerCase();
      const other = found.get(entry)?.[setting];
      if (other !== undefined) this.mistake(path, `env ${variable}: ${other} sets the same already`);
      // Whatever comes later and reads the same but for its signs means this one.
      names.add(entry);
      found.set(entry, { ...found.get(entry), [setting]: variable });
    }
    return found;
  }

  #table(value: unknown, path: readonly string[]): Table {
    if (value === undefined || value === null) return {};
    if (typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date)) return value as Table;
    const kind = typeof value === 'object' ? show(value) : `a ${typeof value}`;
    this.mistake(path, `${shownPath(path) || 'the whole'} (${this.fileName}) is ${kind}: expected a table`);
    return {};
  }
}

function entryShape(
  each: ConfigShape,
  defaults: Table = {},
  variables: Record<string, string> = {},
): ConfigSchema {
  return Object.fromEntries(
    Object.entries(each).map(([key, entry]) => {
      const env = variables[key];
      return [
        key,
        { ...entry, default: own(defaults, key) ?? entry.default, ...(env !== undefined && { env }) },
      ];
    }),
  );
}

function own(table: Readonly<Table>, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function variableOf(prefix: string, entry: string, setting: string): string {
  return `${prefix}__${fold(entry)}__${fold(setting)}`.toUpperCase();
}

/** A key with dots between its parts, one of which may be an address by mistake. */
export function shownPath(path: readonly string[]): string {
  return path.map(withoutLogin).join('.');
}

/** What a variable can say of a name. */
export function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '_');
}
