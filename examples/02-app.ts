/**
 * An app: a service that has the Locker injected, a hook that takes a lock while the app starts, and an orderly stop
 * on SIGTERM.
 *
 *     node build/examples/02-app.js    then Ctrl-C, or kill -TERM its pid
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { inject, injectable } from 'inversify';
import { createApp, Locker, lock, lockProvider, type Provider } from 'latchkey';

@injectable()
class Reports {
  constructor(@inject(Locker) private readonly locker: Locker) {}

  /** Runs once at a time, in however many processes. */
  build(day: string): Promise<string> {
    return this.locker.with(`report:${day}`, async (lease) => {
      await sleep(100, undefined, { signal: lease.signal });
      return `report of ${day}, built under fence ${lease.fence}`;
    });
  }
}

const migrations: Provider = {
  name: 'migrations',
  async start() {
    await using migration = lock.L().New('migrate', '1m');
    await migration.lock();
    console.log('migrated, one process at a time');
  },
  stop() {
    console.log('stopped');
  },
};

const app = createApp({ signals: true }).install(lockProvider, migrations);
app.container.bind(Reports).toSelf();
await app.start();

console.log(await app.get(Reports).build('monday'));
console.log(`running as ${process.pid}; SIGTERM stops it`);
setInterval(() => {}, 1_000); // stands for a server, which would keep the process alive
