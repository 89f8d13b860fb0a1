import type { RedisServer } from '../support/redis-server.js';
import { busyLocks } from '../support/stored-lock.js';
import { sleep } from '../support/wait.js';
import { LOCKERS } from './setting.js';

// Longer than anything that is left behind by a process that died may stay: a line that nobody stands in any longer.
const LONGEST_MS = 65_000;

/**
 * Waits for all locks to be idle, and tells what then is left: locks that are held or awaited, and channels that
 * somebody still listens to. `waited` says how long that took: what killed processes leave is gone after a minute.
 */
export async function leftovers(
  servers: readonly RedisServer[],
): Promise<{ left: string[]; keys: number; fences: number; waited: number }> {
  const began = performance.now();
  for (;;) {
    const looks = await Promise.all(servers.map(look));
    const left = looks.flatMap(({ busy, channels }) => [...busy, ...channels]);
    const keys = looks.reduce((sum, look) => sum + look.keys, 0);
    const waited = performance.now() - began;
    if (left.length === 0 || waited > LONGEST_MS) return { left, keys, fences: keys - left.length, waited };
    await sleep(500);
  }
}

async function look(server: RedisServer) {
  return server.ask(async (client) => {
    const lockers = Object.keys(LOCKERS).map((locker) => `${locker}:*`);
    const busy = (await Promise.all(lockers.map((pattern) => busyLocks(client, pattern)))).flat();
    const channels = (await client.pubsub('CHANNELS', 'latchkey:*')) as string[];
    const keys = (await Promise.all(lockers.map((pattern) => client.keys(pattern)))).flat().length;
    return { busy, channels, keys };
  });
}
