// Deletes what an earlier build left in dist: what has no source any more, and source maps.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const files = existsSync(join(root, 'dist'))
  ? readdirSync(join(root, 'dist'), { recursive: true }).map(String)
  : [];
for (const file of files) {
  const source = file.match(/^(.+?)(\.d\.ts|\.js)$/)?.[1];
  const stale = source ? !existsSync(join(root, 'src', `${source}.ts`)) : file.endsWith('.map');
  if (stale) rmSync(join(root, 'dist', file));
}
