import { redisDriver } from '../../../src/drivers/redis/driver.js';
import type { Locker } from '../../../src/lease/locker.js';
import type { LockerOptions } from '../../../src/lease/options.js';
import { LockRegistry } from '../../../src/registry.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { type Env, killAll, redisEnv } from './command.js';

/** A Redis, and a service with locks in it. */
export class CommandBed {
  readonly #registry = new LockRegistry();
  readonly locker: Locker;
  readonly env: Env;

  private constructor(readonly server: RedisServer) {
    this.env = redisEnv(server.url);
    this.#registry.registerDriver('redis', () => redisDriver({ url: server.url }));
    this.locker = this.another('service');
  }

  static async start(): Promise<CommandBed> {
    return new CommandBed(await startRedis());
  }

  another(name: string, options: LockerOptions = {}): Locker {
    return this.#registry.registerLocker(name, { driver: 'redis', ...options }).mustOf(name);
  }

  async stop(): Promise<void> {
    killAll();
    await this.#registry.close({ grace: 0 }).catch(() => {});
    await this.server.stop();
  }
}
