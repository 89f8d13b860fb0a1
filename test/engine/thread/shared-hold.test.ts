import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import { SharedHold } from '../../../src/engine/thread/shared-hold.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const TTL = 3_000;

let clock: FakeClock;
let beat: SharedClock;
let main: SharedHold;
let thread: SharedHold;

/** The same hold as two threads see it, valid for 3 s from now. */
function share({ until = Infinity, maxBlock = 60_000, sequence = 0 } = {}): void {
  clock = new FakeClock();
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(Math.round(clock.now() * 1e6)));
  const time = SharedClock.time();
  beat = new SharedClock(clock, time);
  beat.tick();
  const memory = SharedHold.memory(beat, clock.now() + TTL, sequence, TTL);
  main = new SharedHold(memory, beat, { until, maxBlock });
  thread = new SharedHold(memory, beat, { until, maxBlock });
}

/** A renewal of the thread that is answered at once. */
function renew(ttl = TTL): void {
  const now = clock.now();
  thread.renewed(thread.startRenewal(ttl, now)!, now + ttl);
}

/** Time passes, and the event loop turns. */
function pass(ms: number): void {
  clock.jump(ms);
  beat.tick();
}

/** The other thread does this between what is read and what is written next. */
function between(change: () => void): void {
  const { compareExchange } = Atomics;
  jest.spyOn(Atomics, 'compareExchange').mockImplementationOnce((...args: unknown[]) => {
    change();
    return Reflect.apply(compareExchange, Atomics, args);
  });
}

beforeEach(() => share());
afterEach(() => void jest.restoreAllMocks());

test('what one thread proves, the other reads at once', () => {
  pass(1_000);
  expect(main.validUntil).toBeGreaterThan(2_998);
  expect(main.validUntil).toBeLessThanOrEqual(3_000);
  renew();
  expect(main.validUntil).toBeGreaterThan(3_998);
  expect(main.validUntil).toBeLessThanOrEqual(4_000);
});

test('it is lost when its time is up: expired, or by the backend where an answer is missing', () => {
  pass(TTL);
  expect(main.validUntil).toBe(-Infinity);
  expect([main.loss, thread.loss]).toEqual(['expired', 'expired']);
  share();
  thread.startRenewal(TTL, clock.now());
  pass(TTL);
  expect(main.validUntil).toBe(-Infinity);
  expect(main.loss).toBe('backend');
});

test('an answer that comes after the loss was seen does not revive it', () => {
  pass(2_900);
  const sequence = thread.startRenewal(TTL, clock.now())!;
  pass(100);
  expect(main.validUntil).toBe(-Infinity);
  thread.renewed(sequence, clock.now() + TTL);
  expect([main.validUntil, thread.validUntil]).toEqual([-Infinity, -Infinity]);
});

test('an answer that comes after its time does not revive it, though nobody has looked', () => {
  pass(2_900);
  const sequence = thread.startRenewal(TTL, clock.now())!;
  pass(100);
  thread.renewed(sequence, clock.now() + TTL);
  expect(main.validUntil).toBe(-Infinity);
});

test('of two renewals the answer to the later one says how long it is', () => {
  const early = thread.startRenewal(TTL, clock.now())!;
  const late = main.startRenewal(500, clock.now())!;
  expect(late).toBe(early + 1);
  thread.renewed(early, 3_000);
  expect(main.validUntil).toBeLessThanOrEqual(500);
  main.renewed(late, 500);
  expect(thread.validUntil).toBeGreaterThan(498);
  expect(thread.validUntil).toBeLessThanOrEqual(500);
});

