import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Locker, WithLock } from 'latchkey/locks';
import { InjectLocker, LatchkeyModule } from 'latchkey/nestjs';

@Injectable()
class Orders {
  constructor(
    readonly locker: Locker,
    @InjectLocker('jobs') readonly jobs: Locker,
  ) {}

  @WithLock('order:{0.id}')
  async pay(order: { id: number }): Promise<string> {
    const held = await this.locker.inspect(`order:${order.id}`);
    return `paid ${order.id} under ${held?.holders.length} lock, ${this.jobs.name}`;
  }
}

@Module({
  imports: [LatchkeyModule.forRoot({ lockers: { jobs: { ttl: '5m' } } })],
  providers: [Orders],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
console.log(await app.get(Orders).pay({ id: 7 }));
await app.close();
