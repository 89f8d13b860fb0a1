/**
 * At most five calls at once to each of two partners, in however many processes; nobody waits for another partner's calls.
 * The first come is the first served. Run it several times at once on Redis or PostgreSQL: five in all processes together.
 *
 *     node build/examples/13-five-at-once.js
 *     LOCK_PROVIDER=redis node build/examples/13-five-at-once.js
 *     LOCK_PROVIDER=redis LOCK_LOCKERS__PARTNERS__LIMIT=3 node build/examples/13-five-at-once.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider } from 'latchkey';

const CALLS = 20;
const PARTNERS = ['acme', 'umbrella'];

const inside = new Map<string, number>();
let mostOfOne = 0;
let mostOfAll = 0;

/** A call of a partner's service, which allows five at once. */
async function call(partner: string): Promise<void> {
  inside.set(partner, (inside.get(partner) ?? 0) + 1);
  mostOfOne = Math.max(mostOfOne, inside.get(partner)!);
  mostOfAll = Math.max(
    mostOfAll,
    [...inside.values()].reduce((a, b) => a + b),
  );
  const began = Date.now();
  await sleep(50);
  console.log(`${partner}: called from ${began} to ${Date.now()}`);
  inside.set(partner, inside.get(partner)! - 1);
}

const app = await createApp()
  .install(lockProvider({ lockers: { partners: { limit: 5, wait: 'forever' } } }))
  .start();

const partners = lock.L('partners');
const calls = Array.from({ length: CALLS }, () =>
  PARTNERS.map((partner) => partners.with(`partner:${partner}`, () => call(partner))),
);
await Promise.all(calls.flat());

await app.stop();
console.log(`Of one partner at most ${mostOfOne} at once, of both ${mostOfAll}.`);
