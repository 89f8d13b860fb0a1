import { checkAddressNames } from '../../core/check.js';

/** What is asked of a `pg.Pool` that is lent to us: its settings are used, and it is otherwise left alone. */
export interface LentPool {
  readonly options: object;
  readonly totalCount: number;
  connect(...args: never[]): unknown;
}

const OURS = ['url', 'listenUrl', 'schema', 'connections', 'pool'] satisfies (keyof PostgresOptions)[];
const OF_PG = ['connectionString', 'host', 'port', 'database', 'user', 'Client'];

const URL = "`url: 'postgres://host:port/database'`";

/** How other clients and services call what says where PostgreSQL is, and as whom to connect. `pg` ignores it. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['uri', 'connectionurl', 'connectionuri', 'databaseurl', 'postgresurl', 'dsn', 'address', 'endpoint']
      .concat(['server', 'servers', 'hosts', 'nodes', 'endpoints'])
      .map((name) => [name, URL]),
  ),
  client: '`pool`',
  config: 'the options themselves as `postgres`',
  hostname: '`host`',
  socketpath: '`host`, which may be the directory of the socket',
  db: '`database`',
  dbname: '`database`',
  databasename: '`database`',
  username: '`user`',
  pass: '`password`',
  listenuri: '`listenUrl`',
};

/** @throws LockUsageError for a name that is nearly one of ours, or that says where PostgreSQL is and is not of `pg` */
export function checkAddress(postgres: LentPool | PostgresOptions): void {
  if (!isPool(postgres)) checkAddressNames('postgres', postgres, [...OURS, ...OF_PG], INSTEAD);
}

/** Where PostgreSQL is: a URL, or the options of a `pg` client. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, TLS by `sslmode` or by the option `ssl` of `pg`. Default `postgres://127.0.0.1:5432`. */
  url?: string | undefined;
  /** In place of an address: a pool whose settings are used, and which is otherwise left alone. Options beside it count more. */
  pool?: LentPool | undefined;
  /** A direct address for LISTEN, to the same database, where `url` is a pooler's that works by transaction. Default: `url`. */
  listenUrl?: string | undefined;
  /** Where the tables are. Default `latchkey`. */
  schema?: string | undefined;
  /** How many connections carry commands, beside the one that listens. Default 3. */
  connections?: number | undefined;
  [option: string]: unknown;
}

/** Whether it is a pool, or looks like one. A client of `pg` does not, nor what other packages connect by. */
export function isPool(postgres: LentPool | PostgresOptions): postgres is LentPool {
  const { connect, options, totalCount } = postgres;
  return typeof connect === 'function' && typeof options === 'object' && typeof totalCount === 'number';
}
