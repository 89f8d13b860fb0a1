// Writes src/drivers/postgres/sql.generated.ts from src/drivers/postgres/sql/*.sql. `--check` fails if it is not up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../src/drivers/postgres');
const target = join(folder, 'sql.generated.ts');

const files = readdirSync(join(folder, 'sql'))
  .filter((name) => name.endsWith('.sql'))
  .sort();
const source = (name) => readFileSync(join(folder, 'sql', name), 'utf8').trimEnd();
// A raw template: what SQL holds of backquotes or `${` would end it.
const literal = (text) => {
  if (/[`\\]|\$\{/.test(text)) throw new Error('SQL with a backquote, a backslash or ${ is not supported');
  return `\`${text}\``;
};
const functions = files
  .filter((name) => name !== 'tables.sql')
  .map((name) => `  ${literal(source(name))},\n`);

const generated = `// Generated from sql/*.sql by scripts/generate-sql.mjs. Do not edit.

export const TABLES = ${literal(source('tables.sql'))};

export const FUNCTIONS: readonly string[] = [
${functions.join('')}];
`;

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== generated) {
    console.error('src/drivers/postgres/sql.generated.ts is not up to date: node scripts/generate-sql.mjs');
    process.exit(1);
  }
} else {
  writeFileSync(target, generated);
}
