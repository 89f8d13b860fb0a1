/**
 * What `with` costs over a lease in the caller's own hands, on memory. It knows what the code around it holds, to find
 * self-deadlocks and for `currentLease()`: by AsyncLocalStorage, which on Node 20 makes every await of the process
 * dearer once it is in use. The last column measures that: an await before and after the first `with`.
 */
import { LockRegistry } from '../lib/latchkey.mjs';
import { median } from '../lib/stats.mjs';
import { printTable } from '../lib/table.mjs';

const HOLDS = 20_000;
const locker = new LockRegistry().mustOf();

async function byHand() {
  for (let i = 0; i < HOLDS; i++) {
    const lease = await locker.acquire('key');
    try {
      await null;
    } finally {
      await lease.release();
    }
  }
}

async function byWith() {
  for (let i = 0; i < HOLDS; i++) await locker.with('key', async () => void (await null));
}

async function awaits() {
  for (let i = 0; i < HOLDS; i++) await null;
}

async function ns(fn) {
  const rounds = [];
  for (let round = 0; round < 9; round++) {
    const started = performance.now();
    await fn();
    if (round > 1) rounds.push(((performance.now() - started) * 1e6) / HOLDS);
  }
  return median(rounds);
}

export async function run() {
  const before = ['before the first with', await ns(byHand), '-', await ns(awaits)];
  await byWith();
  const after = ['after it', await ns(byHand), await ns(byWith), await ns(awaits)];
  printTable('with, on memory: ns', ['', 'acquire … release', 'with', 'an await'], [before, after]);
}
