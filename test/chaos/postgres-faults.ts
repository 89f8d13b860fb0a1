import type { PostgresServer } from '../support/postgres-server.js';
import type { TcpProxy } from '../support/proxy.js';
import type { Random } from '../support/random.js';
import { sleep, until } from '../support/wait.js';
import type { Fault } from './faults.js';
import { ALL_KEYS } from './setting.js';

/** What the faults are struck at. */
export interface Struck {
  /** The one that serves now. */
  server(): PostgresServer;
  /** Of the workers. */
  readonly role: string;
  /** Through which messages come. */
  readonly messages: TcpProxy;
}

/** Faults of a PostgreSQL server, of its sessions, and of the strangers it serves. */
export const postgresFaults = (struck: Struck): Fault[] => [
  ...serverFaults(struck),
  ...sessionFaults(struck),
  ...messageFaults(struck),
  ...strangers(struck),
];

const serverFaults = ({ server, role }: Struck): Fault[] => [
  {
    kind: 'PostgreSQL killed, restarted with its data',
    strike: async ({ random }) => {
      await server().kill();
      await sleep(random.between(0, 1_500));
      await server().start();
    },
  },
  {
    kind: 'PostgreSQL shut down immediately, restarted',
    strike: async ({ random }) => {
      await server().shutdown('immediate');
      await sleep(random.between(0, 500));
      await server().start();
    },
  },
  {
    kind: 'PostgreSQL shut down fast, restarted',
    strike: async ({ random }) => {
      await server().shutdown('fast');
      await sleep(random.between(0, 500));
      await server().start();
    },
  },
  {
    kind: 'one session killed (SIGKILL): all sessions end',
    strike: async ({ random }) => {
      const pids = await sessions(server(), role);
      if (pids.length > 0) process.kill(random.pick(pids), 'SIGKILL');
      await until(
        () =>
          server()
            .ask('SELECT')
            .then(() => true),
        20_000,
        'PostgreSQL to have recovered',
      );
    },
  },
  {
    kind: 'PostgreSQL and its sessions stopped (SIGSTOP)',
    down: true,
    strike: async ({ random }) => {
      server().pause();
      await sleep(random.between(100, 3_500));
      server().resume();
    },
  },
  {
    kind: 'PostgreSQL stopped, but not its sessions: nobody new is served',
    strike: async ({ random, topology }) => {
      server().signal('SIGSTOP');
      for (const proxy of topology.proxies) if (random.chance(0.5)) proxy.reset();
      await sleep(random.between(100, 3_000));
      server().signal('SIGCONT');
    },
  },
];

const sessionFaults = ({ server, role }: Struck): Fault[] => [
  {
    kind: 'some sessions stopped (SIGSTOP), with the locks they have',
    strike: async ({ random }) => {
      const pids = await sessions(server(), role);
      const chosen = random.shuffled(pids).slice(0, random.between(1, 4));
      for (const pid of chosen) signal(pid, 'SIGSTOP');
      await sleep(random.between(50, 2_500));
      for (const pid of chosen) signal(pid, 'SIGCONT');
    },
  },
  {
    kind: 'sessions terminated: some of all',
    strike: async ({ random }) => {
      const share = random.pick([0.2, 0.5, 1]);
      const pids = (await sessions(server(), role)).filter(() => random.chance(share));
      await server().ask('SELECT pg_terminate_backend(p) FROM unnest($1::int[]) p', [pids]);
    },
  },
  {
    kind: 'sessions terminated: those that listen',
    strike: async () => {
      await server().ask(
        `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
        WHERE a.usename = $1 AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock'`,
        [role],
      );
    },
  },
  {
    kind: 'statements cancelled, again and again',
    strike: async ({ random }) => {
      const end = performance.now() + random.between(200, 1_500);
      while (performance.now() < end) {
        const pids = (await sessions(server(), role, 'active')).filter(() => random.chance(0.5));
        await server().ask('SELECT pg_cancel_backend(p) FROM unnest($1::int[]) p', [pids]);
      }
    },
  },
];

const messageFaults = ({ messages }: Struck): Fault[] => [
  {
    kind: 'messages late, commands in time',
    strike: async ({ random }) => {
      messages.delay(random.between(50, 800));
      await sleep(random.between(500, 2_500));
      messages.passThrough();
    },
  },
  {
    kind: 'messages lost, commands in time',
    strike: async ({ random }) => {
      messages.dropReplies();
      await sleep(random.between(200, 2_500));
      messages.passThrough();
    },
  },
  { kind: 'connections for messages reset', strike: async () => messages.reset() },
];

const strangers = ({ server, role }: Struck): Fault[] => [
  {
    kind: 'a row locked by a stranger that is idle in a transaction',
    strike: async ({ random }) => {
      const stranger = await server().client();
      await stranger.query('BEGIN');
      await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [
        Buffer.from(random.pick(ALL_KEYS)),
      ]);
      await sleep(random.between(50, 2_500));
      await stranger.query('COMMIT');
      await stranger.end();
    },
  },
  {
    kind: 'statement_timeout of a few ms',
    strike: ({ random }) => configured(server(), random, `statement_timeout = ${random.between(1, 20)}`),
  },
  {
    kind: 'limit of connections reached',
    strike: async ({ random }) => {
      await server().ask(`ALTER ROLE ${role} CONNECTION LIMIT ${random.between(0, 5)}`);
      const pids = await sessions(server(), role);
      await server().ask('SELECT pg_terminate_backend(p) FROM unnest($1::int[]) p', [pids]);
      await sleep(random.between(200, 2_000));
      await server().ask(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
    },
  },
  {
    kind: 'fences as if the clock had been ahead',
    strike: async ({ random }) => {
      const ahead = `(extract(epoch FROM clock_timestamp()) * 1000 + ${random.between(500, 2_000)})::int8 * 1000`;
      await server().ask(`UPDATE latchkey.lock SET last = greatest(last, ${ahead}) WHERE name = $1`, [
        Buffer.from(random.pick(ALL_KEYS)),
      ]);
    },
  },
];

/** The processes of the role's sessions. */
async function sessions(server: PostgresServer, role: string, state?: 'active'): Promise<number[]> {
  const rows = await server.ask<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE usename = $1 AND ($2::text IS NULL OR state = $2) ORDER BY pid',
    [role, state ?? null],
  );
  return rows.map(({ pid }) => pid);
}

/** A setting of the server, for a while. */
async function configured(server: PostgresServer, random: Random, setting: string): Promise<void> {
  const ours = await server.client({ options: '-c statement_timeout=0' });
  await ours.query(`ALTER SYSTEM SET ${setting}`);
  await ours.query('SELECT pg_reload_conf()');
  await sleep(random.between(100, 1_000));
  await ours.query(`ALTER SYSTEM RESET ${setting.split(' ')[0]}`);
  await ours.query('SELECT pg_reload_conf()');
  await ours.end();
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
