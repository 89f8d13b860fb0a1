// Makes src/drivers/redis/scripts.generated.ts of src/drivers/redis/lua/*.lua; with --check, fails where it is not fresh.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const folder = 'src/drivers/redis/lua';
const target = 'src/drivers/redis/scripts.generated.ts';

const read = (path) => readFileSync(`${folder}/${path}`, 'utf8');

/** The script with its includes in place, without comments and indentation. */
const assemble = (text) =>
  text
    .replace(/^--include (\w+)$/gm, (_, name) => read(`lib/${name}.lua`))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('--'))
    .join('\n');

const scripts = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .sort()
  .map((file) => {
    const lua = assemble(read(file));
    const sha = createHash('sha1').update(lua).digest('hex');
    const name = basename(file, '.lua').toUpperCase().replaceAll('-', '_');
    return `export const ${name}: Script = {\n  sha: '${sha}',\n  lua: ${JSON.stringify(lua)},\n};\n`;
  });

const generated = `// Generated of lua/*.lua by scripts/generate-lua.mjs.

/** A Lua script, and the name that Redis keeps it by. */
export interface Script {
  readonly sha: string;
  readonly lua: string;
}

${scripts.join('\n')}`;

if (!process.argv.includes('--check')) writeFileSync(target, generated);
else if (readFileSync(target, 'utf8') !== generated) {
  console.error(`${target} is not fresh: run node scripts/generate-lua.mjs`);
  process.exitCode = 1;
}
