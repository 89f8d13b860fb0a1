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
    // On a busy machine a run may be over before there was an occasion.
    let last = chaos(1, control, topology);
    for (const seed of [2, 3]) if (!last.stdout.includes(found)) last = chaos(seed, control, topology);
    expect(last.stderr).toBe('');
    expect(last.stdout).toContain(found);
    expect(last.stdout).toContain(`the control "${control}" was caught`);
    expect(last.status).toBe(0);
  },
  360_000,
);

function chaos(seed: number, control: string, topology: string) {
  const args = [run, '--minutes', '0.25', '--seed', `${seed}`, '--control', control, '--topology', topology];
  return spawnSync(process.execPath, args, {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 110_000,
  });
}
