/** async-mutex, and the two maps of them that its users write, for it has no keys. */
import { Mutex, withTimeout } from 'async-mutex';

const one = new Mutex();

async function oneCaller(_key, work) {
  const release = await one.acquire();
  if (work) await work();
  release();
}

export const oneMutex = {
  name: 'async-mutex, one',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const _key of keys) {
        const release = await one.acquire();
        release();
      }
    }
  },
  read: oneCaller,
  write: oneCaller,
};

const kept = new Map();

function mutexOf(key) {
  let mutex = kept.get(key);
  if (!mutex) {
    mutex = new Mutex();
    kept.set(key, mutex);
  }
  return mutex;
}

async function keptCaller(key, work) {
  const release = await mutexOf(key).acquire();
  if (work) await work();
  release();
}

/** Entries stay for ever. */
export const keptMap = {
  name: 'async-mutex, a map',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        const release = await mutexOf(key).acquire();
        release();
      }
    }
  },
  read: keptCaller,
  write: keptCaller,
  timeOut: (key, ms) => withTimeout(mutexOf(key), ms).acquire(),
  hold: (keys) => Promise.all(keys.map((key) => mutexOf(key).acquire())),
  wait: (key) => mutexOf(key).acquire(),
};

function leave(key, mutex, release) {
  release();
  if (!mutex.isLocked()) kept.delete(key);
}

async function tidyCaller(key, work) {
  const mutex = mutexOf(key);
  const release = await mutex.acquire();
  if (work) await work();
  leave(key, mutex, release);
}

/** Entries go when nobody holds or awaits them. */
export const tidyMap = {
  name: 'async-mutex, a map, tidied',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        const mutex = mutexOf(key);
        const release = await mutex.acquire();
        leave(key, mutex, release);
      }
    }
  },
  read: tidyCaller,
  write: tidyCaller,
};
