// Writes the public API, one page an entry point, to etc/api: `node scripts/api-report.mjs [folder]`. It reads dist/.
//
// A page has the declaration of every name that the entry point exports, and of what these refer to, without comments.
// What another entry point exports already is named only.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bare, entryPoints } from './declarations.mjs';

const folder = process.argv[2] ?? join(import.meta.dirname, '../etc/api');

const block = (declared) => [
  '```ts',
  declared.map(({ text }) => bare(text).trimEnd()).join('\n\n'),
  '```',
  '',
];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const { module, own, others, inner } of entryPoints()) {
  const page = [`# ${module}`, ''];
  for (const [from, list] of others)
    page.push(`As in \`${from}\`: ${list.map((name) => `\`${name}\``).join(', ')}.`, '');
  if (own.length > 0) page.push(...block(own));
  if (inner.length > 0) page.push('## Not exported', '', ...block(inner));
  writeFileSync(join(folder, `${module.replaceAll('/', '-')}.md`), page.join('\n'));
}
