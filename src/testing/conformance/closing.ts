import { type Cases, reasonOf, sleep } from './kit.js';

const codeOf = async (promise: Promise<unknown>) =>
  ((await reasonOf(promise)) as { code?: string } | undefined)?.code;

export const closing: Cases = {
  'closing twice is closing once': async ({ driver, expect }) => {
    await Promise.all([driver.close(), driver.close()]);
    expect(await driver.close()).toBe(undefined);
  },

  'closing rejects the waiters': async (kit) => {
    await kit.take();
    const modes = ['write', 'read', 'write'] as const;
    const codes = modes.map((mode) => codeOf(kit.ask({ mode, wait: 4_000 })));
    await sleep(60);
    await kit.driver.close();
    kit.expect(await Promise.all(codes)).toEqual(['LOCK_CLOSED', 'LOCK_CLOSED', 'LOCK_CLOSED']);
  },

  'a closed driver gives nothing': async (kit) => {
    await kit.driver.close();
    kit.expect(await codeOf(kit.ask())).toBe('LOCK_CLOSED');
    kit.expect(await codeOf(kit.ask({ wait: 1_000 }))).toBe('LOCK_CLOSED');
  },
};
