/** Of every run of tests. */
const common = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^latchkey$': '<rootDir>/src/index.ts',
    '^latchkey/locks$': '<rootDir>/src/locks.ts',
    '^latchkey/mutex$': '<rootDir>/src/mutex/index.ts',
    '^latchkey/nestjs$': '<rootDir>/src/nestjs/index.ts',
    '^latchkey/testing$': '<rootDir>/src/testing/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
};

/** What runs once more with renewal in a worker thread. */
const THREAD = ['conformance', 'faults-*', 'cluster', 'sentinel', 'dead-waiters', 'fences', 'passing'];

export default {
  projects: [
    common,
    {
      ...common,
      displayName: 'renewed in a thread',
      testMatch: THREAD.map((name) => `<rootDir>/test/drivers/redis/${name}.test.ts`),
      globals: { renewIn: 'thread' },
    },
  ],
  testTimeout: 60_000,
  maxWorkers: 2,
};
