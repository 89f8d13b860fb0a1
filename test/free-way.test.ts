import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runSource } from './support/process.js';
import { type RedisServer, startRedis } from './support/redis-server.js';

/** Tells which of our files a free acquire and its release go through, by the functions that are called. */
const MEASURE = `
  import { Session } from 'node:inspector/promises';
  import { LockRegistry, redisDriver } from 'latchkey/locks';

  const registry = new LockRegistry().registerDriver('redis', () => redisDriver({ url: process.env.URL }));
  const locker = registry.registerLocker('jobs', { driver: 'redis' }).mustOf('jobs');
  // What is done once is not measured.
  for (let i = 0; i < 10; i++) await (await locker.acquire('warm')).release();

  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const since = async () => {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    return result
      .filter(({ functions }) => functions.some(({ ranges }) => ranges[0].count > 0))
      .map(({ url }) => /\\/dist\\/(.*)\\.js$/.exec(url)?.[1])
      .filter((file) => file !== undefined && !/node_modules/.test(file))
      .map((file) => file + '.ts');
  };

  await since();
  const lease = await locker.acquire('k');
  const acquire = await since();
  await lease.release();
  const release = await since();
  session.disconnect();
  await registry.close();
  send({ acquire, release });
`;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function measure(): Promise<{ acquire: string[]; release: string[] }> {
  const child = runSource(MEASURE, { URL: server.url });
  expect(await child.exited).toEqual({ code: 0, signal: null });
  return child.messages[0] as { acquire: string[]; release: string[] };
}

/** The files that each paragraph of docs/internals.md names, under this heading. */
function documented(heading: string): string[][] {
  const text = readFileSync(join(import.meta.dirname, '../docs/internals.md'), 'utf8');
  const section = text.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!;
  return section
    .trim()
    .split('\n\n')
    .map((part) => [...part.matchAll(/`([\w/-]+\.ts)`/g)].map(([, file]) => file!));
}

test('a free acquire on Redis goes through the files that are documented, and few of them', async () => {
  const [way, registered] = documented('The way of a free lock');
  const { acquire, release } = await measure();
  expect(acquire.sort()).toEqual([...way!, ...registered!].sort());
  expect(way!.length).toBeGreaterThanOrEqual(12);
  expect(way!.length).toBeLessThanOrEqual(16);
  expect(registered!.length).toBeLessThanOrEqual(8);
  expect(release.length).toBeGreaterThanOrEqual(12);
  expect(release.length).toBeLessThanOrEqual(20);
});
