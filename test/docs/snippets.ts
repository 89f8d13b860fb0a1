import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dieWithUs } from '../support/orphans.js';
import { type Document, fences, root } from './documents.js';

/** A program in a page. */
export interface Snippet {
  /** Such as `docs/recipes.md:12`. */
  readonly at: string;
  readonly document: string;
  /** Its lines stand where they stand in the page, so that errors name the page's lines. */
  readonly code: string;
}

/** Undefined: all is well. */
export type Verdict = string | undefined;

const LIMIT_MS = 30_000;
const AT_ONCE = 4;

/** The programs of a page; one that continues another is the same program. */
export function snippets(document: Document): Snippet[] {
  const found: Snippet[] = [];
  for (const { language, line, code, continues } of fences(document)) {
    if (language !== 'ts') continue;
    const before = continues ? found.pop() : undefined;
    if (continues && !before) throw new Error(`${document.path}:${line} continues nothing`);
    const above = before?.code ?? '';
    const padding = '\n'.repeat(line - above.split('\n').length);
    found.push({
      at: before?.at ?? `${document.path}:${line}`,
      document: document.path,
      code: above + padding + code,
    });
  }
  return found;
}

/**
 * Type-checks every program and runs each in a process of its own, where `latchkey` is the package built in `dist/`. A
 * comment behind a `console.log` is what it prints.
 *
 * A `toml` block that begins with a comment such as `# app.toml` is a file in the folder its page's programs run in.
 */
export async function tryAll(
  name: string,
  documents: readonly Document[],
  env: Record<string, string>,
): Promise<Map<string, Verdict>> {
  const folder = join(root, 'build', name);
  await rm(folder, { recursive: true, force: true });
  const all = documents.flatMap(snippets).map((snippet) => ({ ...snippet, file: fileOf(snippet) }));
  await writeAll(
    folder,
    all.map(({ file, code }) => [`${file}.ts`, `${code}\nexport {};\n`]),
  );
  await writeAll(folder, [['tsconfig.json', JSON.stringify(TSCONFIG)]]);
  for (const document of documents) await writeAll(workFolder(folder, document.path), files(document));

  const compiled = await run(
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'],
    { cwd: folder, env },
  );
  const judge = async ({ file, document, code }: (typeof all)[number]): Promise<Verdict> => {
    const mistakes = compiled.output.split('\n').filter((text) => text.startsWith(`${file}.ts(`));
    if (mistakes.length > 0) return mistakes.join('\n');
    const cwd = workFolder(folder, document);
    const { output, ended } = await run([join(folder, 'out', `${file}.js`)], { cwd, env });
    if (ended !== '0') return `ended ${ended}: ${output}`;
    const unsaid = promised(code).find((line) => !line.test(output));
    return unsaid && `expected it to print ${unsaid}, got: ${output}`;
  };
  const verdicts = new Map<string, Verdict>();
  const queue = [...all];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) verdicts.set(next.at, await judge(next));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return verdicts;
}

/** The comments behind each `console.log`: what it prints, with … for anything. */
function promised(code: string): RegExp[] {
  return [...code.matchAll(/console\.log\(.*\);? \/\/ (.+)$/gm)].map(([, line]) => {
    const parts = line!.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`, 'm');
  });
}

const TSCONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    noEmitOnError: false,
  },
  include: ['*.ts'],
};

const fileOf = ({ at }: Snippet) => at.replace(/\.md:/, '-').replace(/[^\w-]/g, '-');
const workFolder = (folder: string, path: string) => join(folder, 'work', path.replace(/\W/g, '-'));

function files(document: Document): [string, string][] {
  const toml = fences(document).filter(({ language }) => language === 'toml');
  return toml.flatMap(({ code }) => {
    const [, file] = /^# ([\w.-]+\.toml)\n/.exec(code) ?? [];
    return file ? [[file, code] as [string, string]] : [];
  });
}

async function writeAll(folder: string, files: readonly (readonly [string, string])[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, text] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
}

function run(
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Record<string, string> },
): Promise<{ output: string; ended: string }> {
  const clean = Object.entries(process.env).filter(([name]) => !/^(LOCK_|REDIS_URL|NODE_OPTIONS)/.test(name));
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  dieWithUs(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ output, ended: `${signal ?? code}` })),
  );
}
