/**
 * runa's page: a locker `jobs` with defaults of its own in an app, and a registry that needs no app.
 *
 *     node build/examples/07-registry.js
 *     LOCK_PROVIDER=redis LOCK_LOCKERS__JOBS__TTL=20s node build/examples/07-registry.js
 */
import { createApp, LockRegistry, lock, lockProvider } from 'latchkey';

const app = await createApp()
  .install(lockProvider({ lockers: { jobs: { ttl: '30s', wait: '5s' } } }))
  .start();
const jobs = lock.default().mustOf('jobs');
const report = await jobs.with('daily-report', (lease) => `the report, under fence ${lease.fence}`);
console.log(report);
for (const { name, driver, ttl, wait } of lock.default().info()) {
  console.log(`${name}: ${driver}, ttl ${ttl} ms, wait ${wait} ms`);
}
await app.stop();

const registry = new LockRegistry().registerLocker('schedule', { ttl: '10s', wait: '100ms' });
const schedule = registry.mustOf('schedule');
const lease = await registry.mustOf().tryAcquire('job', { ttl: '1m' });
const again = await registry.mustOf().tryAcquire('job', { ttl: '1m' });
console.log(`job: ${lease ? 'obtained' : 'taken'}, and again: ${again ? 'obtained' : 'taken'}`);
await lease?.release();

const skipped = await schedule.with('cleanup', () => schedule.tryWith('cleanup', () => 'twice'));
console.log(`cleanup inside cleanup: ${skipped.acquired ? 'ran' : 'skipped'}`);
await registry.close();
