import convict from 'convict';
import { messageOf } from '../text/message-of.js';
import { readConfigFile } from './config-file.js';
import { type ConfigNode, ConfigTree, type Leaf, type Mistake, shownPath } from './config-tree.js';
import { formatOf } from './config-types.js';
import { AppError, ConfigError } from './errors.js';
import type { ConfigOwner, ConfigSchema } from './schema.js';
import { show } from './show.js';

/** A key with dots between its parts, or the parts themselves where one has a dot in it. */
export type ConfigPath = string | readonly string[];

/** The settings of an app, checked. */
export class Config {
  readonly #root: ConfigNode;

  /** @internal */
  constructor(root: ConfigNode) {
    this.#root = root;
  }

  /** The variable that sets it; `undefined` if the file or a default sets it, or if it is not a setting. */
  variable(path: ConfigPath): string | undefined {
    const node = this.#find(path);
    return node instanceof Map ? undefined : node?.variable;
  }

  /** Whether it is a setting that the file sets; a variable may override that. */
  isInFile(path: ConfigPath): boolean {
    const node = this.#find(path);
    return node !== undefined && !(node instanceof Map) && node.file !== undefined;
  }

  /**
   * A setting, or a whole section or table as an object without its unset settings. `undefined` for an unset setting,
   * and for a path that no schema has.
   */
  get<T = unknown>(path: ConfigPath): T | undefined {
    const node = this.#find(path);
    return node && (plain(node) as T | undefined);
  }

  /** Whether {@link get} gives anything but `undefined`. */
  has(path: ConfigPath): boolean {
    return this.get(path) !== undefined;
  }

  #find(path: ConfigPath): ConfigNode | undefined {
    let node: ConfigNode | undefined = this.#root;
    for (const key of typeof path === 'string' ? path.split('.') : path) {
      node = node instanceof Map ? node.get(key) : undefined;
    }
    return node;
  }
}

interface ConfigSources {
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly others?: 'refuse' | 'ignore';
}

/**
 * The settings of all owners: defaults, over them the file (none when `file` is undefined), over it the environment.
 * A variable that is empty is unset. Of each setting only the value that wins is checked. With `others: 'ignore'` the file
 * may have sections that nobody here owns.
 * @throws ConfigError, or what the owner makes of it when all mistakes are one owner's: every mistake in one message.
 * @throws AppError `APP_USAGE` when two owners have a top-level key in common.
 */
export async function loadConfig(
  owners: readonly ConfigOwner[],
  { file, env, others = 'refuse' }: ConfigSources,
): Promise<Config> {
  const sections = ownersByKey(owners);
  const schema: ConfigSchema = Object.assign({}, ...owners.map((owner) => owner.config));
  const inFile = file === undefined ? {} : await readConfigFile(file);
  const said = others === 'ignore' ? sectionsOf(inFile, schema) : inFile;
  const variables = new Map(Object.entries(env).filter((pair): pair is [string, string] => Boolean(pair[1])));
  const tree = new ConfigTree(schema, said, `file ${file}`, variables);
  layer(tree, `file ${file}`, variables);
  for (const owner of owners) checkVariables(tree, owner, variables);
  if (tree.mistakes.length > 0) throw configError(tree.mistakes, sections);
  return new Config(tree.root);
}

/**
 * Each value is given to convict in an array, with its source: the source is for messages, and inside an array
 * convict leaves it as it is. It would read the text `10s` as 10 where the default is a number, and break on
 * tables. The settings stand side by side in one level, for an entry named `default` would end convict's descent.
 */
function layer(tree: ConfigTree, file: string, variables: ReadonlyMap<string, string>): void {
  const schema = tree.leaves.map((leaf) => {
    const format = ([value, source]: [unknown, string]) => accept(tree, leaf, value, source);
    return [leaf.id, { default: [leaf.entry.default, 'in code'], format, env: leaf.variable }];
  });
  const said = tree.leaves
    .filter((leaf) => leaf.file !== undefined)
    .map((leaf) => [leaf.id, [leaf.file, file]]);
  const env = Object.fromEntries([...variables].map(([name, text]) => [name, [text, `env ${name}`]]));
  convict<Record<string, unknown>>(Object.fromEntries(schema), { env: env as never, args: [] })
    .load(Object.fromEntries(said))
    .validate({ allowed: 'strict' });
}

function accept(tree: ConfigTree, leaf: Leaf, value: unknown, source: string): void {
  if (value === undefined || value === null) return;
  const { sensitive } = leaf.entry;
  const { format, parse, expected } = formatOf(leaf.entry);
  try {
    leaf.value = parse && source === `env ${leaf.variable}` ? parse(value as string) : value;
    if (typeof format === 'function') format(leaf.value);
    else if (!format.includes(leaf.value)) throw new Error(`expected one of ${format.map(show).join(', ')}`);
  } catch (error) {
    const why = sensitive ? 'not accepted' : messageOf(error);
    const shown = sensitive ? 'not shown here' : show(value);
    const wanted = expected === undefined ? why : `expected ${expected}`;
    tree.mistake(leaf.path, `${shownPath(leaf.path)} (${source}) is ${shown}: ${wanted}`);
  }
}

/** Asks the owner about the variables that no setting reads. */
function checkVariables(tree: ConfigTree, owner: ConfigOwner, env: ReadonlyMap<string, string>): void {
  const sections = Object.keys(owner.config ?? {});
  const known = [...tree.variables].filter(([, section]) => sections.includes(section)).map(([name]) => name);
  for (const variable of env.keys()) {
    const mistake = tree.handled.has(variable) ? undefined : owner.checkVariable?.(variable, known);
    if (mistake !== undefined)
      tree.mistakes.push({ section: sections[0], text: `env ${variable}: ${mistake}` });
  }
}

function sectionsOf(file: unknown, schema: ConfigSchema): unknown {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return file;
  return Object.fromEntries(Object.entries(file).filter(([key]) => Object.hasOwn(schema, key)));
}

function plain(node: ConfigNode): unknown {
  if (!(node instanceof Map)) return node.value;
  const entries = [...node].map(([key, child]) => [key, plain(child)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function ownersByKey(owners: readonly ConfigOwner[]): Map<string, ConfigOwner> {
  const sections = new Map<string, ConfigOwner>();
  for (const owner of owners) {
    for (const key of Object.keys(owner.config ?? {})) {
      const other = sections.get(key);
      if (other) {
        throw new AppError(
          'APP_USAGE',
          `the setting "${key}" is both of provider "${other.name}" and "${owner.name}"`,
        );
      }
      sections.set(key, owner);
    }
  }
  return sections;
}

function configError(mistakes: readonly Mistake[], sections: Map<string, ConfigOwner>): Error {
  const texts = mistakes.map(({ text }) => text);
  const message =
    texts.length === 1
      ? texts[0]!
      : `${texts.length} mistakes\n${texts.map((text) => `- ${text}`).join('\n')}`;
  const [owner, ...others] = new Set(mistakes.map(({ section }) => sections.get(section ?? '')));
  const own = others.length === 0 && owner?.configError?.(message);
  return own || new ConfigError(message, texts);
}
