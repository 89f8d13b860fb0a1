import { expect, test } from '@jest/globals';
import { startSentinel } from './redis-sentinel.js';

test('a fail-over loses what replication was kept from', async () => {
  const group = await startSentinel();
  try {
    const old = group.primary;
    await old.client().set('a', '1');
    await group.inSync();
    await group.blockReplication();
    await old.client().set('a', '2');
    await group.failover();
    expect(group.primary).not.toBe(old);
    expect(await group.primary.client().get('a')).toBe('1');
  } finally {
    await group.stop();
  }
}, 90_000);
