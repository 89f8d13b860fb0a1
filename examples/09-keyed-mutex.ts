/**
 * gmlock's page: mutexes by key inside one process, made when they are needed and gone when they are not.
 *
 *     node build/examples/09-keyed-mutex.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyedMutex, mutex } from 'latchkey';

const TEN = Array.from({ length: 10 }, (_, i) => i);
const key = 'lock';

console.log('lock: one after the other');
async function basic(i: number): Promise<void> {
  await mutex.lock(key);
  console.log(i);
  await sleep(20);
  mutex.unlock(key);
}
await Promise.all(TEN.map(basic));

console.log('tryLock: one of them');
async function nonBlocking(i: number): Promise<void> {
  if (!mutex.tryLock(key)) return console.log(false);
  console.log(i);
  await sleep(20);
  mutex.unlock(key);
}
await Promise.all(TEN.map(nonBlocking));

console.log('rLock: readers together, a writer alone');
await mutex.rLock(key);
console.log(`another reader: ${mutex.tryRLock(key)}, a writer: ${mutex.tryLock(key)}`);
mutex.rUnlock(key);
mutex.rUnlock(key);

console.log('the function forms unlock by themselves');
console.log(await mutex.lockFunc(key, () => 'lockFunc gives what the function gives'));
console.log(await mutex.rLockFunc(key, async () => 'rLockFunc too'));
console.log(`tryLockFunc ran: ${await mutex.tryLockFunc(key, () => {})}`);
console.log(`tryRLockFunc ran: ${await mutex.tryRLockFunc(key, () => {})}`);

console.log('a set of keys of your own; remove and clear are never needed');
const orders = new KeyedMutex<number>();
await orders.lock(7);
console.log(`size ${orders.size}, remove while held: ${orders.remove(7)}`);
orders.unlock(7);
orders.clear();
console.log(`size ${orders.size}, remove: ${orders.remove(7)}`);
