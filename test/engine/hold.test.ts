import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Hold, surelyUntil, ttlFor } from '../../src/engine/hold.js';
import type { SharedHold } from '../../src/engine/thread/shared-hold.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { shareHold, TTL, tryOf } from '../support/shared-hold.js';

const FENCES = 3;
/** When it was granted. */
const SINCE = 1_000;

let hold: Hold;

function granted({ run = ['second', 'third'], late = false, fences = FENCES } = {}): Hold {
  const claim = { id: 'first k', request: tryOf('first'), mayComeLate: late };
  return new Hold(claim, { fence: 7, validUntil: SINCE + TTL, run }, fences, SINCE, () => {});
}

beforeEach(() => {
  hold = granted();
});

describe('a hold may be handed on', () => {
  test('for 20 ms', () => {
    expect([0, 19, 20, 1_000].map((ms) => hold.mayBeHandedOn(7, SINCE + ms))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([0, 19, 20, 1_000].map((ms) => hold.turnLeft(SINCE + ms))).toEqual([20, 1, 0, 0]);
  });

  test('while its time is not up', () => {
    hold.renewed(hold.sequence, SINCE + 10);
    expect([9, 10].map((ms) => hold.mayBeHandedOn(7, SINCE + ms))).toEqual([true, false]);
  });

  test('while it is not being taken away', () => {
    hold.endBy(SINCE + TTL);
    expect(hold.mayBeHandedOn(7, SINCE + 1)).toBe(false);
  });

  test('while none of its renewals awaits its answer', () => {
    hold.startRenewal(TTL, SINCE);
    hold.startRenewal(TTL, SINCE);
    hold.endRenewal();
    expect(hold.mayBeHandedOn(7, SINCE + 1)).toBe(false);
    hold.endRenewal();
    expect(hold.mayBeHandedOn(7, SINCE + 1)).toBe(true);
  });

  test('while it has fences that are larger than it was used under', () => {
    const may = (used: number) => hold.mayBeHandedOn(used, SINCE);
    expect([0, 7, 9, 10, 11].map(may)).toEqual([true, true, true, false, false]);
    hold.handOn(tryOf('second'), 9, false);
    expect([0, 9].map(may)).toEqual([false, false]);
    expect(granted({ fences: 0 }).mayBeHandedOn(7, SINCE)).toBe(false);
  });

  test('to a lease that nearly all of its time is for, and no more', () => {
    expect(hold.suits(10_000, SINCE + 1_000)).toBe(true);
    expect([11_112, 11_111, 10_000, 9_999].map((ttl) => hold.suits(ttl, SINCE))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

test('a hold that is handed on serves the next one, under the next fence', () => {
  expect([hold.next, hold.serves]).toEqual(['second', undefined]);
  hold.skip();
  expect(hold.next).toBe('third');
  hold.handOn(tryOf('third'), 0, false);
  expect(hold.next).toBeUndefined();
  expect(hold.grant).toMatchObject({
    key: 'k',
    token: 'third',
    mode: 'write',
    fence: 8,
    validUntil: SINCE + TTL,
  });
  expect(hold.serves).toEqual({ fence: 8, meta: { who: 'third' } });
  // The store knows it as before.
  expect([hold.token, hold.firstFence, hold.served]).toEqual(['first', 7, ['third']]);
});

test('the fence of whom it serves is larger than what it was used under', () => {
  hold.handOn(tryOf('second'), 8, false);
  expect(hold.fence).toBe(9);
});

test('it is late once one whom it has served is', () => {
  const lateness = (first: boolean, ...others: boolean[]) => {
    const of = granted({ late: first });
    for (const late of others) of.handOn(tryOf('next'), 0, late);
    return of.late;
  };
  expect([lateness(false), lateness(true)]).toEqual([false, true]);
  expect([lateness(false, false), lateness(false, true, false), lateness(true, false)]).toEqual([
    false,
    true,
    true,
  ]);
});

describe('its time', () => {
  const at = SINCE + 2_000;

  /** Renewals that ask for `ttls`, of which the first is answered. */
  function answeredFirst(...ttls: number[]): number {
    const [first] = ttls.map((ttl) => hold.startRenewal(ttl, at)!);
    hold.renewed(first!, at + ttls[0]!);
    return hold.validUntil;
  }

  test('grows by the answer to the latest renewal', () => {
    const [first, second] = [hold.startRenewal(2 * TTL, at)!, hold.startRenewal(TTL, at)!];
    expect([first, second, hold.sequence]).toEqual([1, 2, 2]);
    hold.renewed(first, at + 2 * TTL);
    expect(hold.validUntil).toBe(SINCE + TTL);
    hold.renewed(second, at + TTL);
    expect(hold.validUntil).toBe(at + TTL);
  });

  test('grows by the answer to an earlier renewal, where none after it asked for less', () => {
    expect(answeredFirst(TTL, TTL, 2 * TTL)).toBe(at + TTL);
    hold.renewed(2, at + TTL - 1);
    expect(hold.validUntil).toBe(at + TTL);
    hold.renewed(3, at + 2 * TTL);
    expect(answeredFirst(2 * TTL, TTL + 100, 2 * TTL)).toBeLessThan(at + TTL + 100);
  });

  test('does not grow by the answer to an earlier renewal once it is to end', () => {
    const [first] = [hold.startRenewal(TTL, at)!, hold.startRenewal(TTL, at)];
    hold.endBy(SINCE + 5_000);
    hold.startRenewal(2 * TTL, at);
    hold.renewed(first, at + TTL);
    expect(hold.validUntil).toBe(SINCE + 5_000);
  });

  test('is shorter from the sending of a shorter renewal on, whose answer may be lost', () => {
    hold.startRenewal(500, at);
    expect(hold.validUntil).toBe(at + 498.5);
  });

  test('ends at a given moment at the latest', () => {
    hold.endBy(SINCE + 2 * TTL);
    expect(hold.validUntil).toBe(SINCE + TTL);
    hold.endBy(at);
    expect(hold.validUntil).toBe(at);
  });

  test('may be in the store as long as the longest that was asked for', () => {
    const longest = [500, 2 * TTL, TTL].map((ttl) => {
      hold.startRenewal(ttl, at);
      return hold.longestTtl;
    });
    expect(longest).toEqual([TTL, 2 * TTL, 2 * TTL]);
  });
});

describe('while a thread renews it too', () => {
  const sharer = { shortened: jest.fn(), ended: jest.fn() };
  let shared: SharedHold;

  beforeEach(() => {
    jest.resetAllMocks();
    hold.startRenewal(TTL, SINCE);
    hold.endRenewal();
    shared = shareHold(hold, new FakeClock(SINCE), sharer.ended, sharer.shortened);
  });

  test('its time is that of both', () => {
    shared.endBy(SINCE + 3_000);
    expect(hold.validUntil).toBe(shared.validUntil);
    hold.endBy(SINCE + 2_000);
    expect(Math.round(shared.validUntil - SINCE)).toBe(2_000);
    const sequence = hold.startRenewal(TTL, SINCE)!;
    expect(sequence).toBe(2);
    hold.renewed(sequence, SINCE + 5_000);
    expect(Math.round(shared.validUntil - SINCE)).toBe(5_000);
  });

  test('the answer to a renewal from before it was shared does not make its time longer, once there is a later one', () => {
    hold.unshare();
    const longer = hold.startRenewal(2 * TTL, SINCE)!;
    hold.startRenewal(TTL, SINCE);
    shared = shareHold(hold, new FakeClock(SINCE));
    shared.startRenewal(2 * TTL, SINCE);
    hold.renewed(longer, SINCE + 2 * TTL);
    expect(hold.validUntil).toBeLessThanOrEqual(SINCE + TTL);
  });

  test('the thread is told of a renewal that makes the time shorter, and of no other', () => {
    hold.startRenewal(2 * TTL, SINCE);
    expect(sharer.shortened).not.toHaveBeenCalled();
    hold.startRenewal(TTL / 2, SINCE);
    expect(sharer.shortened).toHaveBeenCalledTimes(1);
  });

  test('it goes on alone with the time and the numbers that the thread has come to', () => {
    shared.renewed(shared.startRenewal(TTL, SINCE)!, SINCE + 2 * TTL);
    hold.unshare();
    expect(sharer.ended).toHaveBeenCalledTimes(1);
    expect([Math.round(hold.validUntil - SINCE), hold.sequence]).toEqual([2 * TTL, 2]);
    expect(hold.mayBeHandedOn(7, SINCE)).toBe(true);
    expect(shared.startRenewal(TTL, SINCE)).toBeUndefined();
    expect(hold.startRenewal(TTL, SINCE)).toBe(3);
    hold.unshare();
    expect(sharer.ended).toHaveBeenCalledTimes(1);
  });

  test('it is not handed on after that where a renewal of the thread has no answer', () => {
    shared.startRenewal(TTL, SINCE);
    hold.unshare();
    expect(hold.validUntil).toBeGreaterThan(SINCE);
    expect(hold.mayBeHandedOn(7, SINCE)).toBe(false);
    hold.startRenewal(TTL, SINCE);
    expect(hold.mayBeHandedOn(7, SINCE)).toBe(false);
    hold.endRenewal();
    expect(hold.mayBeHandedOn(7, SINCE)).toBe(false);
  });

  test('it is over after that where the thread has found that it is lost', () => {
    shared.end('stolen');
    expect(hold.startRenewal(TTL, SINCE)).toBeUndefined();
    hold.unshare('closed');
    expect([hold.validUntil, shared.loss]).toEqual([-Infinity, 'stolen']);
    expect(hold.mayBeHandedOn(7, SINCE)).toBe(false);
  });

  test.each([
    ['revoked', 'revoked'],
    [undefined, undefined],
  ] as const)('it ends for the thread, too: %s', (loss, known) => {
    hold.unshare(loss);
    expect([shared.validUntil, shared.loss]).toEqual([-Infinity, known]);
  });
});

test('what is left of a time that the server counts is surely less than was set, by 1 ms and a thousandth', () => {
  expect(surelyUntil(500, 10_000)).toBe(500 + 10_000 - 1 - 10);
  for (const left of [1, 17, 999.5, 10_000, 1e9]) {
    const given = surelyUntil(0, ttlFor(left));
    expect(given).toBeGreaterThanOrEqual(left - 1e-6);
    expect(given).toBeLessThan(left + 1);
  }
});
