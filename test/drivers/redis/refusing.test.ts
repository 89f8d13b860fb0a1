import { expect, test } from '@jest/globals';
import { LockBackendError } from '../../../src/core/errors.js';
import { sleep, until } from '../../support/wait.js';
import { ask, busyLocks, freshKey, open, reasonOf, take } from './support/rig.js';
import { server, stageForEach } from './support/stage.js';

stageForEach();

test('a Redis that refuses writes is told, and not stormed with what it refused', async () => {
  const driver = await open(server.url);
  const admin = server.client();
  const keys = Array.from({ length: 60 }, () => freshKey());
  const held = await Promise.all(keys.map((key) => take(driver, key, { ttl: 60_000 })));
  await admin.config('SET', 'min-replicas-to-write', '1');
  for (const reason of await Promise.all(held.map((grant) => reasonOf(driver.release(grant)))))
    expect(reason).toBeInstanceOf(LockBackendError);
  for (const reason of await Promise.all(
    keys.map((_, i) => reasonOf(ask(driver, freshKey(), { wait: i * 9 }))),
  ))
    expect(reason.message).toContain('NOREPLICAS');
  await server.resetStats();
  await sleep(3_000);
  const count = async () => (await server.commandStats()).evalsha ?? 0;
  await until(async () => (await count()) > 32, 15_000, 'the second attempt');
  const evalsha = await count();
  // What is to be given back is sent again after 0.25, 0.75 and 1.75 s, and what was never granted not at all.
  expect(evalsha).toBeLessThan(400);
  await admin.config('SET', 'min-replicas-to-write', '0');
  await until(async () => (await busyLocks(admin)).length === 0, 10_000, 'all to be free');
});

test('twenty inspections at once of a lock with much metadata keep their connection', async () => {
  const [crowd, driver] = [await open(server.url), await open(server.url)];
  const [admin, key] = [server.client(), freshKey()];
  const meta = { much: 'x'.repeat(4_000) };
  for (let from = 0; from < 1_000; from += 100)
    await Promise.all(
      Array.from({ length: 100 }, () => take(crowd, key, { mode: 'read', ttl: 60_000, meta })),
    );
  const connections = async () => /total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1];
  const before = await connections();
  const seen = await Promise.all(Array.from({ length: 20 }, () => driver.inspect(key)));
  expect(new Set(seen.map((info) => info?.holders.length))).toEqual(new Set([1_000]));
  expect(await connections()).toBe(before);
});
