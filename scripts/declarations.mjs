// Reads the public API from the `.d.ts` files of dist/.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const STATEMENT = '(?:export|import|declare|type|interface)\\b';
const COMMENT = '/\\*\\*(?:(?!\\*/).)*\\*/\\s*';
/** Where a statement begins, and where its comment does: unions have comments too. */
const BEGIN = new RegExp(`^(?=${COMMENT}${STATEMENT}|${STATEMENT})`, 'ms');
const files = new Map();

/** The statements of a `.d.ts` file: what each declares, what it imports, and what it exports. */
function parse(path) {
  if (files.has(path)) return files.get(path);
  const text = readFileSync(path, 'utf8').replace(/^\/\/.*$/gm, '');
  const file = { declared: new Map(), imported: new Map(), exported: new Map() };
  files.set(path, file);
  for (const part of text.split(BEGIN)) {
    if (part.startsWith('/**')) file.comment = part;
    else {
      addStatement(file, path, part.replace(/^\s*\n/gm, ''));
      file.comment = undefined;
    }
  }
  return file;
}

function addStatement(file, path, statement) {
  const list = /^(import|export)\s+(?:type\s+)?\{(.*?)\}(?:\s*from\s*'(.*?)')?/s.exec(statement);
  if (list) addNames(file, path, list);
  else if (/^export \*/.test(statement)) throw new Error(`${path}: export names, not *`);
  else addDeclaration(file, path, statement);
}

function addNames(file, path, [, keyword, names, from]) {
  for (const part of names.split(',').map((name) => name.trim().replace(/^type /, ''))) {
    if (part === '') continue;
    const [name, alias = name] = part.split(' as ');
    const target = from?.startsWith('.') ? join(dirname(path), from.replace(/\.js$/, '.d.ts')) : undefined;
    if (keyword === 'import') file.imported.set(alias, { path: target, name });
    else file.exported.set(alias, { path: target ?? path, name });
  }
}

function addDeclaration(file, path, statement) {
  const name = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+)/.exec(
    statement,
  )?.[1];
  if (!name) return;
  const text = statement
    .replace(/^export /, '')
    .replace(/^declare /, '')
    .trimEnd();
  const before = file.declared.get(name);
  file.declared.set(name, {
    text: before ? `${before.text}\n${text}` : text,
    comment: before?.comment ?? file.comment,
  });
  if (statement.startsWith('export ')) file.exported.set(name, { path, name });
}

/** Where a name is declared. */
function find({ path, name }) {
  const { declared, exported, imported } = parse(path);
  if (declared.has(name)) return { path, name };
  const from = imported.get(name) ?? exported.get(name);
  if (!from?.path || (from.path === path && from.name === name))
    throw new Error(`${path}: where is ${name} declared?`);
  return find(from);
}

/** What a declaration refers to, of ours. */
function references({ path, name }) {
  const { declared, imported } = parse(path);
  const words = new Set(bare(textOf({ path, name })).match(/\b[A-Za-z_]\w*\b(?!\??:)/g));
  return [...words].flatMap((word) => {
    if (word !== name && declared.has(word)) return [{ path, name: word }];
    const from = imported.get(word);
    return from?.path ? [find(from)] : [];
  });
}

const id = ({ path, name }) => `${path} ${name}`;
const textOf = ({ path, name }) => parse(path).declared.get(name).text;

/** A declaration without comments. */
export function bare(text) {
  return text.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\n/gm, '');
}

/**
 * Each entry point with types: its `module`, what it exports itself (`own`), what it takes `others` from, by module, and
 * what these refer to and nobody exports (`inner`). A declaration has `name`, `text` and `comment`.
 */
export function entryPoints() {
  const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // The smallest first, so that the others refer to it.
  const ORDER = ['./mutex', './locks', '.'];
  const rank = (entry) => (ORDER.includes(entry) ? ORDER.indexOf(entry) : ORDER.length);
  const withTypes = Object.keys(entries).filter((entry) => entries[entry].types);
  const seen = new Map();
  return withTypes
    .sort((a, b) => rank(a) - rank(b))
    .map((entry) => read(join('latchkey', entry), join(root, entries[entry].types), seen));
}

function read(module, path, seen) {
  const names = [...parse(path).exported].sort(([a], [b]) => (a < b ? -1 : 1));
  const own = [];
  const others = new Map();
  for (const [name, target] of names) {
    const declared = find(target);
    const elsewhere = seen.get(id(declared));
    if (elsewhere) others.set(elsewhere, [...(others.get(elsewhere) ?? []), name]);
    else own.push(declared);
  }
  for (const declared of own) seen.set(id(declared), module);
  const inner = [];
  for (const declared of own) visit(declared, inner, seen);
  const whole = (declared) => ({ name: declared.name, ...parse(declared.path).declared.get(declared.name) });
  return { module, own: own.map(whole), others, inner: inner.map(whole) };
}

/** Adds what is referred to, and not exported by any entry point so far. */
function visit(declared, inner, seen) {
  for (const next of references(declared)) {
    if (seen.has(id(next)) || inner.some((known) => id(known) === id(next))) continue;
    inner.push(next);
    visit(next, inner, seen);
  }
}
