/**
 * BeeORM's page: obtain or not, obtain with a wait, and how long a lock lasts. Its `Refresh(2s)` of a lock with 3 s
 * left is shown to give 5 s: that is `extend` here, and `refresh` sets the time left.
 *
 *     node build/examples/06-obtain-with-wait.js
 *     LOCK_PROVIDER=redis node build/examples/06-obtain-with-wait.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider, type Wait } from 'latchkey';

const app = await createApp().install(lockProvider).start();
const locker = lock.L();

async function testLock(name: string, wait: Wait): Promise<void> {
  console.log(`GETTING LOCK ${name}`);
  await using lease = await locker.tryAcquire('test_lock', { ttl: '1m', wait });
  if (!lease) return console.log(`UNABLE TO GET LOCK ${name}`);
  console.log(`GOT LOCK ${name}`);
  await sleep(300);
  console.log(`RELEASING LOCK ${name}`);
}

await Promise.all([testLock('A', 0), testLock('B', 0)]);
console.log();
await Promise.all([testLock('A', '5s'), testLock('B', '5s')]);
console.log();

const seconds = (ms: number) => Math.round(ms / 1_000);
const lease = await locker.acquire('test', { ttl: '5s', wait: 0 });
console.log(`GOT LOCK FOR ${seconds(lease.ttl())} SECONDS`);
await sleep(1_000);
console.log(`WILL EXPIRE IN ${seconds(lease.ttl())} SECONDS`);
await sleep(1_000);
console.log(`WILL EXPIRE IN ${seconds(lease.ttl())} SECONDS`);
if (!(await lease.extend('2s'))) console.log('LOST LOCK');
console.log(`WILL EXPIRE IN ${seconds(lease.ttl())} SECONDS`);
if (!(await lease.refresh('2s'))) console.log('LOST LOCK');
console.log(`WILL EXPIRE IN ${seconds(lease.ttl())} SECONDS`);
await lease.release();

await app.stop();
