/**
 * A scheduled job that runs once a fire, on three machines whose clocks differ by 5 s. The time at which the job was to
 * start is the slot: it is the same on all machines, whatever their clocks say, so each fire runs once. A lock alone would
 * not do: it is free again when the job is done, and a machine whose clock is late would run the job once more.
 *
 *     LOCK_PROVIDER=redis node build/examples/03-scheduled-job.js
 *     LOCK_PROVIDER=postgres DATABASE_URL=postgres://… node build/examples/03-scheduled-job.js
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, lock, lockProvider } from 'latchkey';

const FIRES = 5;
const EVERY_MS = 200;
/** What each machine's clock is ahead, in ms. */
const CLOCKS = { A: 0, B: 5_000, C: -5_000 };

/** Fires at the same times on every machine, by the machine's own clock. A cron library does this in a service. */
async function machine(name: string, ahead: number, begin: number): Promise<void> {
  await using _app = await createApp().install(lockProvider).start();
  for (let fire = 1; fire <= FIRES; fire++) {
    const time = new Date(begin + fire * EVERY_MS);
    await sleep(Math.max(0, time.getTime() - (Date.now() + ahead)));
    const outcome = await lock.L().once('billing', time, async () => {
      await sleep(10); // the job
      return `billed by ${name}`;
    });
    console.log(`${name}, fire ${fire}: ${outcome.ran ? outcome.value : 'not here'}`);
    if (outcome.ran) process.send?.(fire);
  }
  process.disconnect();
}

async function parent(): Promise<void> {
  if (!['redis', 'postgres'].includes(process.env.LOCK_PROVIDER ?? '')) {
    console.log('Processes share no memory: run this with LOCK_PROVIDER=redis or postgres.');
    process.exitCode = 1;
    return;
  }
  // By then even the machine whose clock is ahead has started.
  const begin = String(Date.now() + CLOCKS.B + 2_000);
  const ran: unknown[] = [];
  const machines = Object.entries(CLOCKS).map(([name, ahead]) => {
    const child = fork(import.meta.filename, [name, String(ahead), begin]);
    return child.on('message', (fire) => ran.push(fire));
  });
  const codes = await Promise.all(machines.map(async (child) => (await once(child, 'close'))[0]));
  console.log(`${FIRES} fires, ${ran.length} runs.`);
  process.exitCode = Math.max(...codes);
}

const [name, ahead, begin] = process.argv.slice(2);
if (name) await machine(name, Number(ahead), Number(begin));
else await parent();
