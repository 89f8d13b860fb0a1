import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dieWithUs } from '../support/orphans.js';
import { outputOf } from '../support/output.js';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/wait.js';

const root = join(import.meta.dirname, '../..');

const SHARED = ['redis', 'postgres'] as const;
let redis: RedisServer;
let postgres: PostgresServer;
beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
}, 60_000);
afterAll(() => Promise.all([redis.stop(), postgres.stop()]));

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: string;
}

function start(example: string, env: Record<string, string>) {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(LOCK_|REDIS_URL|DATABASE_URL|NODE_OPTIONS)/.test(name),
  );
  const child = spawn(process.execPath, [join(root, `build/examples/${example}.js`)], {
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  dieWithUs(child);
  const { stdout, stderr } = outputOf(child);
  const result = new Promise<Run>((resolve) =>
    child.once('close', (code, signal) =>
      resolve({ stdout: stdout(), stderr: stderr(), ended: `${signal ?? code}` }),
    ),
  );
  return { child, result, stdout };
}

/** What an example prints, which ends by itself, well and without a warning. */
async function output(example: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout, stderr, ended } = await start(example, env).result;
  expect({ example, ended, stderr }).toEqual({ example, ended: '0', stderr: '' });
  return stdout;
}

const envOf = (backend: (typeof SHARED)[number]) => ({
  LOCK_PROVIDER: backend,
  REDIS_URL: redis.url,
  DATABASE_URL: postgres.url(),
});
const onRedis = (example: string) => output(example, envOf('redis'));
const onPostgres = (example: string) => output(example, envOf('postgres'));
const onAll = (example: string) => Promise.all([output(example), onRedis(example), onPostgres(example)]);
const count = (text: string, part: string | RegExp) => text.split(part).length - 1;

describe('01-workers', () => {
  test('nine wait for each other, then one of nine who try gets it', async () => {
    const said = await output('01-workers');
    expect(count(said, 'got the lock')).toBe(9);
    expect(count(said, 'obtained the lock')).toBe(1);
    expect(count(said, 'lock: not obtained')).toBe(8);
    expect(said).toContain('At most 1 held the lock at once.');
  });

  test.each([
    ['Redis', onRedis],
    ['PostgreSQL', onPostgres],
  ])(
    'three processes at once on %s: one holder at a time, and every fence later than the one before',
    async (_, on) => {
      const said = (await Promise.all([1, 2, 3].map(() => on('01-workers')))).join('');
      const holds = [...said.matchAll(/^(\S+) .*got the lock, fence (\d+)$/gm)]
        .map(([, time, fence]) => ({ at: Date.parse(`2000-01-01T${time}Z`), fence: Number(fence) }))
        .sort((a, b) => a.fence - b.fence);
      expect(holds).toHaveLength(27);
      expect(new Set(holds.map(({ fence }) => fence)).size).toBe(27);
      // Each works for 50 ms under the lock; a timer may fire a millisecond early.
      for (const [i, { at }] of holds.slice(1).entries())
        expect(at - holds[i]!.at).toBeGreaterThanOrEqual(48);
    },
  );
});

describe('02-app', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s stops it in order', async (signal) => {
    const app = start('02-app', {});
    await until(() => app.stdout().includes('SIGTERM stops it'));
    app.child.kill(signal);
    const { stdout, stderr, ended } = await app.result;
    expect({ ended, stderr }).toEqual({ ended: signal, stderr: '' });
    expect(stdout).toMatch(
      /^migrated, .*\nreport of monday, built under fence \d+\nrunning as .*\nstopped\n$/,
    );
  });
});

describe('03-scheduled-job', () => {
  test.each(SHARED)(
    'on %s, three processes whose clocks differ by 5 s run each fire once',
    async (backend) => {
      const said = await output('03-scheduled-job', envOf(backend));
      expect(count(said, /^[ABC], fire [1-5]: billed by [ABC]$/m)).toBe(5);
      expect(count(said, /^[ABC], fire [1-5]: not here$/m)).toBe(10);
      expect(said).toMatch(/\n5 fires, 5 runs\.\n$/);
    },
    60_000,
  );
});

test('04-order-service handles one request at a time for each order, two orders side by side', async () => {
  for (const said of await onAll('04-order-service')) {
    expect(count(said, /paid under fence \d+/)).toBe(5);
    expect(said).toContain('Of one order at most 1 at once, of all orders 2.');
  }
});

test('05-fenced-write refuses the holder that paused beyond its lease', async () => {
  for (const said of await onAll('05-fenced-write')) {
    expect(said).toMatch(/^fast, fence \d+: written\nslow, fence \d+: refused, .*\nThe balance is 80\.\n$/);
  }
});

test('06-obtain-with-wait prints what BeeORM’s page prints', async () => {
  const pages = [
    ['GETTING LOCK A', 'GETTING LOCK B', 'GOT LOCK A', 'UNABLE TO GET LOCK B', 'RELEASING LOCK A'],
    ['GETTING LOCK A', 'GETTING LOCK B', 'GOT LOCK A', 'RELEASING LOCK A', 'GOT LOCK B', 'RELEASING LOCK B'],
    ['GOT LOCK FOR 5 SECONDS', ...[4, 3, 5, 2].map((left) => `WILL EXPIRE IN ${left} SECONDS`)],
  ];
  const expected = pages.map((lines) => lines.map((line) => `${line}\n`).join('')).join('\n');
  expect(await onAll('06-obtain-with-wait')).toEqual([expected, expected, expected]);
});

