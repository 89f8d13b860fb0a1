/**
 * Nine workers contend for one lock, first waiting for it, then trying once.
 *
 *     npm start                        in memory
 *     LOCK_PROVIDER=redis npm start    through Redis; run several at once
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider } from 'latchkey';

const WORKERS = 9;
const WORK_MS = 50;

let holding = 0;
let mostAtOnce = 0;

async function work(): Promise<void> {
  holding++;
  mostAtOnce = Math.max(mostAtOnce, holding);
  await sleep(WORK_MS);
  holding--;
}

function say(worker: number, what: string): void {
  console.log(`${new Date().toISOString().slice(11, 23)}  ${process.pid}  worker ${worker}  ${what}`);
}

async function waitFor(worker: number): Promise<void> {
  const test = lock.L().New('test', '1s');
  await test.lock();
  say(worker, `got the lock, fence ${test.fence}`);
  await work();
  await test.unlock();
}

async function tryFor(worker: number): Promise<void> {
  const test = lock.L().New('test', '1s');
  if (!(await test.tryLock())) return say(worker, 'lock: not obtained');
  say(worker, `obtained the lock, fence ${test.fence}`);
  await work();
  await test.unlock();
}

const app = await createApp().install(lockProvider).start();
const workers = Array.from({ length: WORKERS }, (_, i) => i);

console.log(`lock(): each of ${WORKERS} workers waits for its turn`);
await Promise.all(workers.map(waitFor));

console.log('tryLock(): one of them gets it, the others do not wait');
await Promise.all(workers.map(tryFor));

await app.stop();
console.log(`At most ${mostAtOnce} held the lock at once.`);
