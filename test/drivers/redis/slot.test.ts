import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { slotOf } from '../../../src/drivers/redis/slot.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ args: ['--cluster-enabled', 'yes'] });
});
afterAll(() => server.stop());

test.each([
  ...['lock:{order:7}', 'lock:{}', 'plain', '', '123456789', 'é€😀', 'lock:{é€😀}'],
  ...['{}{a}', 'a}b{c}', '{a{b}c}', '{a', 'a}', '{a}{b}', '{line\nbreak}'],
])('the slot of %j is the one that Redis says', async (key) => {
  const slot = await server.ask((client) => client.cluster('KEYSLOT', key));
  expect(slotOf(key)).toBe(slot);
});

test('the slots of many keys are those that Redis says', async () => {
  const keys = Array.from({ length: 500 }, (_, i) => `lock:{key ${i}}`);
  const slots = await server.ask((client) => Promise.all(keys.map((key) => client.cluster('KEYSLOT', key))));
  expect(keys.map(slotOf)).toEqual(slots);
});
