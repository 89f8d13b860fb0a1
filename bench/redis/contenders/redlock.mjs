/** redlock 5 and its successor by Sesame, on one server: defaults (polls every 200 ms ± 100), but no last try. */
import { Redlock as Sesame } from '@sesamecare-oss/redlock';
import { Redis } from 'ioredis';
import Redlock from 'redlock';

const TTL = 30_000;

function contender(name, Class) {
  return {
    name,
    sends: ['evalsha', 'eval'],
    // Its automatic extension begins 500 ms before the end.
    renewsEvery: (ttl) => ttl - 500,
    async connect(url) {
      const redis = new Redis(url);
      await redis.ping();
      const redlock = new Class([redis], { retryCount: -1 });
      redlock.on('error', () => {});
      return {
        async acquire(key) {
          const lock = await redlock.acquire([key], TTL);
          return () => lock.release();
        },
        keep: (key, ttl) =>
          new Promise((resolve, reject) => {
            const work = (signal) => {
              resolve(() => !signal.aborted);
              return new Promise(() => {});
            };
            redlock.using([key], ttl, work).catch(reject);
          }),
        ping: () => redis.ping(),
        close: () => redis.disconnect(),
      };
    },
  };
}

export const redlock = contender('redlock 5', Redlock);
export const sesame = contender('sesame redlock', Sesame);