test('07-registry runs runa’s two programs', async () => {
  const [memory, redisSaid, postgresSaid] = await onAll('07-registry');
  expect(memory).toMatch(/^the report, under fence \d+\n/);
  expect(memory).toContain('jobs: memory, ttl 30000 ms, wait 5000 ms\n');
  expect(memory).toContain('job: obtained, and again: taken\ncleanup inside cleanup: skipped\n');
  expect(redisSaid).toContain('jobs: redis, ttl 30000 ms, wait 5000 ms\n');
  expect(postgresSaid).toContain('jobs: postgres, ttl 30000 ms, wait 5000 ms\n');
});

test('08-new-lock-unlock: nine obtain one after the other, then one of nine who try', async () => {
  const onGoCache = (example: string) => output(example, { LOCK_PROVIDER: 'go_cache' });
  // One after the other: a hold of 200 ms is over before a busy machine has told of it.
  for (const on of [output, onRedis, onPostgres, onGoCache]) {
    const said = await on('08-new-lock-unlock');
    expect(said).toMatch(/^locked for 10 s\n/);
    const downs = [...said.matchAll(/^(\d) down$/gm)].map(([, number]) => Number(number));
    expect(downs).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(count(said, 'obtained lock\n')).toBe(1);
    expect(count(said, 'lock: not obtained\n')).toBe(8);
  }
});

test('09-keyed-mutex prints what gmlock’s page prints, and every other function', async () => {
  const numbers = Array.from({ length: 10 }, (_, i) => `${i}\n`).join('');
  const said = await output('09-keyed-mutex');
  expect(said).toContain(
    `one after the other\n${numbers}tryLock: one of them\n0\n${'false\n'.repeat(9)}rLock`,
  );
  expect(said).toContain('another reader: true, a writer: false\n');
  expect(said).toContain('tryLockFunc ran: true\ntryRLockFunc ran: true\n');
  expect(said).toContain('size 1, remove while held: false\nsize 0, remove: true\n');
});

test('10-user-counters counts every increment', async () => {
  expect(await output('10-user-counters')).toBe(
    [
      '200 of 200 increments, counted 200.',
      'somebody holds it, 5 tries: false',
      'it is free, 5 tries: true',
      'With lockFunc all 200 more: 400.\n',
    ].join('\n'),
  );
});

test('11-guarded-write: without a guard a stopped holder overwrites the balance, with one it cannot', async () => {
  const said = await output('11-guarded-write');
  expect(said).toBe(
    [
      'without guard: 130 of 100 were paid out, and the balance says 50\n',
      'with guard:    50 of 100 were paid out, and the balance says 50\n',
    ].join(''),
  );
});

describe('12-leader', () => {
  test.each(SHARED)(
    'on %s, the next leads when the leader is killed, stopped or paused',
    async (backend) => {
      const said = await output('12-leader', envOf(backend));
      const changes =
        /^A, B and C start: ([ABC]) leads after \d+ ms\nkill -9 \1: (\w) leads after (\d+) ms\nSIGTERM to \2: (\w) leads after (\d+) ms\nSIGSTOP to \4: (\w) leads after (\d+) ms\nSIGCONT to \4: the work of \4 ends, for it leads no more\n$/;
      const [, , , killed, , stopped, , paused] = changes.exec(said) ?? [said];
      // The ttl is 1 s, and the last renewal was up to a third of that ago. A hand-over waits for no ttl.
      for (const ms of [Number(killed), Number(paused)]) {
        expect(ms).toBeGreaterThan(250);
        expect(ms).toBeLessThan(10_000);
      }
      expect(Number(stopped)).toBeLessThan(5_000);
    },
    60_000,
  );
});

describe('13-five-at-once', () => {
  test('at most five at once of each partner, who do not wait for each other', async () => {
    const all = await Promise.all([
      output('13-five-at-once'),
      ...SHARED.map((name) => output('13-five-at-once', envOf(name))),
    ]);
    for (const said of all) {
      expect(count(said, /^(?:acme|umbrella): called/m)).toBe(40);
      expect(said).toContain('Of one partner at most 5 at once, of both 10.');
    }
  });

  test('three processes at once on Redis: five in all of them together, or what the environment says', async () => {
    const most = async (env: Record<string, string>) => {
      const all = [1, 2, 3].map(() => output('13-five-at-once', { ...envOf('redis'), ...env }));
      const calls = [
        ...(await Promise.all(all)).join('').matchAll(/^acme: called from (\d+) to (\d+)$/gm),
      ].map(([, from, to]) => ({ from: Number(from), to: Number(to) }));
      expect(calls).toHaveLength(60);
      return Math.max(
        ...calls.map(({ from }) => calls.filter((one) => one.from <= from && from < one.to).length),
      );
    };
    expect(await most({})).toBe(5);
    expect(await most({ LOCK_LOCKERS__PARTNERS__LIMIT: '3' })).toBe(3);
  });
});

test.each(['03-scheduled-job', '12-leader'])('%s says that processes share no memory', async (example) => {
  const { stdout, ended } = await start(example, {}).result;
  expect({ stdout, ended }).toEqual({
    stdout: 'Processes share no memory: run this with LOCK_PROVIDER=redis or postgres.\n',
    ended: '1',
  });
});

test('every example is run here, and says how to run it', () => {
  const examples = readdirSync(join(root, 'examples')).filter((file) => /^\d\d-.*\.ts$/.test(file));
  const here = readFileSync(import.meta.filename, 'utf8');
  expect(examples.length).toBeGreaterThanOrEqual(10);
  for (const file of examples) {
    const name = file.replace(/\.ts$/, '');
    const text = readFileSync(join(root, 'examples', file), 'utf8');
    expect(here).toContain(`'${name}`);
    expect(existsSync(join(root, `build/examples/${name}.js`))).toBe(true);
    expect(text).toMatch(name === '01-workers' ? 'npm start' : `node build/examples/${name}.js`);
  }
});
