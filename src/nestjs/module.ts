import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { checkNames } from '../core/check.js';
import { LockUsageError } from '../core/errors.js';
import { inProduction } from '../core/node-env.js';
import { DEFAULT_LOCKER, LockRegistry } from '../registry.js';
import { enter, leave } from '../running.js';
import { checkOptions, type LockProviderOptions } from '../setup/options.js';
import { registryOf } from '../setup/registry-of.js';
import { getLockerToken } from './inject-locker.js';

const OPTIONS = Symbol('latchkey options');

export interface LatchkeyAsyncOptions {
  /** Modules whose providers `inject` names. */
  imports?: ModuleMetadata['imports'];
  /** What `useFactory` is called with. */
  inject?: FactoryProvider['inject'];
  /** The names of the lockers beside `default`: Nest must know them before `useFactory` is called. */
  lockers?: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: the arguments are what `inject` names
  useFactory: (...args: any[]) => LockProviderOptions | Promise<LockProviderOptions>;
}

/**
 * Locks for a NestJS app. Every module can inject `LockRegistry`, `Locker`, and the lockers by name with
 * `@InjectLocker`. Import it once. `lock.L()` and `@WithLock` use its lockers while the app runs.
 *
 * The start of the app connects every driver that a locker uses. Its shutdown refuses new leases, gives holders the
 * time `grace` to finish, ends the remaining leases, and closes what was opened. This comes last, after the server has
 * stopped listening. Nest does it on `app.close()`, and on signals after `app.enableShutdownHooks()`.
 *
 * It reads no settings from the environment. Give them in the options.
 */
@Module({})
export class LatchkeyModule implements OnModuleInit, OnApplicationShutdown {
  readonly #registry: LockRegistry;
  readonly #options: LockProviderOptions;

  /** @internal */
  constructor(@Inject(LockRegistry) registry: LockRegistry, @Inject(OPTIONS) options: LockProviderOptions) {
    this.#registry = registry;
    this.#options = options;
  }

  /** @throws LockUsageError naming the first option that is wrong. */
  static forRoot(options: LockProviderOptions = {}): DynamicModule {
    checkOptions(options);
    return moduleOf({ provide: OPTIONS, useValue: options }, Object.keys(options.lockers ?? {}));
  }

  /**
   * For options that are known only when the app starts. If they are wrong, the start fails with LockUsageError.
   * @throws LockUsageError for a wrong option, or a wrong name of a locker.
   */
  static forRootAsync(asked: LatchkeyAsyncOptions): DynamicModule {
    checkNames(asked, ['imports', 'inject', 'lockers', 'useFactory']);
    const { imports = [], inject = [], lockers = [], useFactory } = asked;
    if (typeof useFactory !== 'function') throw new LockUsageError('useFactory', useFactory, 'a function');
    if (!Array.isArray(lockers)) throw new LockUsageError('lockers', lockers, 'an array of names');
    const options: Provider = {
      provide: OPTIONS,
      inject,
      useFactory: async (...args: unknown[]) => {
        const given = await useFactory(...args);
        checkOptions(given);
        const named = Object.fromEntries(lockers.map((name) => [name, {}]));
        return { ...given, lockers: { ...named, ...given.lockers } };
      },
    };
    return moduleOf(options, lockers, imports);
  }

  /** @internal */
  async onModuleInit(): Promise<void> {
    try {
      await this.#registry.connect();
    } catch (error) {
      await this.#registry.close({ grace: 0 }).catch(() => {});
      throw error;
    }
    enter(this.#registry);
  }

  /** @internal */
  async onApplicationShutdown(): Promise<void> {
    try {
      await this.#registry.close({ grace: this.#options.grace });
    } finally {
      leave(this.#registry);
    }
  }
}

function moduleOf(
  options: Provider,
  lockers: readonly string[],
  imports: ModuleMetadata['imports'] = [],
): DynamicModule {
  const registry: Provider = {
    provide: LockRegistry,
    inject: [OPTIONS],
    useFactory: (given: LockProviderOptions) => registryOf(given, { production: inProduction() }),
  };
  const named = [...new Set([DEFAULT_LOCKER, ...lockers])].map(
    (name): FactoryProvider => ({
      provide: getLockerToken(name),
      inject: [LockRegistry],
      useFactory: (locks: LockRegistry) => locks.mustOf(name),
    }),
  );
  return {
    module: LatchkeyModule,
    global: true,
    imports,
    providers: [options, registry, ...named],
    exports: [LockRegistry, ...named.map(({ provide }) => provide)],
  };
}
