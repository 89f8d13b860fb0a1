import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { startProxy } from '../support/proxy.js';
import { postgresFaults } from './postgres-faults.js';
import type { Stored, Topology } from './topology.js';

/** The role of the workers: the faults are not struck by it, and need not spare it. */
export const ROLE = 'worker';

/** One PostgreSQL, which keeps what it has acknowledged: nothing that goes wrong with it is explained away. */
export async function startPostgresAlone(): Promise<Topology> {
  const server = await startPostgres();
  await makeRole(server);
  const [commands, messages] = await Promise.all([startProxy(server.port), startProxy(server.port)]);
  return {
    dial: {
      kind: 'postgres',
      url: server.url({ user: ROLE, port: commands.port }),
      listenUrl: server.url({ user: ROLE, port: messages.port }),
    },
    proxies: [commands, messages],
    whole: true,
    faults: postgresFaults({ server: () => server, role: ROLE, messages }),
    missing: ['server clock stepped: PostgreSQL reads no clock of ours'],
    look: () => lookInto(server),
    stop: async () => {
      await Promise.all([commands.close(), messages.close()]);
      await server.stop();
    },
  };
}

export async function makeRole(server: PostgresServer): Promise<void> {
  await server.ask(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${server.password}'`);
  await server.ask(`GRANT CREATE ON DATABASE postgres TO ${ROLE}`);
}

export async function lookInto(server: PostgresServer): Promise<Stored> {
  const locks = await server.ask<{ name: string; busy: boolean }>(
    `SELECT convert_from(o.name, 'UTF8') AS name, latchkey.info(o) IS NOT NULL AS busy FROM latchkey.lock o`,
  );
  const sessions = await server.ask<{ query: string }>(
    'SELECT left(query, 40) AS query FROM pg_stat_activity WHERE usename = $1',
    [ROLE],
  );
  const busy = locks.filter((lock) => lock.busy).map(({ name }) => name);
  return {
    busy: [...busy, ...sessions.map(({ query }) => `a session: ${query}`)],
    idle: locks.length - busy.length,
  };
}
