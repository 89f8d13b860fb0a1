/** What is asked of a `pg.Pool` that is lent to us: its settings are used, and it is otherwise left alone. */
export interface LentPool {
  readonly options: object;
  readonly totalCount: number;
  connect(...args: never[]): unknown;
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
