import { beforeAll, describe, expect, test } from '@jest/globals';
import { memoryDriver } from '../../src/drivers/memory.js';
import { type ConformanceOptions, driverConformance } from '../../src/testing/conformance.js';
import { sleep } from '../support/wait.js';
import { BROKEN } from './broken/index.js';
import { shared } from './broken/peers.js';

type Drivers = Pick<ConformanceOptions, 'createDriver' | 'createPeer' | 'crash'>;

/** How many cases run at the same time: most of them sleep. */
const AT_ONCE = 16;

function casesOf({ createDriver, createPeer, crash }: Drivers): Map<string, () => Promise<void>> {
  const cases = new Map<string, () => Promise<void>>();
  const drivers = { createDriver, createPeer, crash };
  driverConformance({ ...drivers, expect, test: (name, fn) => cases.set(name, fn) });
  return cases;
}

/** What is wrong with the case; undefined where nothing is. */
async function faultOf(run: () => Promise<void>): Promise<unknown> {
  const late = sleep(10_000).then(() => new Error('takes longer than 10 s'));
  return Promise.race([
    run().then(
      () => undefined,
      (fault: unknown) => fault ?? 'rejected',
    ),
    late,
  ]);
}

/** As {@link faultOf}, up to three times: a machine that stalls for a moment hides faults that show for a moment only. */
async function faultSoon(run: () => Promise<void>): Promise<unknown> {
  for (let look = 0; look < 2; look++) {
    const fault = await faultOf(run);
    if (fault !== undefined) return fault;
  }
  return faultOf(run);
}

/** The faults of all of them, in their order. */
async function faultsOf(
  runs: readonly (() => Promise<void>)[],
  look: (run: () => Promise<void>) => Promise<unknown>,
): Promise<unknown[]> {
  const faults: unknown[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < runs.length; at = next++) faults[at] = await look(runs[at]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return faults;
}

describe('drivers in memory', () => {
  const both = shared();
  const cases = casesOf(both);
  let faults: unknown[];
  beforeAll(async () => {
    faults = await faultsOf([...cases.values()], faultOf);
  }, 120_000);

  test.each([...cases.keys()].map((sentence, at) => ({ sentence, at })))('pass: $sentence', ({ at }) => {
    expect(faults[at]).toBe(undefined);
  });
});

describe('a broken driver', () => {
  let faults: unknown[];
  beforeAll(async () => {
    faults = await faultsOf(
      BROKEN.map((broken) => casesOf(broken).get(broken.fails)!),
      faultSoon,
    );
  }, 120_000);

  test.each(BROKEN.map(({ that, fails }, at) => ({ that, fails, at })))(
    'that $that fails: $fails',
    ({ at }) => {
      expect(faults[at]).not.toBe(undefined);
    },
  );
});

test('every case has a name of its own, grouped or not', () => {
  const names: string[] = [];
  const drivers = { createDriver: () => memoryDriver(), createPeer: () => memoryDriver(), crash: () => {} };
  driverConformance({ ...drivers, expect, test: (name) => names.push(name) });
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(150);
  const groups: string[] = [];
  const describe = (name: string, fn: () => void) => {
    groups.push(name);
    fn();
  };
  driverConformance({ ...drivers, expect, describe, test: (name) => names.push(name) });
  expect(groups).toContain('exclusion');
  expect(groups).toContain('exclusion, two drivers');
});

test('without a peer, nothing is tested between two drivers', () => {
  const alone = casesOf({ createDriver: () => memoryDriver() });
  expect([...alone.keys()].filter((name) => name.startsWith('two drivers'))).toEqual([]);
});

test('a driver whose ping rejects at once has time to connect', async () => {
  const createDriver = () => {
    let up = false;
    setTimeout(() => {
      up = true;
    }, 50);
    return Object.assign(memoryDriver(), {
      ping: async () => {
        if (!up) throw new Error('not connected');
      },
    });
  };
  const [first] = casesOf({ createDriver }).values();
  expect(await faultOf(first!)).toBe(undefined);
});
