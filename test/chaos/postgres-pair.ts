import type { PostgresServer } from '../support/postgres-server.js';
import { startPostgres } from '../support/postgres-server.js';
import { MIRROR, startStandby } from '../support/postgres-standby.js';
import { startProxy, type TcpProxy } from '../support/proxy.js';
import { sleep, until } from '../support/wait.js';
import type { Fault } from './faults.js';
import { lookInto, makeRole, ROLE } from './postgres.js';
import { postgresFaults } from './postgres-faults.js';
import type { Topology } from './topology.js';

/**
 * A primary and its standby. What a synchronous standby has confirmed is there after a fail-over, and nothing explained
 * away; an asynchronous one may lack the latest.
 */
export async function startPostgresPair(): Promise<Topology> {
  const pair = await Pair.start();
  const { commands, messages } = pair;
  const common = postgresFaults({ server: () => pair.primary, role: ROLE, messages });
  return {
    dial: {
      kind: 'postgres',
      url: pair.primary.url({ user: ROLE, port: commands.port }),
      listenUrl: pair.primary.url({ user: ROLE, port: messages.port }),
    },
    proxies: [commands, messages],
    whole: true,
    faults: [...common, ...failOvers(pair)],
    missing: ['server clock stepped: PostgreSQL reads no clock of ours'],
    look: () => lookInto(pair.primary),
    stop: () => pair.stop(),
  };
}

const failOvers = (pair: Pair): Fault[] => [
  {
    kind: 'fail-over to a synchronous standby',
    strike: async ({ random }) => {
      await pair.synchronize();
      await sleep(random.between(200, 1_500));
      await pair.failOver();
    },
  },
  {
    kind: 'fail-over to an asynchronous standby that lags',
    explains: 'fail-over',
    rare: true,
    strike: async ({ random }) => {
      pair.replication.blackhole();
      await sleep(random.between(100, 1_500));
      await pair.failOver();
    },
  },
];

class Pair {
  private constructor(
    public primary: PostgresServer,
    public standby: PostgresServer,
    readonly commands: TcpProxy,
    readonly messages: TcpProxy,
    readonly replication: TcpProxy,
  ) {}

  static async start(): Promise<Pair> {
    const primary = await startPostgres();
    await makeRole(primary);
    const [commands, messages, replication] = await Promise.all(
      [1, 2, 3].map(() => startProxy(primary.port)),
    );
    const standby = await startStandby(primary, replication!.port);
    return new Pair(primary, standby, commands!, messages!, replication!);
  }

  /** Whatever is acknowledged from now on is on the standby, and all before it. */
  async synchronize(): Promise<void> {
    // A primary that was restarted may be followed anew only now.
    await until(() => this.#state('async'), 20_000, 'the standby to follow');
    await this.primary.ask(`ALTER SYSTEM SET synchronous_standby_names = '${MIRROR}'`);
    await this.primary.ask('SELECT pg_reload_conf()');
    await until(() => this.#state('sync'), 20_000, 'the standby to be synchronous');
  }

  /** The primary is killed and the standby takes its place; then it gets a standby of its own. */
  async failOver(): Promise<void> {
    const old = this.primary;
    await old.kill();
    this.replication.reset();
    this.replication.passThrough();
    for (const proxy of [this.commands, this.messages, this.replication])
      proxy.targetPort = this.standby.port;
    await this.standby.ask('SELECT pg_promote()');
    this.primary = this.standby;
    await old.stop();
    this.standby = await startStandby(this.primary, this.replication.port);
  }

  async stop(): Promise<void> {
    await Promise.all([this.commands, this.messages, this.replication].map((proxy) => proxy.close()));
    await Promise.all([this.primary.stop(), this.standby.stop()]);
  }

  async #state(state: 'async' | 'sync'): Promise<boolean> {
    const rows = await this.primary.ask(
      `SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '${state}'`,
    );
    return rows.length === 1;
  }
}
