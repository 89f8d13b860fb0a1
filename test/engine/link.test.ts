import { expect, test } from '@jest/globals';
import { LockBackendError, LockClosedError } from '../../src/core/errors.js';
import { Link } from '../../src/engine/link.js';
import { FakeClock } from '../../src/testing/index.js';

const fault = (what: string) => new LockBackendError(what);

test('knows whether it is ready, why not, and since when', () => {
  const clock = new FakeClock(100);
  const [never, gone, refused] = [fault('not connected'), fault('gone'), fault('refused')];
  const link = new Link(clock, never);
  expect([link.ready, link.fault, link.lostAt]).toEqual([false, never, 100]);
  link.up();
  clock.jump(50);
  expect([link.ready, link.lostAt]).toEqual([true, 150]);
  link.down(gone);
  clock.jump(50);
  link.down(refused);
  expect([link.ready, link.fault, link.lostAt]).toEqual([false, refused, 150]);
});

test('knows the last answer of each server, about whichever of its keys, counted over all', () => {
  const clock = new FakeClock(100);
  const servers: Record<string, string> = { a: 'one', b: 'one', c: 'two' };
  const link = new Link(clock, fault('not connected'), (key) => servers[key]!);
  const known = () => ['a', 'b', 'c'].map((key) => ({ ...link.answersFor(key) }));
  const none = { last: 0, at: -Infinity };
  expect(known()).toEqual([none, none, none]);
  link.answered('a');
  clock.jump(50);
  link.answered('b');
  expect(known()).toEqual([{ last: 2, at: 150 }, { last: 2, at: 150 }, none]);
  link.answered('c');
  expect(link.answersFor('c')).toEqual({ last: 3, at: 150 });
  expect(link.count).toBe(3);
  servers.a = 'two';
  expect(link.answersFor('a').last).toBe(3);
});

test('knows one server where it is told of none', () => {
  const link = new Link(new FakeClock(100), fault('not connected'));
  link.answered('a');
  expect(link.answersFor('b')).toEqual({ last: 1, at: 100 });
});

test('who waits for it is told when it is ready, after its time, or at the close', async () => {
  const clock = new FakeClock();
  const link = new Link(clock, fault('not connected'));
  const [inTime, inVain] = [link.whenReady(100), link.whenReady(10)];
  inVain.catch(() => {});
  await clock.advance(50);
  await expect(inVain).rejects.toThrow('not connected');
  link.up();
  await expect(inTime).resolves.toBeUndefined();
  await expect(link.whenReady(0)).resolves.toBeUndefined();
  link.down(fault('gone'));
  const late = link.whenReady(100);
  link.close();
  await expect(late).rejects.toThrow(LockClosedError);
  await expect(link.whenReady(100)).rejects.toThrow(LockClosedError);
  expect(clock.pending).toBe(0);
});
