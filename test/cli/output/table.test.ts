import { expect, test } from '@jest/globals';
import { showLocks } from '../../../src/cli/output/locks.js';
import { table } from '../../../src/cli/output/table.js';
import { widthOf } from '../../../src/cli/output/text.js';
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

test.each(['k', '鍵', 'e\u0301', '\u001b'])(
  'of a text of 100,000 times %j a terminal is shown what it has room for, soon',
  (sign) => {
    const began = performance.now();
    const columns = [
      { head: 'KEY', of: (row: string) => row, least: 10 },
      { head: 'N', of: () => '1' },
    ];
    const [head, line] = table([sign.repeat(100_000)], columns, 40).split('\n');
    expect(head).toBe(`KEY${' '.repeat(36)}N`);
    expect(line!.endsWith('…  1') || line!.endsWith('…   1')).toBe(true);
    expect(widthOf(line!)).toBe(40);
    expect(performance.now() - began).toBeLessThan(5_000);
  },
  60_000,
);
