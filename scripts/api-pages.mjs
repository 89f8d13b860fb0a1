// Writes the API reference, one page an entry point, to docs/api: `node scripts/api-pages.mjs [folder]`. It reads dist/.
//
// The text is that of the comments in the code. typedoc would do, but it refuses TypeScript 7.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bare, entryPoints } from './declarations.mjs';

const folder = process.argv[2] ?? join(import.meta.dirname, '../docs/api');

const entries = entryPoints();
const pageOf = (module) => `${module.replaceAll('/', '-')}.md`;

/** Where each exported name is described: its module, and the anchor, which differs where two names do by case only. */
const homes = new Map(
  entries.flatMap(({ module, own }) => {
    const before = [];
    return own.map(({ name }) => {
      const plain = name.toLowerCase();
      const same = before.filter((other) => other === plain).length;
      before.push(plain);
      return [name, { module, anchor: same === 0 ? plain : `${plain}-${same}` }];
    });
  }),
);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const entry of entries) writeFileSync(join(folder, pageOf(entry.module)), pageFor(entry));

function pageFor({ module, own, others }) {
  const link = (name) => {
    const home = homes.get(name);
    return `[\`${name}\`](${home.module === module ? '' : pageOf(home.module)}#${home.anchor})`;
  };
  const page = [`# ${module}`, '', 'Made from the comments in the code by `npm run docs`.', ''];
  page.push(
    `All pages: ${entries.map((entry) => `[\`${entry.module}\`](${pageOf(entry.module)})`).join(' · ')}`,
    '',
  );
  if (own.length > 0) page.push(own.map(({ name }) => link(name)).join(' · '), '');
  for (const [from, names] of others) page.push(`As in \`${from}\`: ${names.map(link).join(', ')}.`, '');
  for (const declared of own) page.push(...section(declared));
  return page.join('\n');
}

function section({ name, text, comment }) {
  const lines = [`## ${name}`, ''];
  if (comment) lines.push(...prose(comment), '');
  const { head, members } = membersOf(text);
  if (members.length === 0) return [...lines, '```typescript', bare(text).trimEnd(), '```', ''];
  lines.push('```typescript', `${head} { … }`, '```', '');
  for (const member of members) {
    const [first = '', ...others] = member.comment ? afterCode(prose(member.comment)) : [];
    lines.push(`- \`${member.text}\`${first && `: ${first}`}`, ...others.map((line) => line && `  ${line}`));
  }
  return [...lines, ''];
}

/** What stands between the outermost braces of a class, an interface or an object, with the comment of each. */
function membersOf(text) {
  const begin = /^(?:(?:abstract )?class|interface|const)\b[^{]*\{\n/.exec(text)?.[0];
  if (!begin) return { members: [] };
  const members = [];
  let comment = '';
  let lines = [];
  for (const line of text.slice(begin.length).split('\n')) {
    if (lines.length === 0 && /^ {4}(\/\*\*| \*)/.test(line)) {
      comment = line.startsWith('    /**') ? line : `${comment}\n${line}`;
      continue;
    }
    if (/^\}/.test(line)) break;
    lines.push(line);
    if (!/^ {4}\S.*[;,]$|^ {4}\}.*[;,]?$/.test(line) || /\{$/.test(line)) continue;
    const member = bare(lines.join('\n'))
      .replace(/\s+/g, ' ')
      .trim()
      .replace(/[;,]$/, '')
      .replace(/^((?:readonly )?\w+\?: .*) \| undefined$/, '$1');
    if (!/^(#|private|protected)/.test(member)) members.push({ text: member, comment });
    comment = '';
    lines = [];
  }
  return { head: begin.replace(/\s*\{\n$/, ''), members };
}

/** A list begins on a line of its own. */
function afterCode(lines) {
  return lines[0].startsWith('- ') ? ['', '', ...lines] : lines;
}

/** A doc comment as Markdown: examples become blocks, other tags become sentences. */
function prose(comment) {
  const text = comment
    .trim()
    .replace(/^\/\*\*\s?|\s*\*\/$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/\{@link (\w+(?:\.\w+)*)\}/g, '`$1`')
    // Not programs by themselves, as the snippets of the other pages are.
    .replace(/^```ts$/gm, '```typescript');
  const [description, ...tags] = `\n${text}`.split(
    /(?:^|\s)(?=@(?:throws|example|see|param|returns|default)\b)/m,
  );
  const lines = description.trim() ? [description.trim()] : [];
  for (const tag of tags) {
    const [, name, rest] = /^@(\w+)\s*(.*)$/s.exec(tag);
    const said = rest.trim();
    if (lines.length > 0) lines.push('');
    if (name === 'example') lines.push(/^```/m.test(said) ? said : `\`\`\`typescript\n${said}\n\`\`\``);
    else lines.push(`${name[0].toUpperCase()}${name.slice(1)} ${said}`);
  }
  return lines.join('\n').split('\n');
}
