import { systemClock } from '../../core/clock.js';
import { LockBackendError } from '../../core/errors.js';
import { type Dialler, dialler, quoted } from '../../drivers/postgres/client.js';
import { type Ask, hangUp } from '../../drivers/postgres/link.js';
import { isDirect } from '../../drivers/postgres/listener.js';
import type { LentPool, PostgresOptions } from '../../drivers/postgres/options.js';
import { missingRights, SCHEMA_VERSION, schemaCommand } from '../../drivers/postgres/schema.js';
import { type Check, error, ok, warning } from './check.js';
import { inTime, latencyOf, offsetOf, SilentError } from './measures.js';

type Client = ReturnType<Dialler['dial']>;

const LONG_TRANSACTION_S = 600;
// The share of the server's connections that may be in use.
const FULL = 0.9;

/** All that may be wrong with a PostgreSQL, or right. @throws LockBackendError when it cannot be reached */
export async function examinePostgres(postgres: LentPool | PostgresOptions): Promise<Check[]> {
  const { dial, schema } = await dialler(postgres);
  const client = await connected(dial('commands'));
  const ask = askerOf(client);
  const timeThere = async () => Number(await answerTo(ask, 'extract(epoch FROM clock_timestamp()) * 1000'));
  const steps: readonly (readonly [string, () => Promise<Check | Check[]>])[] = [
    ['reach', () => latencyOf(() => ask('SELECT 1'))],
    ['server', () => checkServer(ask)],
    ['messages', () => checkMessages(dial('messages'))],
    ['schema', () => checkSchema(ask, schema)],
    ['clock', () => offsetOf(timeThere)],
    ['connections', () => checkConnections(ask)],
    ['transactions', () => checkTransactions(ask)],
  ];
  const checks: (Check | Check[])[] = [];
  try {
    for (const [what, step] of steps) {
      try {
        checks.push(await step());
      } catch (fault) {
        checks.push(failed(what, fault as Error));
        // Behind a question that is not answered, none is.
        if (fault instanceof SilentError) break;
      }
    }
    return checks.flat();
  } finally {
    hangUp(client, systemClock);
  }
}

function failed(what: string, fault: Error): Check {
  const advice =
    fault instanceof SilentError
      ? 'see pg_stat_activity: somebody may have locked the tables, or the server does not get on'
      : "see the server's log";
  return error(what, fault.message, advice);
}

async function connected(client: Client): Promise<Client> {
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (fault) {
    throw new LockBackendError((fault as Error).message || 'the server does not answer');
  }
}

const askerOf =
  (client: Client): Ask =>
  async (statement) => {
    const { rows } = await inTime(client.query({ text: statement as string, rowMode: 'array' }));
    return { rows, sentAt: 0 };
  };

async function answerTo(ask: Ask, expression: string): Promise<string> {
  const { rows } = await ask(`SELECT ${expression}`);
  return rows[0]![0]!;
}

const setting = (ask: Ask, name: string) => answerTo(ask, `current_setting('${name}')`);

async function checkServer(ask: Ask): Promise<Check[]> {
  const version = await setting(ask, 'server_version');
  const standby = (await answerTo(ask, 'pg_is_in_recovery()')) === 't';
  const kept = (await setting(ask, 'fsync')) === 'on' && (await setting(ask, 'full_page_writes')) === 'on';
  const commit = await setting(ask, 'synchronous_commit');
  const standbys = Number(await answerTo(ask, 'count(*) FROM pg_stat_replication'));
  const waited = (await setting(ask, 'synchronous_standby_names')) !== '' && commit !== 'local';
  return [
    Number.parseInt(version, 10) >= 13
      ? ok('version', version)
      : error('version', version, 'use PostgreSQL 13 or later'),
    standby ? error('role', 'standby', 'give the address of the primary') : ok('role', 'primary'),
    !kept
      ? warning('durability', 'fsync or full_page_writes is off', 'a crash of the machine may lose all locks')
      : commit === 'off'
        ? warning(
            'durability',
            'synchronous_commit is off',
            'a crash may free locks that are held: ALTER ROLE … SET synchronous_commit = on',
          )
        : ok('durability', `synchronous_commit is ${commit}`),
    standbys === 0 || waited
      ? ok('standbys', `${standbys}${waited ? ', waited for' : ''}`)
      : warning(
          'standbys',
          `${standbys}, none waited for`,
          'a fail-over may free locks: set synchronous_standby_names, and check fences',
        ),
  ];
}

/** Whether LISTEN works. */
async function checkMessages(client: Client): Promise<Check> {
  try {
    await connected(client);
    if (await isDirect(askerOf(client), client)) return ok('messages', 'by LISTEN');
    return warning(
      'messages',
      'behind a pooler',
      "waiters may have to ask again and again: set listenUrl to the server's own address",
    );
  } catch (fault) {
    return failed('messages', fault as Error);
  } finally {
    hangUp(client, systemClock);
  }
}

async function checkSchema(ask: Ask, schema: string): Promise<Check[]> {
  const what = 'schema';
  const role = await answerTo(ask, 'current_user');
  const command = schemaCommand(schema, role);
  if ((await answerTo(ask, `to_regnamespace('${quoted(schema)}') IS NOT NULL`)) !== 't') {
    const may = await answerTo(ask, `has_database_privilege(current_database(), 'CREATE')`);
    return may === 't'
      ? [ok(what, `"${schema}" is not there yet: the first start makes it`)]
      : [error(what, `"${schema}" is not there, and ${role} may not make it`, `run the SQL of: ${command}`)];
  }
  if ((await answerTo(ask, `has_schema_privilege('${schema}', 'USAGE')`)) !== 't')
    return [error(what, `${role} may not use "${schema}"`, `grant it what this prints: ${command}`)];
  const version = await answerTo(ask, `max(version) FROM ${quoted(schema)}.version`).catch(orUnknown);
  const missing = await missingRights(ask, schema);
  return [
    Number(version) === SCHEMA_VERSION
      ? ok(what, `"${schema}", version ${version}`)
      : Number(version) > SCHEMA_VERSION
        ? error(
            what,
            `version ${version}, and this release knows ${SCHEMA_VERSION}`,
            'use a newer release, or another schema',
          )
        : error(what, `version ${version}`, 'start a service: it upgrades or makes it'),
    missing
      ? error('rights', `${role} lacks ${missing}`, `grant it what this prints: ${command}`)
      : ok('rights', `${role} may use all of it`),
  ];
}

function orUnknown(fault: unknown): string {
  if (fault instanceof SilentError) throw fault;
  return 'unknown';
}

async function checkConnections(ask: Ask): Promise<Check> {
  const most = Number(await setting(ask, 'max_connections'));
  const used = Number(
    await answerTo(ask, `count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`),
  );
  const found = `${used} of ${most}`;
  if (used < most * FULL) return ok('connections', found);
  return warning('connections', found, 'a process needs four: raise max_connections, or use a pooler');
}

/** Rows that are written often bloat while an old transaction may still look at them. */
async function checkTransactions(ask: Ask): Promise<Check> {
  const oldest = await answerTo(
    ask,
    `coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::int FROM pg_stat_activity`,
  );
  const found = `the oldest is ${oldest} s old`;
  if (Number(oldest) < LONG_TRANSACTION_S) return ok('transactions', found);
  return warning(
    'transactions',
    found,
    'the tables of locks grow meanwhile: end it, and set idle_in_transaction_session_timeout',
  );
}
