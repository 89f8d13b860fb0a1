/** Part `redis`: leases through a Redis of our own, beside the peers and beside the bare limit. */
import { loadAll } from './contenders.mjs';
import { apart } from './measures/apart.mjs';
import { commands } from './measures/commands.mjs';
import { free } from './measures/free.mjs';
import { handOff } from './measures/hand-off.mjs';
import { local } from './measures/local.mjs';
import { permits } from './measures/permits.mjs';
import { processes } from './measures/processes.mjs';
import { renewal } from './measures/renewal.mjs';
import { thread } from './measures/thread.mjs';
import { Server } from './server.mjs';

const MEASURES = { free, local, handOff, processes, permits, commands, renewal, thread, apart };

/** @param {{ only?: string }} options `only` names one measure */
export async function run({ only }) {
  if (only && !MEASURES[only])
    throw new Error(`expected redis:<${Object.keys(MEASURES).join('|')}>, got redis:${only}`);
  const server = await Server.start();
  const contenders = await loadAll();
  const ours = contenders.find(({ id }) => id === 'latchkey');
  const bare = contenders.find(({ id }) => id === 'bare');
  const waiters = contenders.filter((one) => one !== bare);
  console.log(
    '\nEverybody has the documented defaults, but waits and retries without limit; ttl 30 s or the default.',
  );
  const context = { server, url: server.url, contenders, waiters, ours, bare };
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (only === undefined || only === name) await measure(context);
  }
  await server.stop();
}
