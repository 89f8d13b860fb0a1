/**
 * mcube's page: `New(key, ttl)`, lock, unlock; then nine who lock and never unlock, so that each waits for the ttl of
 * the one before it; then nine who try. The driver is chosen by LOCK_PROVIDER: `go_cache`, `memory`, `redis`
 * or `postgres`.
 *
 *     node build/examples/08-new-lock-unlock.js
 *     LOCK_PROVIDER=redis node build/examples/08-new-lock-unlock.js
 */
import { createApp, lock, lockProvider } from 'latchkey';

const NINE = Array.from({ length: 9 }, (_, i) => i);
const TTL = '200ms'; // a second on mcube's page

const app = await createApp().install(lockProvider).start();

const test = lock.L().New('test', '10s');
await test.lock();
console.log(`locked for ${Math.round(test.ttl() / 1_000)} s`);
await test.unlock();

async function lockTest(number: number): Promise<void> {
  console.log(number, 'start');
  await lock.L().New('test', TTL).lock();
  console.log(number, 'down');
}
await Promise.all(NINE.map(lockTest));

async function tryLockTest(number: number): Promise<void> {
  console.log(number, 'start');
  const obtained = await lock.L().New('try', TTL).tryLock();
  console.log(number, obtained ? 'obtained lock' : 'lock: not obtained');
}
await Promise.all(NINE.map(tryLockTest));

await app.stop();
