import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Hold } from '../../src/engine/hold.js';
import { claimKey, Holds } from '../../src/engine/holds.js';
import type { LockMode } from '../../src/lease/driver.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { shareHold, TTL, tryOf } from '../support/shared-hold.js';

let clock: FakeClock;
let holds: Holds;

function begin(token: string, mode: LockMode = 'write'): Hold {
  const claim = { id: claimKey('k', token), request: tryOf(token, { mode }), mayComeLate: false };
  return holds.begin(claim, { fence: 1, validUntil: clock.now() + TTL, run: [] });
}

function handOn(hold: Hold, token: string): void {
  const former = hold.request.token;
  hold.handOn(tryOf(token), 0, false);
  holds.moved(hold, former);
}

function share(hold: Hold) {
  const ended = jest.fn();
  return { shared: shareHold(hold, clock, ended), ended };
}

const found = (...tokens: string[]) => tokens.map((token) => holds.find(claimKey('k', token)));
const serving = (...tokens: string[]) => tokens.map((token) => holds.serving({ key: 'k', token }));

beforeEach(() => {
  clock = new FakeClock(1_000);
  holds = new Holds(clock, 3);
});

afterEach(() => {
  holds.close();
  expect(clock.pending).toBe(0);
});

test('a hold is known by its claim until its time is up', async () => {
  const hold = begin('a');
  expect([...found('a', 'b'), ...serving('a', 'b')]).toEqual([hold, undefined, hold, undefined]);
  await clock.advance(TTL - 1);
  expect(found('a')).toEqual([hold]);
  await clock.advance(1);
  expect([...found('a'), ...serving('a')]).toEqual([undefined, undefined]);
});

test('a hold whose time has changed is known for that time', async () => {
  const [longer, shorter] = [begin('a'), begin('b')];
  longer.renewed(longer.startRenewal(2 * TTL, clock.now())!, clock.now() + 2 * TTL);
  holds.retimed(longer);
  shorter.endBy(clock.now() + 500);
  holds.retimed(shorter);
  await clock.advance(500);
  expect(found('a', 'b')).toEqual([longer, undefined]);
  await clock.advance(2 * TTL - 501);
  expect(found('a')).toEqual([longer]);
  await clock.advance(1);
  expect(found('a')).toEqual([undefined]);
});

test('a hold that another thread has renewed is known for that time', async () => {
  const hold = begin('a');
  const { shared, ended } = share(hold);
  await clock.advance(TTL / 2);
  shared.renewed(shared.startRenewal(TTL, clock.now())!, clock.now() + TTL);
  await clock.advance(TTL - 10);
  expect(found('a')).toEqual([hold]);
  expect(ended).not.toHaveBeenCalled();
  await clock.advance(10);
  expect(found('a')).toEqual([undefined]);
  expect(ended).toHaveBeenCalledTimes(1);
});

test('a hold whose time is up is known to be over, until it is ended or the store cannot have it any more', async () => {
  const over = (...tokens: string[]) => tokens.map((token) => holds.findOver(claimKey('k', token)));
  const [longer, handed, freed, stolen] = [begin('a'), begin('b'), begin('c'), begin('d')];
  longer.startRenewal(3 * TTL, clock.now());
  handOn(handed, 'e');
  holds.end(freed);
  await clock.advance(TTL - 1);
  expect(over('a', 'b', 'c', 'd', 'e')).toEqual(Array(5).fill(undefined));
  await clock.advance(1);
  expect(over('a', 'b', 'c', 'd', 'e')).toEqual([longer, undefined, undefined, stolen, handed]);
  holds.end(stolen);
  await clock.advance(TTL - 1);
  expect(over('a', 'd', 'e')).toEqual([longer, undefined, handed]);
  await clock.advance(1);
  expect(over('a', 'd', 'e')).toEqual([longer, undefined, undefined]);
  await clock.advance(2 * TTL);
  expect(over('a')).toEqual([undefined]);
});

