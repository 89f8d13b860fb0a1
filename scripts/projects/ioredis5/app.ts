import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { LockRegistry, redisDriver } from 'latchkey/locks';

const connection = new Redis(process.env.REDIS_URL!, { maxRetriesPerRequest: null });
const registry = new LockRegistry()
  .registerDriver('redis', () => redisDriver(connection))
  .registerLocker('default', { driver: 'redis' });
const locker = registry.mustOf();

const queue = new Queue('orders', { connection });
let done!: (fence: number) => void;
let fail!: (error: Error) => void;
const paid = new Promise<number>((resolve, reject) => {
  done = resolve;
  fail = reject;
});
const worker = new Worker('orders', (job) => locker.with(`order:${job.data.id}`, (lease) => lease.fence), {
  connection,
});
worker.on('completed', (_job, fence: number) => done(fence));
worker.on('failed', (_job, error) => fail(error));
await queue.add('pay', { id: 7 });
console.log(`paid under fence ${await paid}`);

await worker.close();
await queue.close();
await registry.close();
await connection.quit();
