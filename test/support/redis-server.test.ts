import { expect, test } from '@jest/globals';
import { blockReplication, inSync, promote, resumeReplication, startReplica } from './redis-replica.js';
import { startRedis } from './redis-server.js';
import { sleep } from './wait.js';

test('counts commands, keeps nothing over a restart, and is gone after stop', async () => {
  const server = await startRedis();
  const client = server.client();
  await client.set('a', '1');
  await server.resetStats();
  await client.get('a');
  await client.eval("return redis.call('get', 'a')", 0);
  expect(await server.commandStats()).toEqual({ get: 2, eval: 1 });

  const { pid } = server;
  await server.restart();
  expect(server.pid).not.toBe(pid);
  expect(await client.get('a')).toBeNull();
  await server.stop();
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
});

test('keeps acknowledged writes when told to, behind a password', async () => {
  const server = await startRedis({ persist: true, password: 'p@ss' });
  await server.client().set('a', '1');
  await server.kill();
  await server.restart();
  expect(await server.client().get('a')).toBe('1');
  await server.stop();
});

test('answers nothing while paused, and can be stopped then', async () => {
  const server = await startRedis();
  const client = server.client();
  await client.ping();
  server.pause();
  const answer = client.ping();
  expect(await Promise.race([answer, sleep(100)])).toBeUndefined();
  server.resume();
  expect(await answer).toBe('PONG');
  server.pause();
  await server.stop();
});

test('takes another port when its own is taken, and says so when it may not', async () => {
  const server = await startRedis();
  await expect(startRedis({ port: server.port })).rejects.toThrow('Address already in use');
  await server.stop();
});

test('a replica that is cut off misses writes, and is promoted without them', async () => {
  const primary = await startRedis();
  const replica = await startReplica(primary);
  await primary.client().set('a', '1');
  await inSync(replica, primary);
  await blockReplication(replica);
  await primary.client().set('a', '2');
  await promote(replica);
  expect(await replica.client().get('a')).toBe('1');
  await resumeReplication(replica, primary);
  expect(await replica.client().get('a')).toBe('2');
  await Promise.all([primary.stop(), replica.stop()]);
});
