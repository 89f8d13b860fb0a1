/**
 * One leader of three processes. The leader is killed: the next leads when its ttl is over. It is told to stop: it puts
 * its work away, and hands over at once. It is paused beyond its ttl: another one leads, and when it wakes up it knows so
 * before it does anything, and waits for its own work to end before it leads again.
 *
 *     LOCK_PROVIDER=redis node build/examples/12-leader.js
 *     LOCK_PROVIDER=postgres DATABASE_URL=postgres://… node build/examples/12-leader.js
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, type Lease, LockClosedError, lock, lockProvider } from 'latchkey';

const TTL_MS = 1_000;

/** The leader's work: it looks whether it still leads before each step. */
async function work(name: string, lease: Lease): Promise<void> {
  process.send?.({ leads: name });
  while (lease.held && !lease.signal.aborted) await sleep(10); // a step
  await sleep(20); // puts its work away
  process.send?.({ ended: name });
}

async function candidate(name: string): Promise<void> {
  // SIGTERM stops the app: the leader is told by lease.signal, and has its grace.
  await createApp({ signals: true }).install(lockProvider).start();
  process.send?.({ started: name });
  await lock
    .L()
    .lead('scheduler', (lease) => work(name, lease), { ttl: TTL_MS })
    .catch((error) => {
      if (!(error instanceof LockClosedError)) throw error;
    });
}

interface News {
  readonly leads?: string;
  readonly ended?: string;
}

class Cluster {
  readonly #processes = new Map<string, ChildProcess>();
  #tell: (news: News) => void = () => {};

  /** Resolves when it has started, and is about to join the queue. */
  async start(...names: string[]): Promise<void> {
    const children = names.map((name) => {
      const child = fork(import.meta.filename, [name]);
      child.on('message', (news: News) => this.#tell(news));
      this.#processes.set(name, child);
      return once(child, 'message');
    });
    await Promise.all(children);
  }

  process(name: string): ChildProcess {
    return this.#processes.get(name)!;
  }

  /** The next who leads, or whose work has ended. */
  next(what: 'leads' | 'ended'): Promise<string> {
    return new Promise((resolve) => {
      this.#tell = (news) => {
        if (news[what]) resolve(news[what]);
      };
    });
  }

  /** Does something to the leader, and says who leads then. */
  async change(what: string, act: () => unknown): Promise<string> {
    const began = performance.now();
    const [leader] = await Promise.all([this.next('leads'), act()]);
    console.log(`${what}: ${leader} leads after ${Math.round(performance.now() - began)} ms`);
    return leader;
  }

  async stop(): Promise<void> {
    const left = [...this.#processes.values()].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const ended = left.map((child) => once(child, 'exit'));
    for (const child of left) child.kill('SIGTERM');
    await Promise.all(ended);
  }
}

async function parent(): Promise<void> {
  if (!['redis', 'postgres'].includes(process.env.LOCK_PROVIDER ?? '')) {
    console.log('Processes share no memory: run this with LOCK_PROVIDER=redis or postgres.');
    process.exitCode = 1;
    return;
  }
  const cluster = new Cluster();
  const first = await cluster.change('A, B and C start', () => cluster.start('A', 'B', 'C'));
  await sleep(1_000); // the others are in the queue

  const second = await cluster.change(`kill -9 ${first}`, () => cluster.process(first).kill('SIGKILL'));
  await cluster.start('D');
  await sleep(1_000);

  const third = await cluster.change(`SIGTERM to ${second}`, () => cluster.process(second).kill('SIGTERM'));

  const paused = cluster.process(third);
  await cluster.change(`SIGSTOP to ${third}`, () => paused.kill('SIGSTOP'));
  await sleep(TTL_MS);
  const ended = cluster.next('ended');
  paused.kill('SIGCONT');
  console.log(`SIGCONT to ${third}: the work of ${await ended} ends, for it leads no more`);
  await cluster.stop();
}

const [name] = process.argv.slice(2);
if (name) await candidate(name);
else await parent();
