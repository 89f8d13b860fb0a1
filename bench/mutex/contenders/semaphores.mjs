/**
 * Semaphores of 5 permits inside one process. Each has:
 *   uncontended(keys, passes)  takes a permit of every key and gives it back, one after the other
 *   caller(key)                one caller: waits for a permit, leaves at once
 * Only Latchkey's has keys. "One" is a single semaphore for all keys; "a map" is the map of them that its users write,
 * whose entries stay for ever. p-limit takes a permit around a function only.
 */
import { Semaphore } from 'async-mutex';
import { Sema } from 'async-sema';
import pLimit from 'p-limit';
import { KeyedSemaphore } from '../../lib/latchkey.mjs';

const PERMITS = 5;
const nothing = () => {};

const keyed = new KeyedSemaphore(PERMITS);

export const latchkey = {
  name: 'latchkey',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        await keyed.lock(key);
        keyed.unlock(key);
      }
    }
  },
  async caller(key) {
    await keyed.lock(key);
    keyed.unlock(key);
  },
};

const latchkeyFunction = {
  name: 'latchkey, lockFunc',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) await keyed.lockFunc(key, nothing);
    }
  },
  caller: (key) => keyed.lockFunc(key, nothing),
};

const limitOf = mapOf(() => pLimit(PERMITS));

export const limiter = {
  name: 'p-limit, a map',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) await limitOf(key)(nothing);
    }
  },
  caller: (key) => limitOf(key)(nothing),
};

const asyncMutex = new Semaphore(PERMITS);

const asyncMutexOne = {
  name: 'async-mutex, one',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const _key of keys) {
        const [, release] = await asyncMutex.acquire();
        release();
      }
    }
  },
  async caller() {
    const [, release] = await asyncMutex.acquire();
    release();
  },
};

const asyncMutexOf = mapOf(() => new Semaphore(PERMITS));

export const asyncMutexMap = {
  name: 'async-mutex, a map',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        const [, release] = await asyncMutexOf(key).acquire();
        release();
      }
    }
  },
  async caller(key) {
    const [, release] = await asyncMutexOf(key).acquire();
    release();
  },
};

const asyncSema = new Sema(PERMITS);

const asyncSemaOne = {
  name: 'async-sema, one',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const _key of keys) {
        await asyncSema.acquire();
        asyncSema.release();
      }
    }
  },
  async caller() {
    await asyncSema.acquire();
    asyncSema.release();
  },
};

const asyncSemaOf = mapOf(() => new Sema(PERMITS));

export const asyncSemaMap = {
  name: 'async-sema, a map',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        const semaphore = asyncSemaOf(key);
        await semaphore.acquire();
        semaphore.release();
      }
    }
  },
  async caller(key) {
    const semaphore = asyncSemaOf(key);
    await semaphore.acquire();
    semaphore.release();
  },
};

export const semaphores = [
  latchkey,
  latchkeyFunction,
  limiter,
  asyncMutexOne,
  asyncMutexMap,
  asyncSemaOne,
  asyncSemaMap,
];

function mapOf(make) {
  const all = new Map();
  return (key) => {
    let one = all.get(key);
    if (!one) {
      one = make();
      all.set(key, one);
    }
    return one;
  };
}
