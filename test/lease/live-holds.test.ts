import { expect, test } from '@jest/globals';
import { type LiveHold, LiveHolds } from '../../src/lease/live-holds.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';

const closed: LiveHold[] = [];

function holdsOf(count: number): { live: LiveHolds; holds: LiveHold[] } {
  const live = new LiveHolds();
  const holds = Array.from({ length: count }, () => {
    const hold: LiveHold = { place: -1, close: () => void closed.push(hold) };
    live.add(hold);
    return hold;
  });
  return { live, holds };
}

test('counts each hold once, whatever the order of leaving', () => {
  const { live, holds } = holdsOf(5);
  live.add(holds[2]!);
  expect(live.size).toBe(5);
  for (const [index, left] of [
    [2, 4],
    [4, 3],
    [0, 2],
    [0, 2],
    [3, 1],
    [1, 0],
  ] as const) {
    live.delete(holds[index]!);
    expect(live.size).toBe(left);
    expect(holds[index]!.place).toBe(-1);
  }
  live.add(holds[0]!);
  expect(live.size).toBe(1);
});

test('closes those that are left, also when closing takes them out', () => {
  const { live, holds } = holdsOf(3);
  for (const hold of holds) {
    hold.close = () => {
      closed.push(hold);
      live.delete(hold);
    };
  }
  live.delete(holds[1]!);
  closed.length = 0;
  live.closeAll();
  expect(new Set(closed)).toEqual(new Set([holds[0], holds[2]]));
  expect(live.size).toBe(0);
});

test('is empty at once when it is, or when no time is given', async () => {
  const clock = new FakeClock();
  expect(await holdsOf(0).live.empty(1_000, clock)).toBe(true);
  expect(await holdsOf(1).live.empty(0, clock)).toBe(false);
  expect(clock.pending).toBe(0);
});

test('waits for the last hold, and leaves no timer', async () => {
  const clock = new FakeClock();
  const { live, holds } = holdsOf(2);
  const emptied = watch(live.empty(1_000, clock));
  live.delete(holds[0]!);
  await clock.advance(999);
  expect(emptied.state).toBe('pending');
  live.delete(holds[1]!);
  await clock.advance(0);
  expect(emptied.value).toBe(true);
  expect(clock.pending).toBe(0);
});

test('waits no longer than told', async () => {
  const clock = new FakeClock();
  const emptied = watch(holdsOf(1).live.empty(1_000, clock));
  await clock.advance(999);
  expect(emptied.state).toBe('pending');
  await clock.advance(1);
  expect(emptied.value).toBe(false);
});
