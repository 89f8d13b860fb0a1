import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Not beside this file: the chaos program is compiled to another folder.
const SOURCE = 'test/support/clock/stepped.c';

/** Whether a server can be given such a clock here: on Linux, where there is a C compiler. */
export const canStepClocks = (): boolean =>
  process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

/** A time of day for the servers that are started with `env`: it can be stepped while they run. */
export class SteppedClock {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async make(): Promise<SteppedClock> {
    const clock = new SteppedClock(await mkdtemp(join(tmpdir(), 'latchkey-clock-')));
    // A server may run as another user.
    await chmod(clock.#dir, 0o755);
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', clock.#library, SOURCE, '-ldl']);
    if (status !== 0) throw new Error(`cc failed: ${stderr}`);
    await clock.step(0);
    return clock;
  }

  get env(): { LD_PRELOAD: string; CLOCK_STEP: string } {
    return { LD_PRELOAD: this.#library, CLOCK_STEP: this.#file };
  }

  /** From now on it is so many ms ahead; behind by a negative number. */
  async step(ms: number): Promise<void> {
    await writeFile(this.#file, `${Math.round(ms)}`);
  }

  async remove(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #library(): string {
    return join(this.#dir, 'clock.so');
  }

  get #file(): string {
    return join(this.#dir, 'step');
  }
}
