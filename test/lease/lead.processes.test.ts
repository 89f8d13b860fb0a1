import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { BACKENDS, type Backend, machineNow, startBackend, WORKER } from '../support/backends.js';
import { type Message, runSource, type Worker } from '../support/process.js';
import { sleep, until } from '../support/wait.js';

const TIDY_MS = 200;
// The machine may be busy: of several changes of leaders most are bounded closely, and the others by this.
const BUSY_MS = 10_000;

/**
 * Leads, and looks every 5 ms whether it holds. It says when it is in the queue or leads, when it leads, what it found in its
 * first statement after it was stopped, and when its work is over, which takes 200 ms of tidying.
 */
const leader = (key: string, ttl: number) => `${WORKER}
  const term = async (lease) => {
    send({ leads: lease.fence, at: machineNow() });
    for (let last = machineNow(); !lease.signal.aborted; last = machineNow()) {
      await sleep(5);
      const { held } = lease;
      if (machineNow() - last > ${ttl}) send({ woke: true, held });
    }
    const stops = lease.signal.reason.code === 'LOCK_CLOSED';
    if (!stops) await sleep(${TIDY_MS});
    send({ over: lease.fence, at: machineNow() });
  };
  const leading = locker.lead('${key}', term, { ttl: ${ttl} }).catch((error) => send({ ended: error.code }));
  const isOurs = ({ meta }) => meta.pid === String(process.pid);
  for (let known = false; !known; await sleep(50)) {
    const info = await locker.inspect('${key}');
    known = [...(info?.holders ?? []), ...(info?.waiting ?? [])].some(isOurs);
  }
  send({ known: true });
  await leading;
`;

/** The processes that want to lead, under a key of their own. */
class Crew {
  readonly workers: Worker[] = [];
  readonly #key = randomUUID();

  constructor(
    readonly backend: Backend,
    readonly ttl: number,
  ) {}

  /** Resolves when it leads, or is in the queue. */
  async add(): Promise<Worker> {
    const worker = runSource(leader(this.#key, this.ttl), this.backend.env);
    this.workers.push(worker);
    await worker.waitFor(({ known }) => known === true);
    return worker;
  }

  /** When the next after `fence` led, who it was, and under which fence. */
  next(fence: number): Promise<{ worker: Worker; fence: number; at: number }> {
    return until(() => {
      for (const worker of this.workers) {
        const { leads, at } = worker.messages.find(({ leads }) => Number(leads) > fence) ?? {};
        if (leads !== undefined) return { worker, fence: Number(leads), at: Number(at) };
      }
      return undefined;
    }, 20_000);
  }

  kill(): void {
    for (const worker of this.workers.splice(0)) worker.kill('SIGKILL');
  }
}

describe.each(BACKENDS)('on %s', (name) => {
  let backend: Backend;
  let crew: Crew;
  beforeAll(async () => {
    backend = await startBackend(name);
  });
  afterEach(() => crew.kill());
  afterAll(() => backend.stop());

  /** ms from the signal until the next leads, `times` over. */
  async function changes(times: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<number[]> {
    const took: number[] = [];
    await Promise.all(Array.from({ length: times + 1 }, () => crew.add()));
    let now = await crew.next(0);
    for (let n = 0; n < times; n++) {
      // Renewed at some time.
      await sleep(1_100);
      const told = machineNow();
      now.worker.kill(signal);
      await now.worker.exited;
      const next = await crew.next(now.fence);
      expect(next.worker).not.toBe(now.worker);
      took.push(next.at - told);
      now = next;
    }
    return took.sort((one, other) => one - other);
  }

  test('when the leader is killed, the next leads when its ttl is over', async () => {
    const ttl = 1_500;
    crew = new Crew(backend, ttl);
    const took = await changes(4, 'SIGKILL');
    // The last renewal was up to a third of the ttl ago.
    expect(took[1]).toBeGreaterThan((ttl * 2) / 3 - 150);
    expect(took[0]).toBeLessThan(ttl + 500);
    expect(took.at(-1)).toBeLessThan(ttl + BUSY_MS);
  }, 60_000);

  test('when the leader is told to stop, the next leads by a hand-over', async () => {
    crew = new Crew(backend, 30_000);
    const took = await changes(4, 'SIGTERM');
    // A waiter that looked by itself would need seconds.
    expect(took[2]).toBeLessThan(1_500);
    expect(took.at(-1)).toBeLessThan(BUSY_MS);
  }, 60_000);

  test('a leader that was stopped beyond its ttl knows it in its first statement, and ends its work before it leads again', async () => {
    const ttl = 1_800;
    crew = new Crew(backend, ttl);
    const stopped = await crew.add();
    const first = await crew.next(0);
    await crew.add();
    stopped.kill('SIGSTOP');
    const second = await crew.next(first.fence);
    expect(second.worker).not.toBe(stopped);
    await sleep(ttl);
    stopped.kill('SIGCONT');
    expect(await stopped.waitFor(({ woke }) => woke === true)).toMatchObject({ held: false });
    const over = await stopped.waitFor(({ over }) => over === first.fence);
    expect(leadsOf(stopped)).toEqual([first.fence]);

    second.worker.kill('SIGTERM');
    const third = await crew.next(second.fence);
    expect(third.worker).toBe(stopped);
    expect(third.at).toBeGreaterThan(Number(over.at));
    expect(await second.worker.waitFor(({ ended }) => ended !== undefined)).toMatchObject({
      ended: 'LOCK_CLOSED',
    });
    // The second one's work was over, too.
    const [{ at = Infinity } = {}] = second.worker.messages.filter(({ over }) => over === second.fence);
    expect(third.at).toBeGreaterThan(Number(at));
  }, 60_000);
});

const leadsOf = ({ messages }: { messages: readonly Message[] }) =>
  messages.flatMap(({ leads }) => (leads === undefined ? [] : [leads]));
