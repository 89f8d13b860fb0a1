/**
 * Who is measured through Redis. `connect(url)` opens a session of its own connection:
 *   acquire(key)    waits until it is held; resolves to what releases it
 *   keep(key, ttl)  holds it by renewing it; resolves to what says whether it still does
 *   permit(key, limit)  as acquire, one of so many permits; those that have no semaphore lack it
 * `renewsEvery(ttl)` tells when it renews by itself; `inStep`, that all who wait ask again at the same time.
 * `permits` says that there are semaphores. `sends` names the commands it sends for that, for commandstats count those of scripts too.
 */
const MODULES = {
  latchkey: ['./contenders/latchkey.mjs', 'default'],
  bare: ['./contenders/bare.mjs', 'default'],
  semaphore: ['./contenders/redis-semaphore.mjs', 'default'],
  redlock: ['./contenders/redlock.mjs', 'redlock'],
  sesame: ['./contenders/redlock.mjs', 'sesame'],
  universal: ['./contenders/redlock-universal.mjs', 'default'],
  verrou: ['./contenders/verrou.mjs', 'default'],
};

/** Not measured beside the peers: parts of one, another way of one, and the limit of a hand-off. */
const PARTS = {
  message: ['./contenders/message.mjs', 'default'],
  scripts: ['./contenders/scripts.mjs', 'default'],
  thread: ['./contenders/latchkey.mjs', 'thread'],
};

/** One by its id; a child process loads no more than that. */
export async function load(id) {
  const [path, name] = MODULES[id] ?? PARTS[id];
  return { id, ...(await import(path))[name] };
}

/** All that can be loaded here; says why of the others. */
export async function loadAll() {
  const loaded = await Promise.all(
    Object.keys(MODULES).map((id) =>
      load(id).catch((error) => {
        console.log(`skipped: ${id} cannot be loaded here: ${error.message}`);
      }),
    ),
  );
  return loaded.filter((one) => one !== undefined);
}
