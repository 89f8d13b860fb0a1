import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { postgresDriver } from '../../src/drivers/postgres/driver.js';
import { hasBouncer, startBouncer } from '../support/pgbouncer.js';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { latchkey } from './support/command.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());

interface Check {
  what: string;
  verdict: string;
  found: string;
  advice?: string;
}

async function examine(url = server.url(), env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await latchkey(['doctor', '--json', '--url', url], {
    ...process.env,
    ...env,
  } as Record<string, string>);
  const checks = stdout ? (JSON.parse(stdout) as { checks: Check[] }).checks : [];
  return { code, stderr, checks: new Map(checks.map((check) => [check.what, check])) };
}

const amiss = (checks: Map<string, Check>) =>
  [...checks.values()].filter(({ verdict }) => verdict !== 'ok').map(({ what }) => what);

/** The schema, made by a driver. */
async function made(schema = 'latchkey'): Promise<void> {
  const driver = await postgresDriver({ url: server.url(), schema });
  await driver.ping();
  await driver.close();
}

test('before the first start: finds the schema missing, and that it can be made', async () => {
  const { checks } = await examine();
  expect(checks.get('schema')).toMatchObject({
    verdict: 'ok',
    found: expect.stringContaining('not there yet'),
  });
  // It makes nothing.
  expect(await server.ask(`SELECT FROM pg_namespace WHERE nspname = 'latchkey'`)).toEqual([]);
});

test('finds all in order, but for what this server does not keep', async () => {
  await made();
  const { code, checks } = await examine();
  expect(code).toBe(0);
  // Of a server for tests nothing is written to the disk.
  expect(amiss(checks)).toEqual(['durability']);
  expect(checks.get('version')?.found).toMatch(/^\d+/);
  expect(checks.get('messages')?.found).toBe('by LISTEN');
  expect(checks.get('schema')?.found).toBe('"latchkey", version 1');
  expect(Math.abs(Number(/(\d+) ms/.exec(checks.get('clock')!.found)![1]))).toBeLessThan(1_000);
});

test('names the rights that a role lacks, and what grants them', async () => {
  await made();
  await server.ask(`CREATE ROLE poor LOGIN PASSWORD '${server.password}'`);
  const url = server.url({ user: 'poor' });
  const none = await examine(url);
  expect(none.code).toBe(1);
  expect(none.checks.get('schema')).toMatchObject({
    verdict: 'error',
    advice: expect.stringContaining('npx latchkey postgres-schema --schema latchkey --role poor'),
  });
  await server.ask('GRANT USAGE ON SCHEMA latchkey TO poor');
  await server.ask('GRANT SELECT ON ALL TABLES IN SCHEMA latchkey TO poor');
  const some = await examine(url);
  expect(some.code).toBe(1);
  expect(some.checks.get('rights')).toMatchObject({ verdict: 'error' });
  expect(some.checks.get('rights')?.found).toContain('INSERT on latchkey.lock');
  const elsewhere = await examine(url, { LOCK_POSTGRES_SCHEMA: 'missing' });
  expect(elsewhere.checks.get('schema')).toMatchObject({
    verdict: 'error',
    found: expect.stringContaining('poor may not make it'),
  });
});

test('tells of a schema of a newer release, and of one that is older', async () => {
  await made('other');
  for (const [version, text] of [
    [99, 'version 99, and this release knows 1'],
    [0, 'version 0'],
  ] as const) {
    await server.ask(`UPDATE other.version SET version = ${version}`);
    const { code, checks } = await examine(server.url(), { LOCK_POSTGRES_SCHEMA: 'other' });
    expect(code).toBe(1);
    expect(checks.get('schema')).toMatchObject({ verdict: 'error', found: text });
  }
});

test('warns of settings by which a crash frees locks, of few connections, and of old transactions', async () => {
  await made();
  await server.ask(`ALTER ROLE postgres SET synchronous_commit = off`);
  await server.ask('ALTER SYSTEM SET fsync = on');
  await server.ask('SELECT pg_reload_conf()');
  const stranger = await server.client();
  await stranger.query('BEGIN');
  const { checks } = await examine();
  await server.ask('ALTER ROLE postgres RESET synchronous_commit');
  expect(checks.get('durability')).toMatchObject({ verdict: 'warning' });
  expect(checks.get('transactions')).toMatchObject({ verdict: 'ok' });
  expect(Number(/(\d+) s/.exec(checks.get('transactions')!.found)![1])).toBeLessThan(600);
  expect(checks.get('connections')?.found).toMatch(/^\d+ of 100$/);
  await stranger.query('COMMIT');
});

test('tells what was found before a question that the server does not answer', async () => {
  await made();
  const stranger = await server.client();
  await stranger.query('BEGIN; LOCK TABLE latchkey.version');
  const began = performance.now();
  const { code, checks } = await examine();
  await stranger.query('ROLLBACK');
  expect(code).toBe(1);
  expect([...checks.keys()].slice(-2)).toEqual(['messages', 'schema']);
  expect(checks.get('messages')?.verdict).toBe('ok');
  expect(checks.get('schema')).toMatchObject({
    verdict: 'error',
    found: 'no answer within 2000 ms',
    advice: expect.stringContaining('pg_stat_activity'),
  });
  expect(performance.now() - began).toBeGreaterThan(2_000);
});

test('a server that is silent is an outage', async () => {
  server.pause();
  try {
    expect(await examine()).toMatchObject({ code: 69, stderr: expect.stringMatching(/^\{"error":/) });
  } finally {
    server.resume();
  }
});

test('a server that is not there is an outage, and no password is shown', async () => {
  const { code, stderr } = await examine('postgres://postgres:hunter2@127.0.0.1:1/postgres');
  expect(code).toBeGreaterThan(1);
  expect(stderr).not.toContain('hunter2');
  expect(stderr).not.toBe('');
});

(hasBouncer() ? test : test.skip)('warns of a pooler that passes no messages', async () => {
  const bouncer = await startBouncer(server, 'transaction');
  try {
    const { checks } = await examine(bouncer.url);
    expect(checks.get('messages')).toMatchObject({
      verdict: 'warning',
      advice: expect.stringContaining('listenUrl'),
    });
  } finally {
    await bouncer.stop();
  }
});
