import { KeyedMutex, KeyedSemaphore } from 'latchkey/mutex';

const mutex = new KeyedMutex<string>();
const order: number[] = [];
await Promise.all([1, 2, 3].map((caller) => mutex.lockFunc('user:7', () => order.push(caller))));
const semaphore = new KeyedSemaphore<string>(2);
const entered = [1, 2, 3].map(() => semaphore.tryLock('downloads'));
console.log(order.join(), entered.join());
