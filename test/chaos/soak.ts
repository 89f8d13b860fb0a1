import { parseArgs } from 'node:util';
import { LockBackendError, type Locker, LockRegistry, LockTimeoutError, redisDriver } from 'latchkey';
import { Random } from '../support/random.js';
import { ensureRedis } from '../support/redis-binary.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { busyLocks } from '../support/stored-lock.js';
import { sleep } from '../support/wait.js';
import { table } from './table.js';

// `npm run soak -- [--minutes 2] [--seed N]`: an hour's worth of holds on 1,000 keys in a few minutes, half of the time
// in memory and half of it through Redis. Exits with 1 when memory grows, keys are left behind, or a holder is taken
// for an outage.

const KEYS = 1_000;
const HOLDERS = 200;
const SAMPLE_MS = 2_000;
// What the heap may differ by at the end from what it was once warm: garbage collection is not exact.
const HEAP_SLACK = 2 * 2 ** 20;
// One server's buffers, per sample.
const REDIS_SLACK = 2 * 2 ** 20;

interface Sample {
  readonly heap: number;
  readonly redis: number;
  readonly keys: number;
}

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '2' }, seed: { type: 'string', default: '1' } },
});
const gc = globalThis.gc;
if (!gc) throw new Error('run it with --expose-gc');
ensureRedis();

const problems: string[] = [];
const rows: (string | number)[][] = [];
const half = (Number(values.minutes) * 60_000) / 2;
await soak('memory', half);
const server = await startRedis();
try {
  await soak('redis', half, server);
} finally {
  await server.stop();
}
console.log(
  table(
    [
      'driver',
      'holds',
      'holds/s',
      'timeouts',
      'backend errors',
      'heap MiB warm',
      'heap MiB end',
      'Redis MiB warm',
      'Redis MiB end',
      'keys left',
      'fences left',
    ],
    rows,
  ),
);
for (const problem of problems) console.log(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

async function soak(driver: string, ms: number, server?: RedisServer): Promise<void> {
  const registry = new LockRegistry();
  if (server) registry.registerDriver('redis', () => redisDriver({ url: server.url }));
  registry.registerLocker('soak', { driver, prefix: 'soak:', ttl: 5_000 });
  const locker = registry.mustOf('soak');
  await registry.connect();
  const counts = { holds: 0, timeouts: 0, backendErrors: 0 };
  const end = performance.now() + ms;
  const began = performance.now();
  const holders = Array.from({ length: HOLDERS }, (_, i) =>
    hold(locker, new Random(Number(values.seed) * 1_000 + i), end, counts),
  );
  const samples: Sample[] = [];
  while (performance.now() + SAMPLE_MS < end) {
    await sleep(SAMPLE_MS);
    samples.push(await sample(server));
    const { heap, keys } = samples.at(-1)!;
    console.log(`${driver}: ${counts.holds} holds, heap ${mib(heap)} MiB, ${keys} keys in Redis`);
  }
  await Promise.all(holders);
  const seconds = (performance.now() - began) / 1_000;
  await registry.close();
  const names = server ? await server.ask((client) => client.keys('*')) : [];
  const left = server ? (await server.ask((client) => busyLocks(client))).length : 0;
  const fences = names.length - left;
  // Medians of thirds: the first third warms up.
  const third = Math.max(1, Math.floor(samples.length / 3));
  const warm = samples.slice(third, 2 * third);
  const late = samples.slice(-third);
  const at = (part: readonly Sample[], what: keyof Sample) => median(part.map((one) => one[what]));
  rows.push([
    driver,
    counts.holds,
    Math.round(counts.holds / seconds),
    counts.timeouts,
    counts.backendErrors,
    mib(at(warm, 'heap')),
    mib(at(late, 'heap')),
    mib(at(warm, 'redis')),
    mib(at(late, 'redis')),
    left,
    fences,
  ]);
  if (at(late, 'heap') > at(warm, 'heap') * 1.1 + HEAP_SLACK) problems.push(`${driver}: the heap grows`);
  if (at(late, 'redis') > at(warm, 'redis') + REDIS_SLACK) problems.push(`${driver}: Redis grows`);
  if (Math.max(...samples.map(({ keys }) => keys)) > 6 * KEYS)
    problems.push(`${driver}: too many keys in Redis`);
  if (left > 0) problems.push(`${driver}: ${left} keys are left in Redis`);
  if (counts.backendErrors > 0) problems.push(`${driver}: a healthy backend was taken for an outage`);
  if (fences > KEYS) problems.push(`${driver}: more fences than keys`);
}

/** Takes locks, half of them of a few keys that everybody wants, sometimes to read, sometimes not for long enough. */
async function hold(
  locker: Locker,
  random: Random,
  end: number,
  counts: { holds: number; timeouts: number; backendErrors: number },
): Promise<void> {
  while (performance.now() < end) {
    const key = `key ${random.between(1, random.chance(0.5) ? 20 : KEYS)}`;
    const mode = random.chance(0.2) ? 'read' : 'write';
    try {
      await locker.with(key, () => (random.chance(0.1) ? sleep(1) : undefined), {
        mode,
        wait: random.chance(0.1) ? random.between(1, 5) : 10_000,
      });
      counts.holds++;
    } catch (error) {
      if (error instanceof LockTimeoutError) counts.timeouts++;
      else if (error instanceof LockBackendError) counts.backendErrors++;
      else throw error;
    }
    // The memory driver never waits for anything: let the others live.
    if (random.chance(0.1)) await sleep(0);
  }
}

async function sample(server: RedisServer | undefined): Promise<Sample> {
  gc!();
  const heap = process.memoryUsage().heapUsed;
  if (!server) return { heap, redis: 0, keys: 0 };
  const [info, keys] = await server.ask((client) => Promise.all([client.info('memory'), client.dbsize()]));
  return { heap, redis: Number(/^used_memory:(\d+)/m.exec(info)?.[1]), keys };
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
