import { checkNames } from '../core/check.js';
import { LockUsageError } from '../core/errors.js';
import type { LockDriver } from '../lease/driver.js';
import { alternating } from './conformance/alternating.js';
import { closing } from './conformance/closing.js';
import { crowds } from './conformance/crowds.js';
import { durations } from './conformance/durations.js';
import { exclusion } from './conformance/exclusion.js';
import { expiry } from './conformance/expiry.js';
import { extension } from './conformance/extension.js';
import { fences } from './conformance/fences.js';
import { inspection } from './conformance/inspection.js';
import { type Expect, Kit, SLACK, sleep } from './conformance/kit.js';
import { limits } from './conformance/limits.js';
import { listing } from './conformance/listing.js';
import { order } from './conformance/order.js';
import { ownership } from './conformance/ownership.js';
import { crashes, peers } from './conformance/peers.js';
import { readers } from './conformance/readers.js';
import { rests } from './conformance/rests.js';
import { revocation } from './conformance/revocation.js';
import { waiting } from './conformance/waiting.js';

export type { Expect } from './conformance/kit.js';

export interface ConformanceOptions {
  /** Makes the driver of one case, which closes it. All of them may share one backend. */
  createDriver: () => LockDriver | Promise<LockDriver>;
  /**
   * Makes another driver on the backend of `driver`, as in another process. The case closes it. Order, exclusion,
   * fences and hand-over are then also tested between the two drivers. Default: they are not, as for locks inside one
   * process.
   */
  createPeer?: ((driver: LockDriver) => LockDriver | Promise<LockDriver>) | undefined;
  /**
   * Ends a driver of `createPeer` as if its process were killed: it withdraws nothing that it has sent, and sends
   * nothing more. The suite then also tests what happens to its holds and waiters. Default: it does not.
   */
  crash?: ((peer: LockDriver) => void | Promise<void>) | undefined;
  /**
   * The runner's own: jest's, vitest's or `node:test`'s. A case takes less than 5 s, and up to 20 s where the driver is
   * wrong or the machine stalls.
   */
  test: (name: string, fn: () => Promise<void>) => unknown;
  /** jest's or vitest's, or another with the same matchers. */
  expect: Expect;
  /** The runner's own, to group the cases. Default: they are not grouped. */
  describe?: ((name: string, fn: () => void) => unknown) | undefined;
}

/** What one driver does. */
const GROUPS = {
  exclusion,
  ownership,
  fences,
  waiting,
  order,
  readers,
  limits,
  expiry,
  extension,
  durations,
  rests,
  inspection,
  listing,
  revocation,
  crowds,
  closing,
};

/** What two drivers on one backend do just as one does. */
const SHARED = { exclusion, fences, order, readers, limits, rests, listing, revocation, crowds };

/**
 * Registers tests for everything that a {@link LockDriver} must do.
 * @throws LockUsageError for an unknown option, and for `crash` without `createPeer`
 */
export function driverConformance(options: ConformanceOptions): void {
  // Without `createPeer` half of the cases are not there: nobody would see that its name is misspelt.
  checkNames(options, ['createDriver', 'createPeer', 'crash', 'test', 'expect', 'describe']);
  const { createDriver, createPeer, crash, test, expect, describe } = options;
  if (crash && !createPeer) throw new LockUsageError('createPeer', createPeer, 'given beside `crash`');
  const group = describe ?? ((_name: string, fn: () => void) => fn());
  const register = <Case>(
    name: string,
    cases: Record<string, Case>,
    run: (testCase: Case) => Promise<void>,
  ) =>
    group(name, () => {
      for (const [sentence, testCase] of Object.entries(cases)) test(sentence, () => run(testCase));
    });

  for (const [name, cases] of Object.entries(GROUPS)) {
    register(name, cases, (testCase) =>
      withDriver(createDriver, (driver) => testCase(new Kit(driver, expect))),
    );
  }
  if (!createPeer) return;
  const withBoth = (run: (driver: LockDriver, peer: LockDriver) => Promise<void>) =>
    withDriver(createDriver, (driver) =>
      withDriver(
        () => createPeer(driver),
        (peer) => run(driver, peer),
      ),
    );
  for (const [name, cases] of Object.entries(SHARED)) {
    const renamed = Object.entries(cases).map(
      ([sentence, run]) => [`two drivers: ${sentence}`, run] as const,
    );
    register(`${name}, two drivers`, Object.fromEntries(renamed), (testCase) =>
      withBoth((driver, peer) => testCase(new Kit(alternating(driver, peer), expect))),
    );
  }
  register('peers', peers, (testCase) =>
    withBoth((driver, peer) => {
      const kit = new Kit(driver, expect);
      return testCase(kit, kit.through(peer));
    }),
  );
  if (!crash) return;
  register('crashes', crashes, (testCase) =>
    withBoth((driver, peer) => {
      const kit = new Kit(driver, expect);
      return testCase(kit, kit.through(peer), async () => crash(peer));
    }),
  );
}

/** Resolves when it answers. A slow machine may need more time to connect than one ping has. */
async function connected(driver: LockDriver): Promise<void> {
  for (const end = performance.now() + SLACK; ; ) {
    try {
      return await driver.ping();
    } catch (fault) {
      if (performance.now() > end) throw fault;
      // A driver that refuses at once needs a turn of the event loop to connect.
      await sleep(20);
    }
  }
}

/** Runs with a driver that is connected before any wait is measured, and closes it. */
async function withDriver(
  create: () => LockDriver | Promise<LockDriver>,
  run: (driver: LockDriver) => Promise<void>,
): Promise<void> {
  const driver = await create();
  try {
    await connected(driver);
    await run(driver);
  } finally {
    await driver.close();
  }
}
