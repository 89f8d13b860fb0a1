import type { RedisServer } from '../support/redis-server.js';
import { sleep } from '../support/wait.js';
import { LOCKERS } from './setting.js';

// Longer than anything that is left behind by a process that died may stay: a line that nobody stands in any longer.
const LONGEST_MS = 65_000;

/**
 * Waits for the keys of all locks to be gone, other than fences, and tells what then is left: keys, and inboxes that
 * somebody still listens to. `waited` says how long that took: what killed processes leave is gone after a minute.
 */
export async function leftovers(
  servers: readonly RedisServer[],
): Promise<{ left: string[]; keys: number; fences: number; waited: number }> {
  const began = performance.now();
  for (;;) {
    const all = (await Promise.all(servers.map(look))).flat();
    const left = all.filter((name) => !name.endsWith(':fence'));
    const waited = performance.now() - began;
    if (left.length === 0 || waited > LONGEST_MS)
      return { left, keys: all.length, fences: all.length - left.length, waited };
    await sleep(500);
  }
}

async function look(server: RedisServer): Promise<string[]> {
  return server.ask(async (client) => {
    const keys = await Promise.all(Object.keys(LOCKERS).map((locker) => client.keys(`${locker}:*`)));
    const inboxes = (await client.pubsub('CHANNELS', 'latchkey:inbox:*')) as string[];
    return [...keys.flat(), ...inboxes];
  });
}
