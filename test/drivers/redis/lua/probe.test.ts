import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { PROBE } from '../../../../src/drivers/redis/scripts.generated.js';
import { redis, server, serverForAll } from '../support/stage.js';
import { listen } from '../support/stored.js';

serverForAll();

/** How many subscribe, and what the user may not do: other errors come before anything is changed. */
async function probe(channel: string, counts: '0' | '1', client = redis) {
  const [count, ...failures] = (await client.eval(PROBE.lua, 0, channel, counts)) as unknown[];
  const lacks = failures.filter((_, i) => i % 2 === 0 && /user/.test(`${failures[i + 1]}`));
  return { count, lacks };
}

test('subscribers are counted where that is asked for, and -1 stands for no count', async () => {
  const [listener] = (await listen(server.client())).listeners;
  const channel = `latchkey:${listener!.process}`;
  expect(await probe(channel, '1')).toEqual({ count: 1, lacks: [] });
  expect(await probe(channel, '0')).toEqual({ count: -1, lacks: [] });
  expect(await probe('latchkey:nobody', '1')).toEqual({ count: 0, lacks: [] });
});

test('what the user may not do is told, command by command; what is not needed is not tried', async () => {
  const user = `probe-${randomUUID()}`;
  const rules = ['on', 'nopass', '~lock:*', '&latchkey:*', '+@all', '-hdel', '-time', '-pubsub'];
  await redis.call('ACL', 'SETUSER', user, ...rules);
  const client = server.client();
  await client.call('AUTH', user, '');
  expect((await probe('latchkey:a', '1', client)).lacks).toEqual(['TIME', 'HDEL', 'PUBSUB']);
  expect((await probe('latchkey:a', '0', client)).lacks).toEqual(['TIME', 'HDEL']);
});

test('nothing is changed', async () => {
  await redis.flushall();
  await probe('latchkey:a', '1');
  expect(await redis.keys('*')).toEqual([]);
});
