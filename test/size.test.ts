import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** Bytes of our own code, minified, by entry point: a budget. Raise it when a feature is worth it. */
const BUDGET = {
  'mutex/index': 11_500,
  locks: 213_000,
  'nestjs/index': 214_000,
  'testing/index': 165_000,
  index: 234_000,
};

test.each(Object.entries(BUDGET))('dist/%s.js bundled has less than %d bytes', async (entry, budget) => {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'dist', `${entry}.js`)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    packages: 'external',
    // The mutexes need no module of Node.
    platform: entry.startsWith('mutex') ? 'browser' : 'node',
  });
  const size = outputFiles[0]!.contents.length;
  expect(size).toBeLessThan(budget);
  // A budget that is not near what it limits limits nothing.
  expect(size).toBeGreaterThan(budget / 2);
});
