import { expect, test } from '@jest/globals';
import { runSource } from './support/process.js';

const LOADED = `
  import { createRequire } from 'node:module';
  const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => /node_modules.ioredis/.test(file));
`;

test('a memory app never loads ioredis, and one on Redis does', async () => {
  const child = runSource(`${LOADED}
    import { createApp, lock, lockProvider, redisDriver } from 'latchkey';
    const app = await createApp({ env: {} }).install(lockProvider).start();
    await lock.L().with('k', () => {});
    send({ memory: loaded() });
    await app.stop();
    const driver = await redisDriver();
    send({ redis: loaded() });
    await driver.close();
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ memory: false }, { redis: true }]);
});

test('a start that fails for want of a server leaves nothing open: the process ends by itself', async () => {
  const child = runSource(`
    import { createApp, lockProvider } from 'latchkey';
    const env = { LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: 'redis://127.0.0.1:9' };
    await createApp({ env }).install(lockProvider).start().catch((error) => send({ code: error.code }));
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ code: 'LOCK_BACKEND' }]);
});
