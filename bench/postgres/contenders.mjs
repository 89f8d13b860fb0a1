/**
 * Who is measured through PostgreSQL. `connect(url)` opens a session:
 *   acquire(key)  waits until it is held; resolves to what releases it
 *   ping()        one commit of a row of its own, and one SELECT 1
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { LockRegistry, postgresDriver } from '../lib/latchkey.mjs';

const CONNECTIONS = 3;

const latchkey = {
  name: 'latchkey',
  async connect(url) {
    const driver = await postgresDriver({ url, connections: CONNECTIONS });
    const registry = new LockRegistry().registerDriver('postgres', driver);
    const locker = registry.registerLocker('bench', { driver: 'postgres', wait: 'forever' }).mustOf('bench');
    await driver.ping();
    return {
      async acquire(key) {
        const lease = await locker.acquire(key);
        return () => lease.release();
      },
      close: () => registry.close({ grace: 0 }),
    };
  },
};

const TAKE = `UPDATE bare SET token = $2, fence = fence + 1, ends = clock_timestamp() + interval '30 s'
  WHERE id = $1 AND (token IS NULL OR ends < clock_timestamp()) RETURNING fence`;
const FREE = 'UPDATE bare SET token = NULL WHERE id = $1 AND token = $2';

/** One UPDATE … RETURNING to take and one to free, prepared, over as many pipelined connections as ours. It does not wait. */
const bare = {
  name: 'bare limit',
  async connect(url) {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connected(url)));
    await clients[0].query(
      'CREATE TABLE IF NOT EXISTS bare (id text PRIMARY KEY, token text, fence int8 NOT NULL DEFAULT 0, ends timestamptz) WITH (fillfactor = 50)',
    );
    const known = new Map();
    return {
      async acquire(key) {
        if (!known.has(key)) {
          known.set(key, clients[known.size % CONNECTIONS]);
          await clients[0].query('INSERT INTO bare (id) VALUES ($1) ON CONFLICT DO NOTHING', [key]);
        }
        const client = known.get(key);
        const token = randomUUID();
        const { rows } = await client.query({ name: 'take', text: TAKE, values: [key, token] });
        if (rows.length === 0) throw new Error('the key is held');
        return () => client.query({ name: 'free', text: FREE, values: [key, token] });
      },
      close: () => Promise.all(clients.map((client) => client.end())),
    };
  },
};

/** pg_advisory_lock over a pool: each hold and each waiter has a connection. No ttl, no fence. */
const advisory = {
  name: 'pg_advisory_lock',
  async connect(url) {
    const pool = new pg.Pool({ connectionString: url, max: 64 });
    return {
      async acquire(key) {
        const client = await pool.connect();
        await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [key]);
        return async () => {
          await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [key]);
          client.release();
        };
      },
      close: () => pool.end(),
    };
  },
};

/** verrou with its Knex store: defaults (polls every 250 ms, without end). The clock is the application's. */
const verrou = {
  name: 'verrou',
  async connect(url) {
    const { Verrou } = await import('@verrou/core');
    const { knexStore } = await import('@verrou/core/drivers/knex');
    const { default: knex } = await import('knex');
    const connection = knex({ client: 'pg', connection: url, pool: { min: 1, max: 10 } });
    const store = { driver: knexStore({ connection, tableName: 'verrou' }) };
    const locks = new Verrou({ default: 'knex', stores: { knex: store } });
    return {
      async acquire(key) {
        const lock = locks.createLock(key);
        await lock.acquire();
        return () => lock.release();
      },
      close: () => connection.destroy(),
    };
  },
};

export const contenders = { latchkey, bare, advisory, verrou };

export async function connected(url) {
  const client = new pg.Client({ connectionString: url, pipeline: true });
  await client.connect();
  return client;
}
