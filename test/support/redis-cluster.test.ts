import { expect, test } from '@jest/globals';
import { startCluster } from './redis-cluster.js';

test('serves all slots and moves one', async () => {
  const cluster = await startCluster();
  try {
    const client = cluster.client();
    await client.set('{a}1', 'x');
    await client.set('{a}2', 'y');
    const slot = await cluster.slotOf('{a}');
    const from = await cluster.ownerOf(slot);
    const to = cluster.nodes.find((node) => node !== from)!;
    await cluster.migrateSlot(slot, to, async () => {
      await expect(from.client().get('{a}1')).rejects.toThrow(`ASK ${slot}`);
      await client.set('{a}3', 'z');
    });
    expect(await cluster.ownerOf(slot)).toBe(to);
    expect(await client.mget('{a}1', '{a}2', '{a}3')).toEqual(['x', 'y', 'z']);
  } finally {
    await cluster.stop();
  }
}, 90_000);
