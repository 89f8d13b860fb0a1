import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Stage } from './groups.js';
import { type Mutant, mutated } from './mutant.js';
import type { Failure } from './reporter.js';

const COPIED = [
  'src',
  'test',
  'examples',
  'package.json',
  'jest.config.js',
  'jest.unit.config.js',
  'tsconfig.json',
  'scripts',
  'docs',
];
const RELATED = ['--config', 'test/mutation/jest.config.js', '--passWithNoTests', '--findRelatedTests'];
const REPORTER = './simulator/test/mutation/reporter.js';
const JEST = ['--experimental-vm-modules', '--no-warnings', '../../node_modules/jest/bin/jest.js'];
// How often tests are run of which another one fails each time, and passes alone.
const RUNS = 3;

/** What noticed a mutant. */
export type Verdict = { readonly by: string; readonly what: string };

/** With the arguments of jest that show it: `again` where it is to be seen twice, `repeat` where that is done. */
interface Failed extends Verdict {
  readonly again?: readonly string[];
  readonly repeat?: readonly string[];
}

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly late: boolean;
}

/** In ms. */
export interface Limits {
  /** Of a test that has none of its own. */
  readonly testMs: number;
  /** Beyond this a mutant has ended nothing: it loops, or waits for ever. */
  readonly stageMs: number;
}

/** A copy of the project, inside its folder, whose files may be changed. */
export class Workspace {
  readonly #passed = new Set<string>();

  private constructor(
    readonly folder: string,
    readonly limits: Limits,
  ) {}

  static async create(limits: Limits): Promise<Workspace> {
    mkdirSync('build', { recursive: true });
    const workspace = new Workspace(mkdtempSync(join(process.cwd(), 'build/mutation-copy-')), limits);
    for (const each of COPIED) cpSync(each, join(workspace.folder, each), { recursive: true });
    const all = readdirSync(workspace.folder, { recursive: true }).map(String);
    // As tests expect it.
    mkdirSync(join(workspace.folder, 'build'));
    symlinkSync('../../node_modules', join(workspace.folder, 'node_modules'));
    await workspace.#compile(
      all.filter((file) => /^src\/.*\.ts$/.test(file)),
      'dist',
      'src',
    );
    const simulated = /^(src|test\/(sim|support|chaos|mutation))\/.*(?<!\.test)\.ts$/;
    await workspace.#compile(
      all.filter((file) => simulated.test(file)),
      'simulator',
      '.',
    );
    return workspace;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8');
  }

  /** Puts `text` there, also in what is generated of it; what is compiled of it stays. Answers what to compile. */
  put(file: string, text: string): string {
    writeFileSync(join(this.folder, file), text);
    const language = /\.(lua|sql)$/.exec(file)?.[1];
    if (!language) return file;
    execFileSync(process.execPath, [`scripts/generate-${language}.mjs`], { cwd: this.folder });
    return language === 'lua'
      ? 'src/drivers/redis/scripts.generated.ts'
      : 'src/drivers/postgres/sql.generated.ts';
  }

  async #write(file: string, text: string): Promise<void> {
    const source = this.put(file, text);
    await this.#compile([source], 'dist', 'src');
    await this.#compile([source], 'simulator', '.');
  }

  async #compile(files: readonly string[], outdir: string, outbase: string): Promise<void> {
    await build({
      absWorkingDir: this.folder,
      entryPoints: [...files],
      outdir,
      outbase,
      // For a browser, esbuild puts 'development' where the code reads NODE_ENV.
      platform: 'node',
      format: 'esm',
      target: 'es2022',
      logLevel: 'silent',
    });
  }

  /** What notices this mutant; undefined: nothing does. Rejects where that fails without the mutant, too. */
  async try(mutant: Mutant, stages: readonly Stage[]): Promise<Verdict | undefined> {
    const failure = await this.#failure(mutant, stages);
    if (failure?.repeat) await this.#mustPass(failure.repeat);
    return failure;
  }

  async #failure(mutant: Mutant, stages: readonly Stage[]): Promise<Failed | undefined> {
    const text = this.read(mutant.file);
    try {
      await this.#write(mutant.file, mutated(text, mutant));
      for (const stage of stages) {
        const failure = await this.#run(stage);
        if (failure) return failure;
      }
      return undefined;
    } finally {
      await this.#write(mutant.file, text);
    }
  }

  async #mustPass(which: readonly string[]): Promise<void> {
    const name = which.join(' ');
    if (this.#passed.has(name)) return;
    const failure = await this.#jest(which);
    // A busy machine fails a test now and then, and seldom the same one twice.
    if (failure && (failure.by === 'time-out' || (await this.#jest(which))))
      throw new Error(`this fails without any mutant: ${name}`);
    this.#passed.add(name);
  }

  async #run(stage: Stage): Promise<Failed | undefined> {
    if (stage.run === 'simulator') {
      const { first, last } = stage;
      const script = 'simulator/test/mutation/simulate.js';
      const { code, stdout, late } = await this.#node([script, String(first), String(last)]);
      if (code === 0) return undefined;
      return { by: late ? 'time-out' : 'simulator', what: stdout.trim() || 'the simulator itself fails' };
    }
    const which =
      stage.run === 'related'
        ? [...RELATED, stage.file]
        : [
            ...(stage.without ?? []).flatMap((path) => ['--testPathIgnorePatterns', path]),
            '--testPathPatterns',
            ...stage.paths,
          ];
    for (let runs = 1; ; runs++) {
      const failure = await this.#jest(which);
      if (!failure?.again) return failure;
      // A busy machine fails a test now and then; a mutant fails it again.
      if (await this.#jest(failure.again)) return { ...failure, repeat: failure.again };
      // The tests after it have not run.
      if (runs === RUNS) throw new Error(`the machine is too busy: ${failure.what} fails now and then`);
    }
  }

  async #jest(which: readonly string[]): Promise<Failed | undefined> {
    const told = join(this.folder, 'failure.json');
    rmSync(told, { force: true });
    const limit = ['--testTimeout', String(this.limits.testMs)];
    const args = ['--runInBand', '--bail', '--forceExit', ...limit, '--reporters', REPORTER, ...which];
    const { code, late } = await this.#node([...JEST, ...args]);
    if (late) return { by: 'time-out', what: which.join(' '), repeat: which };
    if (code === 0) return undefined;
    if (!existsSync(told)) return { by: 'tests', what: 'the tests end before their time', repeat: which };
    const failure = JSON.parse(readFileSync(told, 'utf8')) as Failure;
    const file = failure.file.slice(this.folder.length + 1);
    const [test, second] = failure.tests;
    const failed = { by: 'tests', what: `${file}: ${test ?? 'it does not load'}` };
    const alone = ['--testPathPatterns', file];
    if (!test || second) return { ...failed, repeat: alone };
    // A random test has another seed, and so another name, each time.
    const name = escaped(test).replace(/\bseed \d+/g, 'seed \\d+');
    return { ...failed, again: [...alone, '--testNamePattern', `^${name}$`] };
  }

  #node(args: readonly string[]): Promise<Ending> {
    return new Promise((resolve) => {
      // A group of its own, so that with it all that it started can be ended.
      const child = spawn(process.execPath, args, {
        cwd: this.folder,
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let stdout = '';
      let late = false;
      const end = () => {
        try {
          process.kill(-child.pid!, 'SIGKILL');
        } catch {}
      };
      const timer = setTimeout(() => {
        late = true;
        end();
      }, this.limits.stageMs);
      process.once('exit', end);
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        process.off('exit', end);
        end();
        resolve({ code, stdout, late });
      });
    });
  }
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
