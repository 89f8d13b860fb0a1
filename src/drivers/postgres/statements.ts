import type { Statement } from './link.js';
import { inSchema } from './schema.js';

/** What the store asks of the database: calls of the functions in `sql/`. */
export interface Statements {
  readonly claim: Statement;
  readonly free: Statement;
  readonly leave: Statement;
  readonly renew: Statement;
  readonly revoke: Statement;
  readonly read: Statement;
  readonly list: Statement;
  readonly sweep: Statement;
  readonly poll: Statement;
}

export function statementsIn(schema: string): Statements {
  const statement = (name: string, text: string): Statement => ({
    name: `latchkey ${name}`,
    text: inSchema(text, schema),
  });
  return {
    claim: statement('claim', 'SELECT latchkey.claim($1, $2, $3, $4, $5, $6, $7, $8, $9)'),
    free: statement('free', 'SELECT latchkey.free($1, $2, $3, $4, $5, $6, $7)'),
    leave: statement('leave', 'SELECT latchkey.leave($1, $2, $3, $4, $5)'),
    renew: statement('renew', 'SELECT latchkey.renew($1, $2, $3, $4, $5, $6, $7, $8)'),
    revoke: statement('revoke', 'SELECT latchkey.revoke($1, $2, $3, $4)'),
    read: statement('read', 'SELECT latchkey.info(o) FROM latchkey.lock o WHERE o.id = sha256($1)'),
    list: statement(
      'list',
      "SELECT encode(id, 'hex'), encode(name, 'hex'), info FROM latchkey.list(decode($1, 'hex'), $2, $3)",
    ),
    sweep: statement(
      'sweep',
      "SELECT encode(final, 'hex'), deleted FROM latchkey.sweep(decode($1, 'hex'), $2)",
    ),
    poll: statement('poll', 'SELECT k, fence FROM latchkey.poll($1, $2)'),
  };
}
