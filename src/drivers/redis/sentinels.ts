import { lookup } from 'node:dns/promises';
import type { NatMap, Redis } from 'ioredis';
import type { Clock } from '../../core/clock.js';
import { takeSocketErrors } from './socket-errors.js';
import { within } from './within.js';

// How long a sentinel may take to answer.
const SENTINEL_MS = 300;

interface Address {
  readonly host?: string;
  readonly port?: number;
  readonly family?: number;
}

/** The primary that a sentinel names, and how new it says that is. */
interface Named {
  readonly address: string;
  readonly epoch: number;
}

/**
 * Whether the sentinels have replaced the server that `client` is connected to. One that has not heard of it yet, as for
 * up to 2 s after a fail-over, goes on naming the former primary, which goes on serving: so the newest answer counts.
 */
export async function isReplaced(client: Redis, clock: Clock): Promise<boolean> {
  const { sentinels, natMap } = client.options;
  const { remoteAddress, remotePort } = client.stream as { remoteAddress?: string; remotePort?: number };
  const answers = await Promise.all((sentinels ?? []).map((sentinel) => ask(client, sentinel)));
  const named = answers.filter((answer) => answer !== undefined);
  const here = `${remoteAddress} ${remotePort}`;
  const addresses = await Promise.all(named.map(({ address }) => resolved(reached(address, natMap), clock)));
  const epochs = named.filter((_, i) => addresses[i]!.includes(here)).map(({ epoch }) => epoch);
  const newest = Math.max(...named.map(({ epoch }) => epoch));
  return epochs.length > 0 && !epochs.includes(newest);
}

/** By which address the client reaches a server that is named so. */
function reached(address: string, natMap: NatMap | undefined): string {
  const name = address.replace(' ', ':');
  const other = typeof natMap === 'function' ? natMap(name) : natMap?.[name];
  return other ? `${other.host} ${other.port}` : address;
}

/** Sentinels name hosts by their names where `announce-hostnames` says so. */
async function resolved(address: string, clock: Clock): Promise<string[]> {
  const [host = '', port] = address.split(' ');
  const found = lookup(host, { all: true }).catch(() => []);
  const hosts = await within(clock, SENTINEL_MS, found);
  return (hosts ?? []).map((each) => `${each.address} ${port}`);
}

/** A sentinel, and the primary that it names: `host port`; undefined where it does not answer. */
export interface Sentinel {
  readonly address: string;
  readonly primary: string | undefined;
}

/** What the sentinels of `client` say. */
export function askSentinels(client: Redis): Promise<Sentinel[]> {
  const sentinels: readonly Address[] = client.options.sentinels ?? [];
  return Promise.all(
    sentinels.map(async (sentinel) => ({
      address: `${sentinel.host}:${sentinel.port ?? 26379}`,
      primary: (await ask(client, sentinel))?.address,
    })),
  );
}

async function ask(client: Redis, { host, port, family }: Address): Promise<Named | undefined> {
  const { name, sentinelUsername, sentinelPassword, sentinelTLS } = client.options;
  const sentinel = client.duplicate({
    ...({ sentinels: null, name: null } as object),
    ...{ host: host ?? 'localhost', port: port ?? 26379, ...(family !== undefined && { family }) },
    ...({ username: sentinelUsername ?? null, password: sentinelPassword ?? null } as object),
    ...({ tls: sentinelTLS } as object),
    ...{ db: 0, lazyConnect: true, enableReadyCheck: false, enableOfflineQueue: true },
    ...{ commandTimeout: SENTINEL_MS, ...({ protocol: 2 } as object) },
    retryStrategy: () => null,
  });
  sentinel.on('error', () => {});
  takeSocketErrors(sentinel);
  try {
    const [address, fields] = (await Promise.all([
      sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name!),
      sentinel.call('SENTINEL', 'MASTER', name!),
    ])) as [string[], string[]];
    return { address: address.join(' '), epoch: Number(fields[fields.indexOf('config-epoch') + 1]) };
  } catch {
    return undefined;
  } finally {
    sentinel.disconnect();
  }
}
