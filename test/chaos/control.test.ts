import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const run = join(import.meta.dirname, '../../build/chaos/chaos/run.js');

// A chaos run that cannot fail proves nothing: each control breaks one thing, and must be caught.
test.each([
  ['unfenced', 'single', 'stale access accepted: not explained'],
  ['no-expiry', 'single', 'overlap: not explained'],
  ['no-expiry', 'postgres', 'overlap: not explained'],
])(
  'a run with the control %s, topology %s, reports what it let happen',
  (control, topology, found) => {
    const args = [run, '--minutes', '0.25', '--seed', '1', '--control', control, '--topology', topology];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: join(import.meta.dirname, '../..'),
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: 110_000,
    });
    expect(stderr).toBe('');
    expect(stdout).toContain(found);
    expect(stdout).toContain(`the control "${control}" was caught`);
    expect(status).toBe(0);
  },
  120_000,
);
