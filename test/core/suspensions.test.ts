import { expect, jest, test } from '@jest/globals';
import { Suspensions, suspensions } from '../../src/core/suspensions.js';

/** The clocks of a machine that was started a minute ago. */
class Machine {
  readings = 0;
  at = { wall: 1e12, monotonic: 1_000, sinceBoot: 60_000 };
  wall = () => this.at.wall;
  monotonic = () => this.at.monotonic;
  // In hundredths of a second, as Linux tells it.
  sinceBoot = () => {
    this.readings++;
    return Math.floor(this.at.sinceBoot / 10) * 10;
  };

  run(ms: number): void {
    this.at.monotonic += ms;
    this.sleep(ms);
  }

  sleep(ms: number): void {
    this.at.wall += ms;
    this.at.sinceBoot += ms;
  }
}

test('a suspension is told at once, at most two hundredths of a second too long, and each adds to those before', () => {
  for (const begun of [0, 3, 9.9]) {
    const machine = new Machine();
    machine.run(begun);
    const watch = new Suspensions(machine);
    machine.run(123_456);
    expect(watch.total()).toBe(0);
    machine.sleep(8_000);
    expect(watch.total()).toBeGreaterThanOrEqual(8_000);
    expect(watch.total()).toBeLessThanOrEqual(8_020);
    machine.run(3_600_000);
    machine.sleep(75);
    expect(watch.total()).toBeGreaterThanOrEqual(8_075);
    expect(watch.total()).toBeLessThanOrEqual(8_095);
  }
});

test('a suspension of 50 ms is noticed, one of 49 ms is not', () => {
  const machine = new Machine();
  const watch = new Suspensions(machine);
  machine.sleep(49);
  expect(watch.total()).toBe(0);

  const other = new Machine();
  const noticed = new Suspensions(other);
  other.sleep(50);
  expect(noticed.total()).toBeGreaterThanOrEqual(50);
  expect(noticed.total()).toBeLessThanOrEqual(70);
});

test('a step of the wall clock is none, be it in the moment of a suspension', () => {
  const machine = new Machine();
  const watch = new Suspensions(machine);
  for (const step of [3_600_000, -7_200_000, 60]) {
    machine.at.wall += step;
    machine.run(1_000);
    expect(watch.total()).toBe(0);
  }
  machine.sleep(5_000);
  machine.at.wall -= 60_000;
  const told = watch.total();
  expect(told).toBeGreaterThanOrEqual(5_000);
  expect(told).toBeLessThanOrEqual(5_020);
  for (let steps = 0; steps < 20; steps++) {
    machine.at.wall += 60;
    machine.run(7.7);
    expect(watch.total()).toBe(told);
  }
});

test('while nothing happens, the time since boot is not read', () => {
  const machine = new Machine();
  const watch = new Suspensions(machine);
  const { readings } = machine;
  for (let i = 0; i < 1_000; i++) {
    machine.run(17.3);
    watch.total();
  }
  expect(machine.readings).toBe(readings);
});

test('a process that is stopped between two readings takes that for no suspension', () => {
  const machine = new Machine();
  const watch = new Suspensions(machine);
  let stalls = 1;
  const { sinceBoot } = machine;
  machine.sinceBoot = () => {
    if (stalls-- > 0) machine.run(4_000);
    return sinceBoot();
  };
  machine.at.wall += 1_000;
  expect(watch.total()).toBe(0);
});

test('clocks that never are read within 5 ms are read five times, and no more', () => {
  const machine = new Machine();
  const { sinceBoot } = machine;
  let stall = 0;
  machine.sinceBoot = () => {
    machine.run(stall);
    return sinceBoot();
  };
  const watch = new Suspensions(machine);
  expect(machine.readings).toBe(1);
  stall = 5;
  machine.at.wall += 1_000;
  watch.total();
  expect(machine.readings).toBe(6);
});

/** The suspensions that this machine would tell of after a minute by its wall clock, as its time since boot says. */
async function afterAMinute(name: string, sinceBoot: (minutes: number) => number): Promise<number> {
  let minutes = 0;
  jest.unstable_mockModule('node:os', () => ({ uptime: () => sinceBoot(minutes) }));
  jest.spyOn(Date, 'now').mockImplementation(() => 1e12 + minutes * 60_000);
  try {
    const module = await import(`../../src/core/suspensions.js?${name}`);
    minutes++;
    return module.suspensions.total();
  } finally {
    jest.restoreAllMocks();
  }
}

test('of this machine, the system says in seconds how long it has run', async () => {
  const total = await afterAMinute('told', (minutes) => 1_000 + 60 * minutes);
  expect(total).toBeGreaterThan(50_000);
  expect(total).toBeLessThanOrEqual(60_020);
});

test('where the system does not say that, nothing is taken for a suspension', async () => {
  const refuse = () => {
    throw new Error('EPERM');
  };
  expect(await afterAMinute('refused', refuse)).toBe(0);
});

test('the machine that runs this has not been suspended, whatever its wall clock seems to say', () => {
  const before = suspensions.total();
  const real = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => real() + 86_400_000);
  expect(suspensions.total()).toBe(before);
  jest.restoreAllMocks();
  expect(suspensions.total()).toBe(before);
});
