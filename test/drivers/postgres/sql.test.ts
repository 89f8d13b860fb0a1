import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

test('the SQL in TypeScript is that of the files', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-sql.mjs', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
