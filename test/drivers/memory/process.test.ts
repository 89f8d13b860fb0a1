import { expect, test } from '@jest/globals';
import { runSource } from '../../support/process.js';

test('a rest that somebody waits for keeps the process alive; one that nobody waits for does not', async () => {
  const child = runSource(`
    import { memoryDriver } from 'latchkey';
    const driver = memoryDriver();
    const request = { key: 'k', token: 'a', mode: 'write', ttl: 60_000, wait: Infinity, retryInterval: 100, meta: {} };
    const started = performance.now();
    await driver.release(await driver.acquire(request), 300);
    const grant = await driver.acquire({ ...request, token: 'b' });
    send({ took: performance.now() - started });
    await driver.release(grant, 60_000);
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  const took = child.messages[0]!.took as number;
  expect(took).toBeGreaterThan(297);
  expect(took).toBeLessThan(20_000);
});
