import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { createApp, LockConfigError, lock, lockProvider } from '../src/index.js';
import { runSource } from './support/process.js';

const warnings: { message: string; code: string }[] = [];
beforeEach(() => {
  warnings.length = 0;
  jest.spyOn(process, 'emitWarning').mockImplementation(((message: string, options: { code: string }) => {
    warnings.push({ message, code: options.code });
  }) as never);
});
afterEach(() => void jest.restoreAllMocks());

test('lock.L() at the top of a module says what to call first', async () => {
  expect(() => lock.L()).toThrow(LockConfigError);
  expect(() => lock.L()).toThrow(
    'lock: config: no app runs that has locks: start the app first, and call lock.L() inside a hook or a method',
  );
  const child = runSource(`
    import { lock } from 'latchkey';
    try { lock.L() } catch ({ code, message }) { send({ code, message }) }
  `);
  await child.exited;
  expect(child.messages).toEqual([
    { code: 'LOCK_CONFIG', message: expect.stringContaining('start the app first') },
  ]);
});

test('lock.L() of two apps is that of the one started last, and says once that two run', async () => {
  const start = () => createApp({ env: {} }).install(lockProvider).start();
  const one = await start();
  const first = lock.L();
  expect(warnings).toEqual([]);
  const two = await start();
  expect(lock.L()).not.toBe(first);
  expect(lock.L()).toBe(lock.default().of());
  expect(warnings).toEqual([
    { code: 'LATCHKEY_TWO_APPS', message: expect.stringMatching(/^2 apps .*started last/) },
  ]);
  await two.stop();
  expect(lock.L()).toBe(first);
  await one.stop();
});
