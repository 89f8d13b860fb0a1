import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import type { LentPool, PostgresOptions } from '../../../src/drivers/postgres/options.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { runSource } from '../../support/process.js';
import { closeAll, freshKey, open, take } from './support/rig.js';

// Where there is no openssl to make certificates with.
const there = spawnSync('openssl', ['version']).status === 0;
const secure = there ? test : test.skip;

let server: PostgresServer;
let certificates: string;

const openssl = (...args: string[]) => {
  const { status, stderr } = spawnSync('openssl', args, { cwd: certificates, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};

/** An authority of its own, and a certificate that it has signed for 127.0.0.1, or for a client named `postgres`. */
function authority(name: string): void {
  const [key, ca] = [`${name}-ca.key`, `${name}-ca.crt`];
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...fresh,
    '-keyout',
    key,
    '-out',
    ca,
    '-days',
    '2',
    '-subj',
    `/CN=${name} authority`,
  );
}

function certificate(by: string, name: string): void {
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const alternative = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  const request = ['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`];
  openssl('req', ...fresh, ...request, ...alternative);
  const signed = ['-CA', `${by}-ca.crt`, '-CAkey', `${by}-ca.key`, '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed, '-copy_extensions', 'copy');
}

const file = (name: string) => join(certificates, name);
const text = (name: string) => readFileSync(file(name), 'utf8');

beforeAll(async () => {
  if (!there) return;
  certificates = await mkdtemp(join(tmpdir(), 'latchkey-tls-'));
  authority('ours');
  authority('other');
  certificate('ours', 'server');
  certificate('ours', 'postgres');
  server = await startPostgres();
  await server.kill();
  const data = join(server.dir, 'data');
  spawnSync('sh', ['-c', `cp ours-ca.crt server.crt server.key ${data} && chmod 600 ${data}/server.key`], {
    cwd: certificates,
  });
  // By TLS or not at all, with a password or with a certificate.
  const rules = ['hostssl postgres postgres all scram-sha-256', 'hostssl certified postgres all cert'];
  spawnSync('sh', ['-c', `printf '%s\\n' '${rules.join("' '")}' > ${data}/pg_hba.conf`]);
  spawnSync('sh', ['-c', `printf '%s\\n' ssl=on ssl_ca_file=ours-ca.crt >> ${data}/postgresql.conf`]);
  await server.own();
  await server.start();
}, 60_000);
afterAll(async () => {
  await server?.stop();
  if (there) await rm(certificates, { recursive: true });
});
afterEach(closeAll);

/** How the sessions of a driver are encrypted, once it has taken a lock by them. */
async function sessionsOf(postgres: LentPool | PostgresOptions): Promise<string[]> {
  const driver = await open(postgres);
  const key = freshKey();
  const held = await take(driver, key);
  await driver.release(held);
  const admin = new pg.Client({ connectionString: server.url(), ssl: { ca: text('ours-ca.crt') } });
  await admin.connect();
  const { rows } = await admin.query<{ version: string }>(
    `SELECT coalesce(s.version, 'none') AS version FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
    WHERE a.application_name = 'latchkey'`,
  );
  await admin.end();
  await driver.close();
  return rows.map(({ version }) => version);
}

const FOUR = Array.from({ length: 4 }, () => 'TLSv1.3');

secure('with the authority in `ssl`, all sessions are encrypted and the server is verified', async () => {
  expect(await sessionsOf({ url: server.url(), ssl: { ca: text('ours-ca.crt') } })).toEqual(FOUR);
});

secure('with the authority in the address, too', async () => {
  const url = `${server.url()}?sslmode=verify-full&sslrootcert=${file('ours-ca.crt')}`;
  expect(await sessionsOf({ url })).toEqual(FOUR);
});

secure('as a pool that is lent does', async () => {
  const pool = new pg.Pool({ connectionString: server.url(), ssl: { ca: text('ours-ca.crt') } });
  expect(await sessionsOf(pool)).toEqual(FOUR);
  await pool.end();
});

secure('without a check of the server, where that is asked for', async () => {
  expect(await sessionsOf({ url: `${server.url()}?sslmode=no-verify` })).toEqual(FOUR);
});

secure('a server of another authority is refused, and the message says why', async () => {
  for (const ssl of [{ ca: text('other-ca.crt') }, true]) {
    const driver = await open({ url: server.url(), ssl }, true);
    const error = await driver.ping().catch((fault) => fault);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(error.message).toMatch(/PostgreSQL at 127\.0\.0\.1:\d+\/postgres: .*(certificate|signature)/);
    expect(error.message).not.toContain(server.password);
    await expect(take(driver, freshKey(), { wait: 300 })).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
  }
});

secure('a server that wants TLS is told of where it is not asked for', async () => {
  const driver = await open({ url: server.url() }, true);
  const error = await driver.ping().catch((fault) => fault);
  expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
  expect(error.message).toMatch(/no encryption|SSL/);
});

secure('a thread that renews is let in by the certificate and the hidden key of the service', async () => {
  await asAdmin('CREATE DATABASE certified');
  const holder = runSource(
    `
    import { readFileSync } from 'node:fs';
    import { LockRegistry, postgresDriver } from 'latchkey';
    const { PORT, DIR } = process.env;
    const file = (name) => readFileSync(DIR + '/' + name, 'utf8');
    const ssl = { ca: file('ours-ca.crt'), cert: file('postgres.crt'), key: file('postgres.key') };
    const options = { host: '127.0.0.1', port: +PORT, user: 'postgres', database: 'certified', ssl };
    const registry = new LockRegistry().registerDriver('postgres', () => postgresDriver(options));
    const terms = { driver: 'postgres', autoRenew: true, renewIn: 'thread', ttl: 1500 };
    const lease = await registry.registerLocker('default', terms).mustOf().acquire('a');
    const end = performance.now() + 4500;
    while (performance.now() < end);
    send({ held: lease.held });
    await registry.close();
  `,
    { PORT: `${server.port}`, DIR: certificates },
  );
  expect(await holder.exited).toEqual({ code: 0, signal: null });
  expect(holder.messages).toEqual([{ held: true }]);
  expect(holder.stderr()).toBe('');
});

async function asAdmin(sql: string): Promise<void> {
  const admin = new pg.Client({ connectionString: server.url(), ssl: { ca: text('ours-ca.crt') } });
  await admin.connect();
  await admin.query(sql);
  await admin.end();
}
