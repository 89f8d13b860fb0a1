/**
 * A store that refuses a late writer. A holder pauses beyond its lease, another one takes over and writes; when the
 * first one wakes up it still believes that it may write. No lock can stop it: the store does, by the fence.
 *
 *     node build/examples/05-fenced-write.js
 *     LOCK_PROVIDER=redis node build/examples/05-fenced-write.js
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider } from 'latchkey';

interface Row {
  balance: number;
  fence: number;
}

/** A file of one row. In SQL: `UPDATE account SET balance = ?, fence = ? WHERE id = ? AND fence <= ?`. */
class Account {
  readonly #folder = mkdtempSync(join(tmpdir(), 'latchkey-account-'));
  readonly #file = join(this.#folder, 'account.json');

  constructor(balance: number) {
    writeFileSync(this.#file, JSON.stringify({ balance, fence: 0 }));
  }

  read(): Row {
    return JSON.parse(readFileSync(this.#file, 'utf8'));
  }

  /** False: somebody with a larger fence has written. Nothing else runs in between, for nothing here is awaited. */
  write(balance: number, fence: number): boolean {
    if (fence < this.read().fence) return false;
    writeFileSync(`${this.#file}.new`, JSON.stringify({ balance, fence }));
    renameSync(`${this.#file}.new`, this.#file);
    return true;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

const app = await createApp().install(lockProvider).start();
const account = new Account(100);

async function withdraw(who: string, amount: number, pauseMs: number): Promise<void> {
  const lease = await lock.L().acquire('account:1', { ttl: '200ms' });
  const { balance } = account.read();
  await sleep(pauseMs); // stands for a process that is stopped: it does not get to look at lease.held
  const written = account.write(balance - amount, lease.fence);
  console.log(`${who}, fence ${lease.fence}: ${written ? 'written' : 'refused, the lease was over'}`);
  await lease.release();
}

await Promise.all([withdraw('slow', 10, 500), withdraw('fast', 20, 10)]);

await app.stop();
console.log(`The balance is ${account.read().balance}.`);
account.remove();
