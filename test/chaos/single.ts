import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startProxy } from '../support/proxy.js';
import { startRedis } from '../support/redis-server.js';
import { canStepClocks, SteppedClock } from '../support/stepped-clock.js';
import { sleep } from '../support/wait.js';
import type { Fault } from './faults.js';
import { lookInto, type RedisServers, redisFaults } from './redis-servers.js';
import type { Topology } from './topology.js';

/** One server, which keeps what it has acknowledged. */
export async function startSingle(): Promise<Topology> {
  const clock = canStepClocks() ? await SteppedClock.make() : undefined;
  const server = await startRedis({ persist: true, ...(clock && { env: clock.env }) });
  const proxy = await startProxy(server.port);
  const servers: RedisServers = {
    primaries: () => [server],
    ownerOf: async () => server,
    whole: true,
    longestStop: 3_500,
  };
  const faults: Fault[] = [
    ...redisFaults(servers),
    {
      kind: 'Redis killed, restarted with its data',
      strike: async ({ random }) => {
        await server.kill();
        await sleep(random.between(0, 1_500));
        await server.start();
      },
    },
    {
      kind: 'Redis killed, restarted without data',
      explains: 'lost data',
      strike: async ({ random }) => {
        await server.kill();
        await rm(join(server.dir, 'appendonlydir'), { recursive: true, force: true });
        await sleep(random.between(0, 1_000));
        await server.start();
      },
    },
  ];
  if (clock)
    faults.push({
      kind: 'server clock stepped',
      explains: 'clock step',
      strike: async ({ random }) => {
        await clock.step(random.between(-2_000, 2_000));
        await sleep(2_500);
        await clock.step(0);
      },
    });
  return {
    dial: { kind: 'single', url: proxy.url },
    proxies: [proxy],
    whole: true,
    faults,
    missing: clock ? [] : ['server clock stepped: there is no C compiler'],
    look: () => lookInto([server]),
    stop: async () => {
      await proxy.close();
      await server.stop();
      await clock?.remove();
    },
  };
}
