import { inject, injectable, named } from 'inversify';
import { createApp, Locker, lockProvider, WithLock } from 'latchkey';

@injectable()
class Orders {
  constructor(
    @inject(Locker) readonly locker: Locker,
    @inject(Locker) @named('jobs') readonly jobs: Locker,
  ) {}

  @WithLock('order:{0.id}')
  async pay(order: { id: number }): Promise<string> {
    const held = await this.locker.inspect(`order:${order.id}`);
    return `paid ${order.id} under ${held?.holders.length} lock, ${this.jobs.name}`;
  }
}

const app = createApp({ env: {} }).install(lockProvider({ lockers: { jobs: { ttl: '5m' } } }));
app.container.bind(Orders).toSelf();
await app.start();
console.log(await app.get(Orders).pay({ id: 7 }));
await app.stop();
