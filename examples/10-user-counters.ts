/**
 * mapmutex's page: a counter for each user. Increments of one user go one by one, users do not wait for each other.
 * `tryLockWithRetry` tries as hard as its strategy says; `lock`, which waits in line, needs none.
 *
 *     node build/examples/10-user-counters.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyedMutex, retry } from 'latchkey';

const USERS = 20;
const INCREMENTS = 10;

const counters = new Map<number, number>();
const mutex = new KeyedMutex<number>();

async function increment(user: number): Promise<void> {
  const before = counters.get(user) ?? 0;
  await sleep(2); // reads and writes elsewhere, so that increments would be lost without the lock
  counters.set(user, before + 1);
}

// mapmutex's defaults: up to 200 tries, from 10 ns growing by 1.1 up to 100 ms, each a fifth more or less.
async function fromAnyDevice(user: number): Promise<boolean> {
  if (!(await mutex.tryLockWithRetry(user, retry.backoff()))) return false;
  await increment(user);
  mutex.unlock(user);
  return true;
}

const clicks = Array.from({ length: USERS * INCREMENTS }, (_, i) => i % USERS);
const counted = (await Promise.all(clicks.map(fromAnyDevice))).filter(Boolean).length;
const sum = [...counters.values()].reduce((a, b) => a + b);
console.log(`${counted} of ${clicks.length} increments, counted ${sum}.`);

const patience = retry.backoff({
  maxRetry: 5,
  baseDelay: '1ms',
  maxDelay: '20ms',
  factor: 2,
  jitter: 0.1,
});
await mutex.lock(0);
console.log(`somebody holds it, 5 tries: ${await mutex.tryLockWithRetry(0, patience)}`);
mutex.unlock(0);
console.log(`it is free, 5 tries: ${await mutex.tryLockWithRetry(0, patience)}`);
mutex.unlock(0);

await Promise.all(clicks.map((user) => mutex.lockFunc(user, () => increment(user))));
console.log(`With lockFunc all ${clicks.length} more: ${[...counters.values()].reduce((a, b) => a + b)}.`);
