import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { sleep, until } from '../../support/wait.js';
import { claimOf, closeStores, faultOf, freshKey, PLACE, processOn, take } from './support/stores.js';

jest.setTimeout(60_000);

let primary: PostgresServer;
const servers: PostgresServer[] = [];
beforeEach(async () => {
  primary = await startPostgres();
  servers.push(primary);
});
afterEach(async () => {
  await closeStores();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const configure = async (server: PostgresServer, setting: string) => {
  await server.ask(`ALTER SYSTEM SET ${setting}`);
  await server.ask('SELECT pg_reload_conf()');
};

/** A standby with the primary's data, which follows it. */
async function follow(): Promise<PostgresServer> {
  const standby = await startPostgres();
  servers.push(standby);
  await Promise.all([standby.kill(), primary.kill()]);
  await cp(join(primary.dir, 'data'), join(standby.dir, 'data'), {
    recursive: true,
    force: true,
    preserveTimestamps: true,
  });
  const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres password=${primary.password} application_name=mirror`;
  await writeFile(
    join(standby.dir, 'data/postgresql.auto.conf'),
    `primary_conninfo = '${conninfo}'\nport = ${standby.port}\n`,
  );
  await writeFile(join(standby.dir, 'data/standby.signal'), '');
  await standby.own();
  await primary.start();
  await standby.start();
  await until(async () => (await primary.ask('SELECT FROM pg_stat_replication')).length === 1, 20_000);
  return standby;
}

test('a grant whose wait for the standby is cancelled is none, though it is committed', async () => {
  const one = await processOn({ url: primary.url() });
  const key = freshKey();
  await configure(primary, `synchronous_standby_names = 'nobody'`);
  await sleep(200);
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
  await sleep(300);
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
