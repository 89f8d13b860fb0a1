import type { Client, ClientConfig } from 'pg';
import { checkNoUrl, checkText } from '../../core/check.js';
import { LockBackendError, LockConfigError, LockUsageError } from '../../core/errors.js';
import { completed } from './address.js';
import { checkLentPool } from './lent-pool.js';
import { isPool, type LentPool, type PostgresOptions } from './options.js';

/** What a connection is for: one for renewals carries those of a thread. */
export type Purpose = 'commands' | 'messages' | 'renewals';

/** How connections are made. */
export interface Dialler {
  readonly schema: string;
  /** How many carry commands. */
  readonly connections: number;
  /** Where they go, without a password. */
  readonly address: string;
  /** A connection that is not open yet. */
  dial(purpose: Purpose): Client;
}

// How long it may take to connect.
const CONNECT_MS = 2_000;
const DEFAULT_URL = 'postgres://127.0.0.1:5432';
export const DEFAULT_SCHEMA = 'latchkey';

/** @throws LockConfigError when pg is not installed or the address is wrong, LockUsageError */
export async function dialler(postgres: LentPool | PostgresOptions): Promise<Dialler> {
  const { Client } = await importPg();
  if (typeof postgres !== 'object' || postgres === null || Array.isArray(postgres)) {
    // A URL may hold a password.
    const got = typeof postgres === 'string' ? 'text' : postgres;
    throw new LockUsageError('postgres', got, 'a pg.Pool, or options of pg, or { url }');
  }
  checkLentPool(postgres);
  const asked: PostgresOptions = isPool(postgres) ? { pool: postgres } : postgres;
  const { url, listenUrl, schema = DEFAULT_SCHEMA, connections = 3, pool, ...options } = asked;
  if (pool !== undefined && !isPool(pool)) throw new LockUsageError('postgres.pool', pool, 'a pg.Pool');
  checkSchema(schema);
  if (!Number.isInteger(connections) || connections < 1 || connections > 100)
    throw new LockUsageError('postgres.connections', connections, 'a whole number from 1 to 100');
  const given = besides(pool?.options ?? {}, options);
  checkNoUrl('postgres.host', given.host);
  const address =
    urlOf('url', url) ?? given.connectionString ?? (pool || hasAddress(given) ? undefined : DEFAULT_URL);
  const listenAddress = urlOf('listenUrl', listenUrl) ?? address;
  for (const each of [address, listenAddress]) checkLogin(each);
  const dial = (to: string | undefined) => {
    const { connectionString, password, database } = to === undefined ? {} : completed(to, given);
    const client = new Client(Object.assign(besides(given, { connectionString }), OURS));
    if (password) client.password = password as string;
    if (database) client.database = parametersOf(client).database = database;
    return client;
  };
  return {
    schema,
    connections,
    address: describe(tried(() => dial(address))),
    dial: (purpose) => {
      const client = dial(purpose === 'messages' ? listenAddress : address);
      // A name in the address would count more than one in the options.
      if (purpose === 'renewals') parametersOf(client).application_name = 'latchkey-renewal';
      return client;
    },
  };
}

/** A copy of a pool's options, also of those that hold a secret and cannot be enumerated; what is set in `others` counts more. */
function besides(options: object, others: object): ClientConfig {
  const set = Object.entries(others).filter(([, value]) => value !== undefined);
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(options));
  return Object.assign(copy, Object.fromEntries(set));
}

const RAW = { getTypeParser: () => (value: unknown) => value };

// Ours are never shared with anyone, and are told when the server is silent.
const OURS = {
  fallback_application_name: 'latchkey',
  connectionTimeoutMillis: CONNECT_MS,
  keepAlive: true,
  pipeline: true,
  query_timeout: 0,
  statement_timeout: 0,
  lock_timeout: 0,
  binary: false,
  // Whatever the service has taught pg for its own values.
  types: RAW,
};

/** A schema's name, as it stands in SQL. */
export const quoted = (schema: string): string => `"${schema}"`;

/** @throws LockUsageError */
export function checkSchema(schema: unknown): string {
  const ok =
    typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(schema) && !schema.startsWith('pg_');
  if (!ok) throw new LockUsageError('postgres.schema', schema, 'a lower-case name of letters, digits and _');
  return schema;
}

function urlOf(option: string, url: unknown): string | undefined {
  if (url === undefined) return undefined;
  if (typeof url !== 'string') throw new LockUsageError(`postgres.${option}`, url, 'a URL');
  checkText(`postgres.${option}`, url);
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new LockConfigError(
      `expected the PostgreSQL \`${option}\` to be postgres://user:password@host:port/database`,
    );
  return url;
}

// What follows the first of them is not read as a login: a name in a query has no @ by itself.
const CUT_LOGIN = [/#.*@/s, /^[^/]*\/\/[^@/?#]*\/[^?#]*@/, /^[^/]*\/\/[^@/?#]*\?[^=&]*@/];

/**
 * @throws LockConfigError where a login has a #, a slash or a question mark: `pg` would take the user for the host, and the
 * password for the port and the database, which are shown
 */
function checkLogin(address: string | undefined): void {
  // That of a socket has a path in place of a login.
  if (!address || /^socket:/i.test(address) || !CUT_LOGIN.some((cut) => cut.test(address))) return;
  throw new LockConfigError(
    'expected a #, a / or a ? in the login of the PostgreSQL URL to be written as %23, %2F or %3F, and a database with an @ to be given as `database`',
  );
}

function tried(dial: () => Client): Client {
  try {
    return dial();
  } catch {
    // The cause holds the URL.
    throw new LockConfigError('the PostgreSQL URL cannot be read');
  }
}

const parametersOf = (client: Client): { application_name?: string; database?: string } =>
  (client as unknown as { connectionParameters: object }).connectionParameters;

function describe({ host, port, database }: Client): string {
  const where = host.startsWith('/') ? host : `${host}:${port}`;
  return database ? `${where}/${database}` : where;
}

const hasAddress = (options: object) =>
  ['connectionString', 'host', 'port', 'database', 'stream'].some((name) => name in options);

// A user of memory alone never loads it, and need not have it.
async function importPg(): Promise<{ Client: new (config: ClientConfig) => Client }> {
  try {
    const { default: pg } = await import('pg');
    return pg;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') {
      throw new LockBackendError('pg could not be loaded', { cause: error });
    }
    throw new LockConfigError('the driver "postgres" needs the package pg: npm install pg', { cause: error });
  }
}