describe('the answer to an earlier renewal', () => {
  /** One that asked for `first`, and one after it for `second`; then that to the first comes. */
  function cross(first: number, second: number): number {
    pass(1_000);
    const early = thread.startRenewal(first, clock.now())!;
    main.startRenewal(second, clock.now());
    thread.renewed(early, clock.now() + first);
    return main.validUntil;
  }

  test('makes the time longer where the one after it asked for as much or more, and that one stays awaited', () => {
    expect(cross(TTL, TTL)).toBe(4_000);
    expect(main.end('released')).toMatchObject({ pending: true, sequence: 2 });
    share();
    expect(cross(TTL, 2 * TTL)).toBe(4_000);
  });

  test('does not where the one after it asked for less; that to the one after it does', () => {
    expect(cross(TTL, 2_500)).toBe(TTL);
    share();
    expect(cross(2 * TTL, TTL)).toBe(TTL);
    main.startRenewal(TTL, clock.now());
    thread.renewed(1, 7_000);
    expect(main.validUntil).toBe(TTL);
    thread.renewed(2, 4_000);
    expect(main.validUntil).toBe(4_000);
  });

  test('also does where those long before asked for less and for more', () => {
    main.renewed(main.startRenewal(TTL - 1, clock.now())!, TTL - 1);
    main.renewed(main.startRenewal(2 * TTL, clock.now())!, 2 * TTL);
    main.renewed(main.startRenewal(TTL, clock.now())!, TTL);
    expect(cross(TTL, TTL)).toBe(4_000);
  });

  test('does not where the time was made to end, or the hold was not shared when it was sent', () => {
    pass(1_000);
    const early = thread.startRenewal(TTL, clock.now())!;
    main.startRenewal(TTL, clock.now());
    main.endBy(3_500);
    thread.renewed(early, 4_000);
    expect(main.validUntil).toBe(TTL);
    share({ sequence: 7 });
    main.startRenewal(TTL, clock.now() + 1_000);
    main.renewed(7, 4_000);
    expect(main.validUntil).toBe(TTL);
  });

  test('does not where it is not known yet what the one before it asked for', () => {
    pass(1_000);
    main.startRenewal(2 * TTL, clock.now());
    // The other thread has started this one, and not told yet for how long.
    let late = 0;
    jest.spyOn(Atomics, 'store').mockImplementationOnce((_words, _index, value) => {
      late = main.startRenewal(TTL, clock.now())!;
      return value;
    });
    const early = thread.startRenewal(3 * TTL, clock.now())!;
    expect(late).toBe(early + 1);
    thread.renewed(early, clock.now() + 3 * TTL);
    expect(main.validUntil).toBe(TTL);
  });

  test('does not make it shorter than a later answer did', () => {
    pass(1_000);
    const early = thread.startRenewal(TTL, clock.now())!;
    pass(500);
    main.renewed(main.startRenewal(TTL, clock.now())!, 4_500);
    thread.renewed(early, 4_000);
    expect(thread.validUntil).toBe(4_500);
  });

  test('does not once another renewal that asks for less has started meanwhile', () => {
    pass(1_000);
    const early = thread.startRenewal(TTL, clock.now())!;
    main.startRenewal(TTL, clock.now());
    between(() => main.startRenewal(500, clock.now()));
    thread.renewed(early, 4_000);
    expect(main.validUntil).toBe(1_498);
  });
});

test('a shorter time counts from its sending', () => {
  main.startRenewal(500, clock.now());
  expect(thread.validUntil).toBeLessThan(500);
  expect(thread.validUntil).toBeGreaterThan(497);
});

test('after the release no renewal starts, and the numbers go on where they were', () => {
  share({ sequence: 7 });
  renew();
  expect(main.end('released')).toMatchObject({ sequence: 8, pending: false });
  expect(thread.startRenewal(TTL, clock.now())).toBeUndefined();
  expect(main.loss).toBeUndefined();
  expect(main.end('released')).toBeUndefined();
});

test('a release under a renewal tells that its answer is missing', () => {
  thread.startRenewal(TTL, clock.now());
  expect(main.end('released')).toMatchObject({ sequence: 1, pending: true });
});

test('it is lost when the heart has not beaten for maxBlock, and a later beat does not revive it', () => {
  share({ maxBlock: 1_000 });
  clock.jump(980);
  expect(main.validUntil).toBeGreaterThan(0);
  clock.jump(21);
  expect(thread.startRenewal(TTL, clock.now())).toBeUndefined();
  beat.tick();
  expect(main.validUntil).toBe(-Infinity);
  expect(main.loss).toBe('blocked');
});

test('it is renewed up to maxHold, and lost then', () => {
  share({ until: 4_000 });
  pass(2_000);
  expect(thread.renewAt(1 / 3)).toBeLessThanOrEqual(1_000);
  renew();
  expect(thread.renewAt(1 / 3)).toBe(Infinity);
  pass(1_999);
  expect(main.validUntil).toBeGreaterThan(-Infinity);
  pass(1);
  expect(main.validUntil).toBe(-Infinity);
  expect(main.loss).toBe('maxHold');
});

test('it is not renewed once it lasts until maxHold', () => {
  share({ until: TTL });
  expect(thread.renewAt(1 / 3)).toBe(Infinity);
  share({ until: TTL + 1 });
  expect(thread.renewAt(1 / 3)).toBeLessThanOrEqual(1_000);
});

test('one that is being revoked is renewed no more, whatever ttl is set, and lost as revoked', () => {
  thread.ttl = 0;
  thread.endBy(clock.now() + 1_000);
  main.ttl = TTL;
  expect(thread.renewAt(1 / 3)).toBe(Infinity);
  pass(1_001);
  expect(main.validUntil).toBe(-Infinity);
  expect(main.loss).toBe('revoked');
});

