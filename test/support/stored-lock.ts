import type { Redis } from 'ioredis';

/** How many places Redis has in the queue of the lock. */
export async function waitersOf(redis: Redis, key: string): Promise<number> {
  return Number((await redis.hget(key, 'q'))?.split(' ')[2] ?? 0);
}

/** ms that the writer's hold has left in Redis; negative where its time is up, NaN where there is none. */
export async function holdLeft(redis: Redis, key: string): Promise<number> {
  const [hold, [seconds, micros]] = await Promise.all([
    redis.hget(key, 'h'),
    redis.time() as Promise<number[]>,
  ]);
  return Number(hold?.split(' ')[0] ?? Number.NaN) - (Number(seconds) * 1e3 + Number(micros) / 1e3);
}

/** Ends the writer's hold as a leap of the server's clock would. */
export async function endHold(redis: Redis, key: string): Promise<void> {
  const hold = await redis.hget(key, 'h');
  await redis.hset(key, 'h', hold!.replace(/^\d+/, '1'));
}

/** The token of the writer's hold in Redis. */
export async function holderOf(redis: Redis, key: string): Promise<string | undefined> {
  return (await redis.hget(key, 'h'))?.split(' ')[5];
}

/** What Redis has of a lock, beside its fence: holds, and a queue. */
export async function traces(redis: Redis, key: string): Promise<number> {
  const held = (await redis.hmget(key, 'h', 'c', 'q')).filter((field) => field !== null);
  return held.length;
}

/** The locks of which Redis has more than a fence. */
export async function busyLocks(redis: Redis, pattern = '*'): Promise<string[]> {
  const names = await redis.keys(pattern);
  const counts = await Promise.all(names.map((name) => traces(redis, name)));
  return names.filter((_, i) => counts[i]! > 0).sort();
}
