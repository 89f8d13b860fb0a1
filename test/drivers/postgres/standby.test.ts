import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { guard } from '../../../src/drivers/postgres/guard.js';
import type { Lease } from '../../../src/lease/lease.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { startStandby } from '../../support/postgres-standby.js';
import { startProxy, type TcpProxy } from '../../support/proxy.js';
import { sleep, until } from '../../support/wait.js';
import { ask, closeAll, open, take as takeByDriver } from './support/rig.js';
import { claimOf, closeStores, faultOf, freshKey, PLACE, processOn, take } from './support/stores.js';

jest.setTimeout(60_000);

let primary: PostgresServer;
const servers: PostgresServer[] = [];
const proxies: TcpProxy[] = [];
beforeEach(async () => {
  primary = await startPostgres();
  servers.push(primary);
});
afterEach(async () => {
  await closeAll();
  await closeStores();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const configure = async (server: PostgresServer, setting: string) => {
  await server.ask(`ALTER SYSTEM SET ${setting}`);
  await server.ask('SELECT pg_reload_conf()');
};

/** A standby of the primary. */
async function follow(port?: number): Promise<PostgresServer> {
  const standby = await startStandby(primary, port);
  servers.push(standby);
  return standby;
}

test('a grant whose wait for the standby is cancelled is none, though it is committed', async () => {
  await primary.ask(
    `CREATE ROLE quiet LOGIN SUPERUSER PASSWORD '${primary.password}'; ALTER ROLE quiet SET client_min_messages = 'error'`,
  );
  const one = await processOn({ url: primary.url({ user: 'quiet' }) });
  const key = freshKey();
  await configure(primary, `synchronous_standby_names = 'nobody'`);
  await sleep(1_000);
  const fault = faultOf(one.store.claim(claimOf(key, 'a')));
  const [waiting] = await until(async () => {
    const rows = await primary.ask<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'latchkey'`,
    );
    return rows.length > 0 ? rows : undefined;
  });
  const cancel = await primary.client({ options: '-c synchronous_commit=local' });
  await cancel.query('SELECT pg_cancel_backend($1)', [waiting!.pid]);
  expect(await fault).toMatchObject({ outcome: 'unknown', message: expect.stringContaining('standby') });
  // To ask again waits for the standby too.
  const again = one.store.claim(claimOf(key, 'a'));
  let granted = false;
  const settled = again.then(
    () => {
      granted = true;
    },
    () => {},
  );
  await sleep(500);
  expect(granted).toBe(false);
  // A place needs no standby.
  await processOn({ url: primary.url() }).then(({ store }) => store.claim(claimOf(key, 'b'), PLACE));
  await configure(primary, `synchronous_standby_names = ''`);
  await settled;
  await until(() => one.store.claim(claimOf(key, 'a')).then((answer) => answer.granted), 10_000);
});

test('a grant that a synchronous standby has confirmed survives the fail-over, with its fence', async () => {
  const standby = await follow();
  await configure(primary, `synchronous_standby_names = 'mirror'`);
  await sleep(1_000);
  const one = await processOn({ url: primary.url() });
  const key = freshKey();
  const { fence } = await take(one, key, 'a', { ttl: 60_000 });
  await primary.kill();
  await standby.ask('SELECT pg_promote()');
  const two = await processOn({ url: standby.url() });
  expect((await take(two, key, 'a')).fence).toBe(fence);
  expect(await two.store.claim(claimOf(key, 'b'))).toMatchObject({ granted: false });
  expect(await two.store.free({ key, token: 'a' }, { mode: 'write' })).toBe('freed');
  expect((await take(two, key, 'c')).fence).toBeGreaterThan(fence + 63);
});

test('a standby is refused until it is promoted', async () => {
  const standby = await follow();
  // The schema is made on the primary.
  await processOn({ url: primary.url() });
  const one = await processOn({ url: standby.url() }, { cold: true });
  expect(await faultOf(one.store.ping())).toMatchObject({ outcome: 'not-sent' });
  await until(async () => (await faultOf(one.store.ping())).message.includes('it is a standby'), 5_000);
  await primary.kill();
  await standby.ask('SELECT pg_promote()');
  await one.event('ready');
  await take(one, freshKey(), 'a');
});

test('a fail-over to an asynchronous standby loses what it had not received: its holder is told at its next renewal, and fences go on growing', async () => {
  const [replication, service] = [await startProxy(primary.port), await startProxy(primary.port)];
  proxies.push(replication, service);
  const standby = await follow(replication.port);
  const url = { url: primary.url({ port: service.port }) };
  const [one, two] = [await open(url), await open(url)];
  const [received, missed] = [freshKey(), freshKey()];
  const kept = await takeByDriver(one, received, { ttl: 60_000 });
  const [written] = await primary.ask<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn');
  await until(async () => {
    const [row] = await standby.ask<{ there: boolean }>(
      'SELECT pg_last_wal_receive_lsn() >= $1::pg_lsn AS there',
      [written!.lsn],
    );
    return row!.there;
  });

  replication.blackhole();
  const lost = await takeByDriver(one, missed, { ttl: 60_000 });
  await primary.kill();
  replication.refuse();
  replication.reset();
  service.targetPort = standby.port;
  await standby.ask('SELECT pg_promote()');
  await Promise.all([one, two].map((driver) => until(() => driver.ping().then(() => true))));

  // Nobody can know but the holder: until its next renewal both believe that they hold.
  const next = await takeByDriver(two, missed);
  expect(next.fence).toBeGreaterThan(lost.fence);
  expect(performance.now()).toBeLessThan(lost.validUntil);
  expect(await one.extend(lost, 60_000)).toBeNull();
  expect(await one.release(lost)).toBe(false);
  expect(await two.release(next)).toBe(true);

  expect(await ask(two, received)).toBeNull();
  expect(await one.extend(kept, 60_000)).toMatchObject({ fence: kept.fence });
  expect(await one.release(kept)).toBe(true);
});

test('a guard on a standby fails: it would keep nobody from the key', async () => {
  const standby = await follow();
  const driver = await open({ url: primary.url() });
  const grant = await takeByDriver(driver, freshKey(), { ttl: 20_000 });
  const lease = { ...grant, keys: [grant.key], ensureHeld: () => {} } as unknown as Lease;
  const reader = await standby.client();
  await until(async () => (await reader.query('SELECT FROM latchkey.lock WHERE token IS NOT NULL')).rowCount);
  await reader.query('BEGIN');
  expect(await faultOf(guard(reader, lease))).toMatchObject({ code: '25006' });
  await reader.query('ROLLBACK');
});
