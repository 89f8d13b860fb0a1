import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The rights in docs/operations.md, for a user of that name, whose password is the same. */
export function documentedRights(user: string, cluster = false): string[] {
  const text = readFileSync(join(process.cwd(), 'docs/operations.md'), 'utf8');
  const line = /^ACL SETUSER latchkey (.*)$/m.exec(text)![1]!;
  const more = cluster ? /^A Cluster also needs `(.*?)`/m.exec(text)![1]! : '';
  return `${line} ${more}`
    .trim()
    .split(' ')
    .map((rule) => (rule === '>password' ? `>${user}` : rule));
}
