import { expect, test } from '@jest/globals';
import { showLocks } from '../../../src/cli/output/locks.js';
import { table } from '../../../src/cli/output/table.js';
import type { LockInfo } from '../../../src/lease/driver.js';

test('a table of 150,000 rows has a line for each, in columns of one width', () => {
  const rows = Array.from({ length: 150_000 }, (_, n) => `${n}`);
  const lines = table(rows, [{ head: 'N', of: (row) => row, align: 'right' }], Infinity).split('\n');
  expect(lines).toHaveLength(1 + rows.length);
  expect(lines[0]).toBe('     N');
  for (const n of [0, 99, 100, 100_000, 149_999]) expect(lines[1 + n]).toBe(`${n}`.padStart(6));
}, 60_000);

test('a lock of 150,000 readers is shown with the longest time left of them', () => {
  const holders = Array.from({ length: 150_000 }, (_, n) => ({
    fence: 1 + n,
    ttl: n === 7 ? 50_000 : 10_000,
    since: 1_000,
    meta: { host: 'web-1' },
  }));
  const info: LockInfo = { key: 'k', mode: 'read', waiters: 0, holders, waiting: [] };
  const [, line] = showLocks([info], Infinity, 3_000).split('\n');
  expect(line).toMatch(/^k +read +web-1 and 149999 more +1 +2s +50s +0 +-$/);
});
