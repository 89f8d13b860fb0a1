import { DEFAULT_SCHEMA } from '../drivers/postgres/client.js';
import { postgresSchema as sqlOf } from '../drivers/postgres/schema.js';
import { Terminal } from './output/terminal.js';
import { type CommonOptions, readSettings } from './session.js';

export interface SchemaOptions extends Pick<CommonOptions, 'config' | 'json'> {
  readonly schema?: string;
  readonly role?: string;
}

/** `latchkey postgres-schema`: reads the settings, and connects to nothing. */
export async function postgresSchema({ schema, role, config, json }: SchemaOptions): Promise<void> {
  const settings = await readSettings(config, process.env);
  const name = schema ?? settings.config.get<string>('lock.postgres.schema') ?? DEFAULT_SCHEMA;
  const sql = sqlOf(name, role);
  const terminal = new Terminal();
  if (json) terminal.printJson({ schema: name, sql });
  else terminal.print(sql);
}
