import type { LockDriver } from '../lease/driver.js';
import { closing } from './conformance/closing.js';
import { crowds } from './conformance/crowds.js';
import { exclusion } from './conformance/exclusion.js';
import { expiry } from './conformance/expiry.js';
import { extension } from './conformance/extension.js';
import { fences } from './conformance/fences.js';
import { inspection } from './conformance/inspection.js';
import { type Expect, Kit } from './conformance/kit.js';
import { order } from './conformance/order.js';
import { ownership } from './conformance/ownership.js';
import { readers } from './conformance/readers.js';
import { waiting } from './conformance/waiting.js';

export type { Expect } from './conformance/kit.js';

export interface ConformanceOptions {
  /** Makes the driver of one case, which closes it. All of them may share one backend. */
  createDriver: () => LockDriver | Promise<LockDriver>;
  /** The runner's own: jest's, vitest's or `node:test`'s. A case takes less than 5 s. */
  test: (name: string, fn: () => Promise<void>) => unknown;
  /** jest's or vitest's, or another with the same matchers. */
  expect: Expect;
  /** The runner's own, to group the cases. Default: they are not grouped. */
  describe?: ((name: string, fn: () => void) => unknown) | undefined;
}

const GROUPS = {
  exclusion,
  ownership,
  fences,
  waiting,
  order,
  readers,
  expiry,
  extension,
  inspection,
  crowds,
  closing,
};

/** Says what a {@link LockDriver} is: registers a test for each thing that one does. */
export function driverConformance({ createDriver, test, expect, describe }: ConformanceOptions): void {
  const group = describe ?? ((_name: string, fn: () => void) => fn());
  for (const [name, cases] of Object.entries(GROUPS)) {
    group(name, () => {
      for (const [sentence, run] of Object.entries(cases)) {
        test(sentence, async () => {
          const driver = await createDriver();
          try {
            // Connected before any wait is measured.
            await driver.ping();
            await run(new Kit(driver, expect));
          } finally {
            await driver.close();
          }
        });
      }
    });
  }
}
