import { expect, test } from '@jest/globals';
import { runSource } from '../support/process.js';

const CALLS = `
  import { LockRegistry } from 'latchkey/locks';
  import { FakeClock } from 'latchkey/testing';
  process.on('warning', ({ code, message }) => send({ code, message }));
  await new LockRegistry({ clock: new FakeClock() }).mustOf().tryAcquire('k', { ttl: 30 });
  const locker = new LockRegistry().mustOf();
  await locker.with('k', () => {}, { ttl: 100 });
  for (const ttl of [30, 20]) await locker.with('k', () => {}, { ttl });
  await new Promise(setImmediate);
`;

test('a ttl under 100 ms is told once, with what was probably meant; not on a clock of a test', async () => {
  const child = runSource(CALLS, { NODE_ENV: 'development' });
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([
    { code: 'LATCHKEY_SHORT_TTL', message: expect.stringContaining('a number is milliseconds') },
  ]);
  expect(child.messages[0]!.message).toContain("For seconds write '30s'");
});

test('a ttl under 100 ms in tests is not told', async () => {
  const child = runSource(CALLS, { NODE_ENV: 'test' });
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([]);
});
