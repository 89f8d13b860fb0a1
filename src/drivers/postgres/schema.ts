import { checkText } from '../../core/check.js';
import { LockConfigError } from '../../core/errors.js';
import { checkSchema, DEFAULT_SCHEMA, quoted } from './client.js';
import type { PgError } from './fault.js';
import type { Ask } from './link.js';
import { FUNCTIONS, TABLES } from './sql.generated.js';

/** What `upgrades[k]` makes of version k + 1 is version k + 2. Processes of older releases go on meanwhile. */
export const UPGRADES: readonly string[] = [];

/** The version that this release makes. */
export const SCHEMA_VERSION = UPGRADES.length + 1;

// One who makes or upgrades a schema has this advisory lock.
const MAKING = '5496128093641175';

/** SQL for a schema: the files speak of `latchkey`. */
export const inSchema = (sql: string, schema: string): string =>
  sql.replaceAll(/\blatchkey\./g, `${quoted(schema)}.`);

/**
 * The SQL that makes what the driver `postgres` needs, for those whose services may not make it: to be run once, by a role
 * that may create a schema. With `role`, it also grants that role what a service needs.
 * @throws LockUsageError
 */
export function postgresSchema(schema = DEFAULT_SCHEMA, role?: string): string {
  checkSchema(schema);
  if (role !== undefined) checkText('role', role);
  const name = quoted(schema);
  const grants = role === undefined ? [] : granted(name, `"${role.replaceAll('"', '""')}"`);
  const parts = [`CREATE SCHEMA ${name};`, inSchema(TABLES, schema), functionsIn(schema), ...grants];
  const version = `INSERT INTO ${name}.version VALUES (${SCHEMA_VERSION});`;
  return ['BEGIN;', ...parts, version, 'COMMIT;'].join('\n\n');
}

/** What prints the SQL for a role that may not make it. */
export const schemaCommand = (schema: string, role: string): string =>
  `npx latchkey postgres-schema --schema ${schema} --role ${/^\w+$/.test(role) ? role : `'${role}'`}`;

function granted(schema: string, role: string): string[] {
  return [
    `GRANT USAGE ON SCHEMA ${schema} TO ${role};`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role};`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${role};`,
  ];
}

const functionsIn = (schema: string): string =>
  ['SET LOCAL check_function_bodies = off;', ...FUNCTIONS.map((sql) => inSchema(sql, schema))].join('\n\n');

/**
 * Sees to it that the schema is there in the version of this release, and that the role may use it. `running`: a process
 * that has used it already goes on when a newer release upgrades it.
 * @throws LockConfigError when it may not make or use it, or when a newer release has made it
 */
export async function ensureSchema(
  ask: Ask,
  schema: string,
  { upgrades = UPGRADES, running = false } = {},
): Promise<void> {
  const known = upgrades.length + 1;
  let found = await versionOf(ask, schema);
  // Another process may have made it meanwhile, and newer.
  if (found === undefined || found < known) found = await make(ask, schema, upgrades);
  if (found > known && !running) {
    throw new LockConfigError(
      `the schema "${schema}" has version ${found}, and this release of latchkey knows ${known}: use a newer release, or another schema`,
    );
  }
  await checkRights(ask, schema);
}

/** Answers the version that is there then. */
async function make(ask: Ask, schema: string, upgrades: readonly string[]): Promise<number> {
  const known = upgrades.length + 1;
  let found: number | undefined;
  try {
    await ask('BEGIN');
    await ask(`SELECT pg_advisory_xact_lock(${MAKING})`);
    found = await versionOf(ask, schema);
    if (found === undefined) {
      // Whoever may use a schema that is there already need not have the right to make one.
      const { rows } = await ask(`SELECT to_regnamespace('${quoted(schema)}')`);
      if (rows[0]![0] === null) await ask(`CREATE SCHEMA ${quoted(schema)}`);
      await ask(inSchema(TABLES, schema));
      await ask(`INSERT INTO ${quoted(schema)}.version VALUES (${known})`);
    } else {
      for (const upgrade of upgrades.slice(found - 1)) await ask(inSchema(upgrade, schema));
      if (found < known) await ask(`UPDATE ${quoted(schema)}.version SET version = ${known}`);
    }
    if (found === undefined || found < known) await ask(functionsIn(schema));
    await ask('COMMIT');
    return Math.max(found ?? known, known);
  } catch (error) {
    await ask('ROLLBACK').catch(() => {});
    if (codeOf(error) !== '42501') throw error;
    const task = found === undefined ? 'create' : 'upgrade';
    const right =
      found === undefined ? 'CREATE on the database' : 'the ownership of the schema and all it contains';
    const { role, who } = await roleIn(ask);
    throw new LockConfigError(
      `${who} may not ${task} the schema "${schema}": grant it ${right}, or let an administrator run the SQL that \`${schemaCommand(schema, role)}\` prints`,
      { cause: error },
    );
  }
}

async function versionOf(ask: Ask, schema: string): Promise<number | undefined> {
  try {
    // to_regclass would answer from the session's cache, which does not know what another one made meanwhile.
    const { rows } = await ask(
      "SELECT FROM pg_class WHERE relname = 'version' AND relnamespace = " +
        `(SELECT oid FROM pg_namespace WHERE nspname = '${schema}')`,
    );
    if (rows.length === 0) return undefined;
    const version = await ask(`SELECT version FROM ${quoted(schema)}.version`);
    return Number(version.rows[0]![0]);
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    await ask('ROLLBACK').catch(() => {});
    const { role, who } = await roleIn(ask);
    throw new LockConfigError(
      `${who} lacks USAGE on the schema "${schema}" or SELECT on its tables: grant it what \`${schemaCommand(schema, role)}\` prints`,
      { cause: error },
    );
  }
}

async function checkRights(ask: Ask, schema: string): Promise<void> {
  const missing = await missingRights(ask, schema);
  if (missing) throw new LockConfigError(`${(await roleIn(ask)).who} lacks ${missing}`);
}

// In a schema such as public are also functions of others.
const OWN_FUNCTIONS = FUNCTIONS.map((sql) => `'${/latchkey\.(\w+)/.exec(sql)![1]}'`).join();

/** What the role may not do with what the schema contains, in words. */
export async function missingRights(ask: Ask, schema: string): Promise<string | null> {
  const { rows } = await ask(
    `SELECT string_agg(m.missing, ', ') FROM (
      SELECT p || ' on ' || c.oid::regclass AS missing
      FROM pg_class c, unnest(CASE c.relkind WHEN 'S' THEN ARRAY['USAGE'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) p
      WHERE c.relnamespace = to_regnamespace('${quoted(schema)}') AND c.relname IN ('lock', 'share', 'place', 'stamp', 'departed', 'places')
      AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, p) ELSE has_table_privilege(c.oid, p) END
      UNION ALL SELECT 'EXECUTE on the functions of ' || f.pronamespace::regnamespace FROM pg_proc f
      WHERE f.pronamespace = to_regnamespace('${quoted(schema)}') AND f.proname IN (${OWN_FUNCTIONS})
      AND NOT has_function_privilege(f.oid, 'EXECUTE')
      GROUP BY f.pronamespace
    ) m`,
  );
  return rows[0]![0]!;
}

async function roleIn(ask: Ask): Promise<{ role: string; who: string }> {
  const { rows } = await ask('SELECT current_user, current_database()');
  const [role, database] = rows[0]!;
  return { role: role!, who: `the role "${role}" in the database "${database}"` };
}

const codeOf = (error: unknown) => ((error as Error).cause as PgError | undefined)?.code;
