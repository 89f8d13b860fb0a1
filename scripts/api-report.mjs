// Writes the public API, one page an entry point, to etc/api: `node scripts/api-report.mjs [folder]`. It reads dist/.
//
// A page has the declaration of every name that the entry point exports, and of what these refer to, without comments.
// What another entry point exports already is named only.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = process.argv[2] ?? join(root, 'etc/api');

const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const files = new Map();

/** The statements of a `.d.ts` file: what each declares, what it imports, and what it exports. */
function parse(path) {
  if (files.has(path)) return files.get(path);
  const text = readFileSync(path, 'utf8')
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/^\/\/.*$/gm, '')
    .replace(/^\s*\n/gm, '');
  const file = { declared: new Map(), imported: new Map(), exported: new Map() };
  files.set(path, file);
  for (const statement of text.split(/^(?=(?:export|import|declare|type|interface)\b)/m)) {
    const list = /^(import|export)\s+(?:type\s+)?\{(.*?)\}(?:\s*from\s*'(.*?)')?/s.exec(statement);
    if (list) addNames(file, path, list);
    else if (/^export \*/.test(statement)) throw new Error(`${path}: export names, not *`);
    else addDeclaration(file, path, statement);
  }
  return file;
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
  file.declared.set(name, before ? `${before}\n${text}` : text);
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
  const words = new Set(declared.get(name)?.match(/\b[A-Za-z_]\w*\b(?!\??:)/g));
  return [...words].flatMap((word) => {
    if (word !== name && declared.has(word)) return [{ path, name: word }];
    const from = imported.get(word);
    return from?.path ? [find(from)] : [];
  });
}

const id = ({ path, name }) => `${path} ${name}`;
const block = (texts) => ['```ts', texts.join('\n\n'), '```', ''];

const seen = new Map();
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

// The smallest first, so that the others refer to it.
const ORDER = ['./mutex', './locks', '.'];
const rank = (entry) => (ORDER.includes(entry) ? ORDER.indexOf(entry) : ORDER.length);
const withTypes = Object.keys(entries).filter((entry) => entries[entry].types);
for (const entry of withTypes.sort((a, b) => rank(a) - rank(b))) {
  const module = join('latchkey', entry);
  const path = join(root, entries[entry].types);
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
  for (const declared of [...own]) visit(declared, inner);
  const page = [`# ${module}`, ''];
  for (const [from, list] of others)
    page.push(`As in \`${from}\`: ${list.map((name) => `\`${name}\``).join(', ')}.`, '');
  const text = (declared) => parse(declared.path).declared.get(declared.name);
  if (own.length > 0) page.push(...block(own.map(text)));
  if (inner.length > 0) page.push('## Not exported', '', ...block(inner.map(text)));
  writeFileSync(join(folder, `${module.replaceAll('/', '-')}.md`), page.join('\n'));
}

/** Adds what is referred to, and not exported by any entry point so far. */
function visit(declared, inner) {
  for (const next of references(declared)) {
    if (seen.has(id(next)) || inner.some((known) => id(known) === id(next))) continue;
    inner.push(next);
    visit(next, inner);
  }
}
