import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { dieWithUs, exitOf } from '../support/orphans.js';
import { sleep } from '../support/wait.js';
import type { Order, Report } from './link.js';
import type { FencedResource } from './resource.js';
import type { Dial, WorkerSetting } from './setting.js';

// How long a worker may take to end by itself once it has closed its locks.
const EXIT_MS = 5_000;

interface Member {
  readonly name: string;
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
  stderr: string;
  killed: boolean;
}

/** The workers of a run, which reach the resource through us. */
export class Crew {
  readonly journals: string[] = [];
  /** Workers that ended otherwise than by us or by themselves at the end, in words. */
  readonly faults: string[] = [];
  readonly #members: Member[] = [];
  #started = 0;

  constructor(
    readonly size: number,
    readonly seed: number,
    readonly dial: Dial,
    readonly dir: string,
    readonly resource: FencedResource,
  ) {}

  async start(): Promise<void> {
    for (let i = 0; i < this.size; i++) this.#members.push(this.#spawn(i));
    await Promise.all(this.#members.map(({ ready }) => ready));
  }

  /** SIGKILL; another one takes its place. */
  async kill(index: number): Promise<void> {
    const member = this.#members[index]!;
    member.killed = true;
    member.child.kill('SIGKILL');
    await exitOf(member.child);
    this.#members[index] = this.#spawn(index);
    await this.#members[index]!.ready;
  }

  /** SIGSTOP for `ms`. */
  async pause(index: number, ms: number): Promise<void> {
    const { child } = this.#members[index]!;
    child.kill('SIGSTOP');
    await sleep(ms);
    child.kill('SIGCONT');
  }

  /** Has it block its event loop for `ms`, when it has just seen that it holds a lock. */
  block(index: number, ms: number): void {
    this.#order(this.#members[index]!.child, { do: 'block', ms });
  }

  /** Has all workers finish, and see whether the locks can be had; resolves when they have ended, or had to be killed. */
  async stop(): Promise<void> {
    for (const { child } of this.#members) this.#order(child, { do: 'stop' });
    await Promise.all(
      this.#members.map(async (member) => {
        const { child, name, done } = member;
        const closed = await Promise.race([done.then(() => true), exitOf(child), sleep(45_000)]);
        if (!closed && child.exitCode === null && child.signalCode === null)
          this.faults.push(`${name} did not finish`);
        const ended = await Promise.race([exitOf(child).then(() => true), sleep(EXIT_MS)]);
        if (ended) return;
        this.faults.push(`${name} did not end by itself`);
        member.killed = true;
        child.kill('SIGKILL');
        await exitOf(child);
      }),
    );
  }

  #spawn(index: number): Member {
    const name = `w${index}.${this.#started++}`;
    const journal = join(this.dir, `${name}.jsonl`);
    this.journals.push(journal);
    const seed = this.seed * 1_000 + this.#started;
    const renewIn = index % 2 === 1 ? 'thread' : 'main';
    const setting: WorkerSetting = { name, seed, renewIn, dial: this.dial, journal };
    const child = fork(join(import.meta.dirname, 'worker.js'), [JSON.stringify(setting)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    dieWithUs(child);
    let ready = () => {};
    let done = () => {};
    const member: Member = {
      name,
      child,
      ready: new Promise((resolve) => {
        ready = resolve;
      }),
      done: new Promise((resolve) => {
        done = resolve;
      }),
      stderr: '',
      killed: false,
    };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      member.stderr += text;
    });
    child.on('message', (report: Report) => {
      if ('access' in report)
        this.#order(child, { do: 'answer', id: report.id, answer: this.resource.access(report.access) });
      else if ('ready' in report) ready();
      else done();
    });
    child.once('exit', (code, signal) => {
      ready();
      if (!member.killed && code !== 0) this.faults.push(`${name} died: ${signal ?? code} ${member.stderr}`);
    });
    return member;
  }

  #order(child: ChildProcess, order: Order): void {
    // It may be dead, or stopped for good: then nobody needs the answer.
    if (child.connected) child.send(order, () => {});
  }
}
