import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import all from './jest.config.js';

// Without the tests that start a server or a process (what they import tells), and without the long searches and loads.
const SLOW = [
  'chaos',
  'docs',
  'drivers/memory/',
  'drivers/redis',
  'drivers/postgres',
  'examples',
  'sim',
  'support',
  'api',
  'package',
  'size',
  'testing/conformance',
  'testing/model-store',
  '.*\\.model',
  '.*\\.load',
];
const STARTS = /support\/(redis|postgres|process|orphans|port|proxy|command)|node:child_process/;

const root = join(import.meta.dirname, 'test');
const starts = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.test.ts') && STARTS.test(readFileSync(join(root, file), 'utf8')));

const { projects, ...limits } = all;
const { globalSetup: _, ...common } = projects[0];

/** `npm run test:unit`. */
export default {
  ...limits,
  ...common,
  testPathIgnorePatterns: ['/node_modules/', ...[...SLOW, ...starts].map((path) => `<rootDir>/test/${path}`)],
};
