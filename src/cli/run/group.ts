import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, type Timer } from '../../core/clock.js';
import { isLiving } from './living.js';
import { now } from './protocol.js';

// How long before the lease ends the group is killed, and before that told to end; in ms.
const KILL_MS = 500;
const TERM_MS = 5_000;
// Of the time left, where that is short.
const KILL_SHARE = 1 / 4;
// How long what the command left behind may take to end.
const LEFT_BEHIND_MS = 2_000;
const KILLED_MS = 200;
const LOOK_MS = 20;

/** A command in a process group of its own, which ends before its lease does. */
export class Group {
  readonly #child: ChildProcess;
  readonly #ttl: number;
  #until: number;
  #late = false;
  #killAt = Infinity;
  #spare = 0;
  #timer: Timer | undefined;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, until: number) {
    this.#until = until;
    this.#ttl = until - now();
    this.#child = spawn(command, args, { detached: true, stdio: ['inherit', 'inherit', 'inherit'], env });
    this.#watch();
  }

  /** The number of the group; undefined where the command could not be started. */
  get id(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it was ended because its lease was not renewed in time. */
  get late(): boolean {
    return this.#late;
  }

  /** Resolves when the command has ended. @throws what kept it from starting */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return new Promise((resolve, reject) => {
      this.#child.once('error', (error) => {
        this.#timer?.cancel();
        if (this.id === undefined) reject(error);
      });
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Resolves when nothing is left of the group: what the command left behind is told to end, and then killed. */
  async gone(): Promise<void> {
    if (this.#killAt === Infinity) this.end(Math.min(this.#until, now() + LEFT_BEHIND_MS));
    while (isLiving(this.id!) && now() < this.#killAt + KILLED_MS) await sleep(LOOK_MS);
    this.#timer?.cancel();
  }

  renewed(until: number): void {
    if (this.#killAt < Infinity) return;
    this.#until = until;
    this.#watch();
  }

  /** Tells the group to end, and kills it before `until`. */
  end(until: number): void {
    if (this.#killAt === Infinity) {
      this.signal('SIGTERM');
      this.#spare = Math.min(KILL_MS, (until - now()) * KILL_SHARE);
    }
    this.#killAt = Math.min(this.#killAt, until - this.#spare);
    this.#at(this.#killAt, () => this.signal('SIGKILL'));
  }

  signal(signal: NodeJS.Signals): void {
    if (this.id === undefined) return;
    try {
      process.kill(-this.id, signal);
    } catch {
      // Nothing is left of the group, or what is left runs as somebody else.
    }
  }

  /** Whoever renews the lease may be stopped, or too busy to tell that it could not. */
  #watch(): void {
    this.#at(this.#until - Math.min(TERM_MS, this.#ttl / 4), () => {
      this.#late = true;
      this.end(this.#until);
    });
  }

  #at(time: number, act: () => void): void {
    this.#timer?.cancel();
    this.#timer = systemClock.after(Math.max(0, time - now()), act);
  }
}
