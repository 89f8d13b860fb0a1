import { expect, test } from '@jest/globals';
import { TTL } from './child.js';
import { type Children, finished, type ThreadBackend } from './kit.js';

/** Calls of the holder that meet renewals of the thread. */
export function callTests(backend: ThreadBackend, children: Children): void {
  test('releases that race renewals are all true, hurt nobody who comes after, and nothing is lost', async () => {
    const holder = children.start(`
      const by = locker();
      let lost = 0;
      const released = await Promise.all(Array.from({ length: 40 }, async (_, n) => {
        const answers = [];
        for (let i = 0; i < 8; i++) {
          // Of one key there are always two who want it, so that holds are handed on in the process too.
          const lease = await by.acquire('o' + (n >> 1), { ttl: 1500, wait: '45s' });
          lease.signal.addEventListener('abort', () => lost++);
          await sleep(480 + Math.random() * 40);
          answers.push(await lease.release());
        }
        return answers;
      }));
      send({ released: released.flat().filter(Boolean).length, lost, warnings });
      await close();
    `);
    await finished(holder);
    expect(holder.messages).toEqual([{ released: 320, lost: 0, warnings: [] }]);
  }, 60_000);

  test('refresh and extend are right beside the thread: the later one counts, and the thread goes on from there', async () => {
    const holder = children.start(`
      const lease = await locker().acquire('p');
      const answers = [];
      for (let i = 0; i < 20; i++) {
        await sleep(Math.random() * 60);
        answers.push(await lease.extend(i % 2 ? 200 : 0), await lease.refresh(${TTL}));
      }
      block(${2 * TTL});
      const { held } = lease, left = lease.ttl();
      send({ good: answers.filter(Boolean).length, held, left, longer: await lease.refresh('20s') });
      await sleep(1000);
      send({ left: lease.ttl() });
      await close();
    `);
    await finished(holder);
    expect(holder.messages[0]).toEqual({ good: 40, held: true, left: expect.any(Number), longer: true });
    expect(holder.messages[0]!.left).toBeLessThan(TTL);
    expect(holder.messages[1]!.left).toBeGreaterThan(15_000);
    expect(holder.messages[1]!.left).toBeLessThan(20_000);
  });

  test('a try that is refused while the thread starts is told so in time', async () => {
    await backend.rival().acquire('s');
    const started = children.start(`
      const by = locker();
      const asked = performance.now();
      const lease = await by.tryAcquire('s');
      send({ lease, took: performance.now() - asked });
      await by.acquire('s', { wait: 1000 }).catch(({ code }) => send({ code }));
      await close();
    `);
    await finished(started);
    expect(started.messages[0]!.lease).toBeNull();
    expect(started.messages[0]!.took).toBeLessThan(5_000);
    expect(started.messages[1]).toEqual({ code: 'LOCK_TIMEOUT' });
  });
}