test('a hold that is over does not end a later one of the same claim', async () => {
  begin('a').startRenewal(3 * TTL, clock.now());
  await clock.advance(TTL);
  const second = begin('a');
  await clock.advance(TTL);
  expect(holds.findOver(claimKey('k', 'a'))).toBe(second);
  const third = begin('a');
  third.renewed(third.startRenewal(9 * TTL, clock.now())!, clock.now() + 9 * TTL);
  holds.retimed(third);
  await clock.advance(4 * TTL);
  expect(found('a')).toEqual([third]);
  expect(holds.findOver(claimKey('k', 'a'))).toBeUndefined();
});

test('a hold that is over is not handed on, though a late answer makes its time longer', async () => {
  const hold = begin('a');
  const sequence = hold.startRenewal(5, clock.now())!;
  holds.retimed(hold);
  await clock.advance(5);
  hold.renewed(sequence, clock.now() + TTL);
  hold.endRenewal();
  holds.retimed(hold);
  expect(holds.findOver(claimKey('k', 'a'))).toBe(hold);
  expect([hold.validUntil > clock.now(), hold.mayBeHandedOn(0, clock.now())]).toEqual([true, false]);
});

test('the change of a hold that is over brings nothing back', async () => {
  const hold = begin('a');
  holds.end(hold);
  const next = begin('a');
  hold.renewed(hold.startRenewal(TTL, clock.now())!, clock.now() + 100);
  holds.retimed(hold);
  await clock.advance(100);
  expect(found('a')).toEqual([next]);
});

test('a hold that was handed on is known by its claim and by whom it serves, and by nobody between', () => {
  const hold = begin('a');
  expect(holds.handedOn('k')).toBeUndefined();
  handOn(hold, 'b');
  expect(found('a', 'b')).toEqual([hold, hold]);
  expect(serving('a', 'b')).toEqual([undefined, hold]);
  expect(holds.handedOn('k')).toBe(hold);
  handOn(hold, 'c');
  expect(found('a', 'b', 'c')).toEqual([hold, undefined, hold]);
  expect(serving('a', 'b', 'c')).toEqual([undefined, undefined, hold]);
});

test('of a hold that is over nothing is known, and of another one of the key all', () => {
  const [first, second] = [begin('a'), begin('b')];
  handOn(first, 'c');
  handOn(second, 'd');
  holds.end(first);
  expect(found('a', 'c', 'b', 'd')).toEqual([undefined, undefined, second, second]);
  expect(holds.handedOn('k')).toBe(second);
  holds.end(second);
  expect(found('b', 'd')).toEqual([undefined, undefined]);
  expect(holds.handedOn('k')).toBeUndefined();
});

test('a thread that renews a hold is told its end, and why', () => {
  const [lost, released] = [share(begin('a')), share(begin('b'))];
  holds.end(found('a')[0]!, 'revoked');
  holds.end(found('b')[0]!);
  expect([lost.shared.loss, released.shared.loss]).toEqual(['revoked', undefined]);
  expect([lost.shared.validUntil, released.shared.validUntil]).toEqual([-Infinity, -Infinity]);
});

test('only the hold of a writer has fences to be handed on with', () => {
  expect(begin('a').mayBeHandedOn(3, clock.now())).toBe(true);
  expect(begin('b').mayBeHandedOn(4, clock.now())).toBe(false);
  expect(begin('c', 'read').mayBeHandedOn(1, clock.now())).toBe(false);
});

test('after the close no hold is known, and no other thread renews one', () => {
  const hold = begin('a');
  const { shared, ended } = share(hold);
  handOn(hold, 'b');
  holds.close();
  expect([...found('a', 'b'), holds.handedOn('k')]).toEqual([undefined, undefined, undefined]);
  expect(shared.validUntil).toBe(-Infinity);
  expect(ended).toHaveBeenCalledTimes(1);
});
