import { checkNames } from '../core/check.js';
import type { LockStore } from '../engine/store.js';
import type { Expect } from './conformance/kit.js';
import { claims } from './store-conformance/claims.js';
import { connections } from './store-conformance/connections.js';
import { frees } from './store-conformance/frees.js';
import { StoreKit } from './store-conformance/kit.js';
import { places } from './store-conformance/places.js';
import { reads } from './store-conformance/reads.js';
import { renewals } from './store-conformance/renewals.js';
import { revocations } from './store-conformance/revocations.js';
import { runs } from './store-conformance/runs.js';
import { sharing } from './store-conformance/sharing.js';

export interface StoreConformanceOptions {
  /** Makes the store of one process, not open yet. Each case opens two and closes them; all share one backend. */
  createStore: () => LockStore | Promise<LockStore>;
  /**
   * The runner's own: jest's, vitest's or `node:test`'s. A case takes less than 5 s, and up to 20 s where the store is
   * wrong or the machine stalls.
   */
  test: (name: string, fn: () => Promise<void>) => unknown;
  /** jest's or vitest's, or another with the same matchers. */
  expect: Expect;
  /** The runner's own, to group the cases. Default: they are not grouped. */
  describe?: ((name: string, fn: () => void) => unknown) | undefined;
}

const GROUPS = { claims, places, sharing, runs, frees, renewals, revocations, reads, connections };

/** Registers tests for everything that a {@link LockStore} must do. @throws LockUsageError for an unknown option */
export function storeConformance(options: StoreConformanceOptions): void {
  checkNames(options, ['createStore', 'test', 'expect', 'describe']);
  const { createStore, test, expect, describe } = options;
  const group = describe ?? ((_name: string, fn: () => void) => fn());
  for (const [name, cases] of Object.entries(GROUPS)) {
    group(name, () => {
      for (const [sentence, run] of Object.entries(cases)) {
        test(sentence, async () => {
          const kit = await StoreKit.open(createStore, expect);
          try {
            await run(kit);
          } finally {
            await kit.close();
          }
        });
      }
    });
  }
}
