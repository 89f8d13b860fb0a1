import { expect, test } from '@jest/globals';
import type { HeldLease } from '../../src/lease/held-lease.js';
import { LeaseSet } from '../../src/lease/lease-set.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';

const lease = () => ({}) as HeldLease;

test('is empty at once when it is, or when no time is given', async () => {
  const clock = new FakeClock();
  await new LeaseSet().empty(1_000, clock);
  await new LeaseSet([lease()]).empty(0, clock);
  expect(clock.pending).toBe(0);
});

test('waits for the last lease, and leaves no timer', async () => {
  const clock = new FakeClock();
  const leases = [lease(), lease()];
  const set = new LeaseSet(leases);
  const emptied = watch(set.empty(1_000, clock));
  set.delete(leases[0]!);
  await clock.advance(500);
  expect(emptied.state).toBe('pending');
  set.delete(leases[1]!);
  await clock.advance(0);
  expect(emptied.state).toBe('fulfilled');
  expect(clock.pending).toBe(0);
});

test('waits no longer than told', async () => {
  const clock = new FakeClock();
  const emptied = watch(new LeaseSet([lease()]).empty(1_000, clock));
  await clock.advance(1_000);
  expect(emptied.state).toBe('fulfilled');
});