test('a ttl that is set goes for the renewals after it', () => {
  const before = thread.renewAt(1 / 3);
  expect(before).toBeLessThanOrEqual(1_000);
  expect(before).toBeGreaterThan(1_000 - TTL / 32 - 2);
  main.ttl = 6_000;
  expect(thread.ttl).toBe(6_000);
  expect(thread.renewAt(1 / 3)).toBeLessThanOrEqual(-1_000);
});

describe('what the other thread does at the same moment counts, too', () => {
  test('a ttl is set after its own', () => {
    between(() => {
      thread.ttl = 5_000;
    });
    main.ttl = 6_000;
    expect(thread.ttl).toBe(6_000);
  });

  test('a ttl is not set after a revocation', () => {
    between(() => {
      thread.ttl = 0;
    });
    main.ttl = 6_000;
    expect(main.ttl).toBe(0);
  });

  test('two renewals have two numbers', () => {
    let other: number | undefined;
    between(() => {
      other = main.startRenewal(TTL, clock.now());
    });
    expect([thread.startRenewal(TTL, clock.now()), other]).toEqual([2, 1]);
  });

  test('no renewal starts after a release', () => {
    between(() => main.end('released'));
    expect(thread.startRenewal(TTL, clock.now())).toBeUndefined();
  });

  test('an answer is not the latest once another renewal has started', () => {
    const sequence = thread.startRenewal(TTL, clock.now())!;
    between(() => main.startRenewal(500, clock.now()));
    thread.renewed(sequence, clock.now() + TTL);
    expect(main.validUntil).toBe(498);
  });

  test('an answer does not revive what was released', () => {
    const sequence = thread.startRenewal(TTL, clock.now())!;
    between(() => main.end('released'));
    thread.renewed(sequence, clock.now() + TTL);
    expect([thread.validUntil, thread.loss]).toEqual([-Infinity, undefined]);
  });

  test('a time that ends earlier ends no renewal', () => {
    between(() => thread.startRenewal(TTL, clock.now()));
    main.endBy(500);
    expect(main.validUntil).toBe(500);
    expect(main.end('released')).toEqual({ validUntil: 500, sequence: 1, pending: true });
  });

  test('the end tells of a renewal that has just started', () => {
    between(() => thread.startRenewal(TTL, clock.now()));
    expect(main.end('released')).toEqual({ validUntil: 2_996, sequence: 1, pending: true });
  });

  test('of two ends the first counts', () => {
    pass(TTL);
    between(() => thread.end('expired'));
    expect(main.end('stolen')).toBeUndefined();
    share();
    between(() => thread.end('stolen'));
    expect(main.end('released')).toBeUndefined();
    expect(main.loss).toBe('stolen');
  });
});

test.each(['expired', 'stolen', 'backend', 'maxHold', 'closed', 'revoked', 'blocked'] as const)(
  'both threads read why it is over: %s',
  (loss) => {
    thread.end(loss);
    expect([main.loss, thread.loss, main.validUntil]).toEqual([loss, loss, -Infinity]);
  },
);

test('it is over at its time, at maxHold and after maxBlock, and not before', () => {
  const lossAfter = (ms: number, terms: { until?: number; maxBlock?: number }, beats = true) => {
    share(terms);
    clock.jump(ms);
    if (beats) beat.tick();
    expect(main.validUntil > clock.now()).toBe(main.loss === undefined);
    return main.loss;
  };
  expect([lossAfter(TTL - 1, {}), lossAfter(TTL, {})]).toEqual([undefined, 'expired']);
  const until = 2_000;
  expect([lossAfter(until - 1, { until }), lossAfter(until, { until })]).toEqual([undefined, 'maxHold']);
  // A hold whose time is up at maxHold was held for maxHold.
  expect(lossAfter(TTL, { until: TTL })).toBe('maxHold');
  const maxBlock = 1_000;
  expect(lossAfter(maxBlock - 1, { maxBlock }, false)).toBeUndefined();
  expect(lossAfter(maxBlock, { maxBlock }, false)).toBe('blocked');
});

test('a time that ends later than it does anyway changes nothing', () => {
  main.endBy(TTL + 1);
  expect(thread.validUntil).toBe(TTL);
});

test('after 134,217,727 renewals it ends, for the numbers are used up', () => {
  share({ sequence: 2 ** 27 - 2 });
  expect(thread.startRenewal(TTL, clock.now())).toBe(2 ** 27 - 1);
  expect(main.validUntil).toBe(2_996);
  expect(thread.startRenewal(TTL, clock.now())).toBeUndefined();
  expect([main.validUntil, main.loss]).toEqual([-Infinity, 'expired']);
});

test('a time of many years counts as four, and one that is long past as up', () => {
  renew(1e15);
  expect(main.validUntil).toBe(2 ** 37 - 1 - 1_000);
  main.endBy(-1e15);
  expect([main.validUntil, main.loss]).toEqual([-Infinity, 'expired']);
});
