/**
 * A scheduled job on two machines that must run once a tick. The lock keeps two from running it at the same time; the
 * journal, read and written under the lock, keeps a late one from running it again.
 *
 *     LOCK_PROVIDER=redis REDIS_URL=redis://127.0.0.1:6379 node build/examples/03-scheduled-job.js
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider } from 'latchkey';

const TICKS = 3;
const TICK_MS = 200;

async function parent(): Promise<void> {
  if (process.env.LOCK_PROVIDER !== 'redis') {
    console.log('Two processes share no memory: run this with LOCK_PROVIDER=redis.');
    process.exitCode = 1;
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-journal-'));
  const journal = join(folder, 'journal');
  await writeFile(journal, '');
  const begin = String(Date.now() + 1_000);
  const machines = ['A', 'B'].map((name) => fork(import.meta.filename, [name, journal, begin]));
  const codes = await Promise.all(machines.map(async (machine) => (await once(machine, 'exit'))[0]));
  const runs = (await readFile(journal, 'utf8')).trim().split('\n').length;
  await rm(folder, { recursive: true });
  console.log(`${TICKS} ticks, ${runs} runs.`);
  process.exitCode = Math.max(...codes);
}

async function machine(name: string, journal: string, begin: number): Promise<void> {
  await using _app = await createApp().install(lockProvider).start();
  for (let tick = 1; tick <= TICKS; tick++) {
    await sleep(Math.max(0, begin + tick * TICK_MS - Date.now()));
    const outcome = await lock.L().tryWith('daily-report', async () => {
      if ((await readFile(journal, 'utf8')).includes(`tick ${tick}\n`)) return 'was here too late';
      await sleep(50);
      await appendFile(journal, `tick ${tick}\n`);
      return 'ran the job';
    });
    console.log(`${name}, tick ${tick}: ${outcome.acquired ? outcome.value : 'left it to the other'}`);
  }
}

const [name, journal, begin] = process.argv.slice(2);
if (name && journal) await machine(name, journal, Number(begin));
else await parent();
