import { Cluster } from 'ioredis';
import { type LentClient, LockRegistry, postgresDriver, redisDriver } from 'latchkey';
import { historyNow } from 'latchkey/testing';
import { Random } from '../support/random.js';
import { sleep } from '../support/wait.js';
import { type Desk, Holder } from './holder.js';
import { Journal } from './journal.js';
import { LagMeter } from './lag.js';
import { Link } from './link.js';
import { type Dial, LOCKERS, MAX_BLOCK, type WorkerSetting } from './setting.js';

// A worker of the chaos run, in a process of its own: takes locks until it is told to stop, then sees whether all of
// them can still be had, closes, and must end by itself.

const HOLDERS = 6;
// How long a lock may be out of reach once all faults are over.
const RECOVERY_MS = 15_000;

const { name, seed, renewIn, dial, journal: path }: WorkerSetting = JSON.parse(process.argv[2]!);
const journal = new Journal(path);
process.on('unhandledRejection', (reason) =>
  journal.write({ note: 'unhandled', at: historyNow(), what: String((reason as Error)?.stack ?? reason) }),
);
process.on('uncaughtException', (error) => {
  journal.write({ note: 'unhandled', at: historyNow(), what: String(error?.stack ?? error) });
  process.exit(4);
});
process.on('warning', (warning) =>
  journal.write({ note: 'warning', at: historyNow(), what: String(warning.stack) }),
);

let stopped = false;
const link = new Link({
  block: (ms) => {
    desk.block = ms;
  },
  stop: () => {
    stopped = true;
  },
});
const registry = new LockRegistry().registerDriver('chosen', () =>
  dial.kind === 'postgres'
    ? postgresDriver({ url: dial.url, listenUrl: dial.listenUrl })
    : redisDriver(target(dial)),
);
for (const locker of Object.keys(LOCKERS))
  registry.registerLocker(locker, { driver: 'chosen', prefix: `${locker}:`, renewIn, maxBlock: MAX_BLOCK });
const lag = new LagMeter();
const lockers = new Map(Object.keys(LOCKERS).map((locker) => [locker, registry.mustOf(locker)]));
const desk: Desk = { name, journal, random: new Random(seed), lag, link, lockers, renewIn, block: 0 };

// The loading of modules is no wait of anybody, nor is the start of the thread.
await registry.connect().catch(() => {});
await registry
  .mustOf('jobs')
  .with(`start of ${name}`, () => {}, { wait: '10s' })
  .catch(() => {});
link.tell({ ready: true });
await Promise.all(Array.from({ length: HOLDERS }, () => hold(new Holder(desk))));
await Promise.all([...lockers].flatMap(([locker, one]) => LOCKERS[locker]!.map((key) => recover(one, key))));
await registry.close({ grace: 0 });
lag.stop();
link.tell({ done: true });
process.exitCode = 0;
// Does not keep the process: it runs only if something else does.
setTimeout(() => {
  journal.write({ note: 'lingering', at: historyNow(), what: process.getActiveResourcesInfo().join(', ') });
}, 3_000).unref();
process.disconnect();

async function hold(holder: Holder): Promise<void> {
  while (!stopped) await holder.turn();
}

/** The lock must be there to be had: nothing is held any longer. */
async function recover(locker: ReturnType<LockRegistry['mustOf']>, key: string): Promise<void> {
  const began = performance.now();
  for (;;) {
    const left = RECOVERY_MS - (performance.now() - began);
    try {
      const lease = await locker.acquire(key, { wait: Math.max(1, left), ttl: 1_000 });
      await lease.release();
      return;
    } catch (error) {
      if (left > 0) await sleep(200);
      else return journal.write({ note: 'stuck', at: historyNow(), what: `${locker.name} ${key}: ${error}` });
    }
  }
}

function target(dial: Exclude<Dial, { kind: 'postgres' }>): LentClient | { [option: string]: unknown } {
  if (dial.kind === 'single') return { url: dial.url };
  if (dial.kind === 'sentinel') {
    const { sentinels, name, natMap } = dial;
    return { sentinels, name, natMap };
  }
  const { nodes, natMap } = dial;
  // A lent client has no thread.
  if (renewIn === 'main') return new Cluster(nodes, { lazyConnect: true, natMap });
  return { url: `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`, natMap };
}
