import { expect, test } from '@jest/globals';
import type { Worker } from '../../../support/process.js';
import { TTL } from './child.js';
import { type Children, finished, type ThreadBackend } from './kit.js';

/** Longer, for several processes at once have little of a small machine each. */
const LONG = 1.6 * TTL;

/** What a lease is worth whose holder's event loop is blocked. */
export function blockTests(backend: ThreadBackend, children: Children): void {
  const { processes, keys, rounds } = backend.trials;

  test('a loop that is blocked for 4 times the ttl, at any moment of a renewal: no rival gets in, it is held in the next statement', async () => {
    const names = (n: number) => Array.from({ length: keys }, (_, key) => `a${n}.${key}`);
    const holders = Array.from({ length: processes }, (_, n) =>
      children.start(`
        const by = locker(undefined, ${LONG});
        const leases = await Promise.all(${JSON.stringify(names(n))}.map(async (key) => {
          await sleep(Math.random() * ${LONG});
          return by.acquire(key);
        }));
        send({ fences: leases.map(({ fence }) => fence) });
        for (let round = 0; round < ${rounds}; round++) {
          await sleep(Math.random() * ${LONG});
          standStill(${4 * LONG});
          const seen = leases.map((lease) => ({ held: lease.held, left: lease.ttl(), why: reasonOf(lease) }));
          send({ seen });
        }
        for await (const _ of received) break;
        const aborted = leases.some(({ signal }) => signal.aborted);
        const released = await Promise.all(leases.map((lease) => lease.release()));
        send({ aborted, released, fences: leases.map(({ fence }) => fence), warnings });
        await close();
        process.stdin.destroy();
      `),
    );
    const rival = backend.rival();
    let early = 0;
    let waiting = true;
    const trials = await Promise.all(
      holders.map(async (holder, n) => {
        const { fences } = await holder.waitFor((message) => 'fences' in message);
        const nexts = names(n).map((key) => rival.acquire(key, { wait: '60s' }));
        for (const next of nexts) next.then(() => waiting && early++);
        const seen = () =>
          holder.messages.flatMap(({ seen = [] }) => seen as { held: boolean; left: number }[]);
        await holder.waitFor(() => seen().length === keys * rounds, 60_000);
        return { holder, fences: fences as number[], seen: seen(), nexts };
      }),
    );
    waiting = false;
    const seen = trials.flatMap((trial) => trial.seen);
    expect(seen).toEqual(
      Array.from({ length: processes * keys * rounds }, () => ({ held: true, left: expect.any(Number) })),
    );
    expect(early).toBe(0);
    for (const { left } of seen) {
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(LONG);
    }
    for (const { holder, fences, nexts } of trials) {
      holder.send({});
      const end = await holder.waitFor((message) => 'released' in message);
      expect(end).toEqual({ aborted: false, released: Array(keys).fill(true), fences, warnings: [] });
      for (const [n, next] of nexts.entries()) expect((await next).fence).toBeGreaterThan(fences[n]!);
      await finished(holder);
    }
  }, 120_000);

  test('a loop that is blocked beyond maxBlock: the rival gets in within the ttl, and it is lost in the next statement', async () => {
    const maxBlock = 2_000;
    const names = (n: number) => Array.from({ length: keys }, (_, key) => `b${n}.${key}`);
    const holders = Array.from({ length: processes }, (_, n) =>
      children.start(`
        const by = locker(undefined, ${LONG});
        for (let round = 0; round < ${rounds}; round++) {
          const leases = await Promise.all(${JSON.stringify(names(n))}.map(async (key) => {
            await sleep(Math.random() * ${LONG});
            return by.acquire(key, { maxBlock: ${maxBlock} });
          }));
          const told = leases.map(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
          await sleep(Math.random() * ${LONG});
          send({ round, held: leases.map(({ held }) => held), at: Date.now() });
          standStill(${maxBlock + LONG + 2_500});
          const seen = leases.map((lease) => ({ held: lease.held, left: lease.ttl(), reason: reasonOf(lease) }));
          const now = performance.now();
          await Promise.all(told);
          send({ after: round, seen, told: leases.map(({ signal }) => signal.reason.reason), ms: performance.now() - now });
        }
        await close();
      `),
    );
    const rival = backend.rival();
    const trial = async (holder: Worker, n: number) => {
      const trials: { after: number; seen: unknown; told: unknown }[] = [];
      for (let round = 0; round < rounds; round++) {
        const { at, held } = await holder.waitFor((message) => message.round === round, 60_000);
        expect(held).toEqual(Array(keys).fill(true));
        const afters = names(n).map(async (key) => {
          const lease = await rival.acquire(key, { wait: '20s' });
          const after = Date.now() - (at as number);
          await lease.release();
          return after;
        });
        const took = await Promise.all(afters);
        const { seen, told, ms } = await holder.waitFor((message) => message.after === round);
        expect(ms).toBeLessThan(2_000);
        took.forEach((after, key) => {
          trials.push({ after, seen: (seen as unknown[])[key], told: (told as unknown[])[key] });
        });
      }
      await finished(holder);
      return trials;
    };
    const trials = (await Promise.all(holders.map(trial))).flat();
    expect(trials.length).toBe(processes * keys * rounds);
    for (const { after, seen, told } of trials) {
      expect(after).toBeGreaterThan(maxBlock / 2);
      expect(after).toBeLessThan(maxBlock + LONG + 2_500);
      expect([seen, told]).toEqual([{ held: false, left: 0, reason: 'blocked' }, 'blocked']);
    }
  }, 120_000);

  test('a block that is over before the lease is, but not before maxBlock, is a loss too', async () => {
    const holder = children.start(`
      const lease = await locker().acquire('c', { ttl: '30s', maxBlock: 500 });
      block(800);
      send({ held: lease.held, reason: reasonOf(lease) });
      await sleep(300);
      send({ held: lease.held, aborted: lease.signal.aborted });
      await close();
    `);
    await finished(holder);
    expect(holder.messages).toEqual([
      { held: false, reason: 'blocked' },
      { held: false, aborted: true },
    ]);
  });

  const kept = async (ms: number, keys: string | readonly string[], options = {}) => {
    const holder = children.start(`
      const lease = await locker().acquire(${JSON.stringify(keys)}, ${JSON.stringify(options)});
      block(${ms});
      const { held } = lease;
      send({ held, released: await lease.release() });
      await close();
    `);
    await finished(holder);
    return holder.messages;
  };

  test('the first lease is not over before the thread is there: a block right after the acquire', async () => {
    expect(await kept(4 * TTL, 'd')).toEqual([{ held: true, released: true }]);
  });

  test('a block right after the first acquire, of several keys, is survived', async () => {
    expect(await kept(4 * TTL, ['f1', 'f2', 'f3'])).toEqual([{ held: true, released: true }]);
  });

  test('several keys are renewed together under a block', async () => {
    expect(await kept(3 * TTL, ['g1', 'g2', 'g3'])).toEqual([{ held: true, released: true }]);
  });

  test('readers are renewed in the thread too', async () => {
    const options = { mode: 'read', limit: 2 };
    expect(await kept(3 * TTL, 'readers', options)).toEqual([{ held: true, released: true }]);
  });

  test('maxHold ends a lease that the thread renews', async () => {
    const holder = children.start(`
      const lease = await locker().acquire('e', { maxHold: 3500 });
      block(1600);
      const before = lease.held;
      block(2000);
      send({ before, held: lease.held, reason: reasonOf(lease) });
      await close();
    `);
    await finished(holder);
    expect(holder.messages).toEqual([{ before: true, held: false, reason: 'maxHold' }]);
  });

  test('what the thread learns under a block is known in the next statement: a hold that was stolen, one that was revoked', async () => {
    const holder = children.start(`
      const by = locker();
      const stolen = await by.acquire('g', { maxBlock: '1h' });
      const revoked = await by.acquire('h', { maxBlock: '1h', ttl: 3000 });
      send({ fence: revoked.fence });
      block(5000);
      send({ stolen: stolen.held, why: reasonOf(stolen), revoked: revoked.held, reason: reasonOf(revoked) });
      await close();
    `);
    const { fence } = await holder.waitFor((message) => 'fence' in message);
    await backend.steal('g');
    expect(await backend.rival().revoke('h', fence as number, { grace: '2s' })).toBe(true);
    await finished(holder);
    expect(holder.messages[1]).toEqual({ stolen: false, why: 'stolen', revoked: false, reason: 'revoked' });
  });
}
