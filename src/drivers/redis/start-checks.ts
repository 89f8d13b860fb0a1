import type { Redis } from 'ioredis';
import * as scripts from './scripts.generated.js';
import { PROBE } from './scripts.generated.js';

const warned = new Set<string>();

/** A server cannot serve as it is set up. The message says what is wrong, not where. */
export class UnfitError extends Error {}

/** It is a replica now. */
export class ReplicaError extends UnfitError {}

/**
 * Reads the answer to INFO. An eviction policy that may evict a lock is a process warning, once a server.
 * @throws UnfitError for a server older than 6.2
 */
export function checkInfo(info: string, address: string): void {
  const version = field(info, 'redis_version');
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version && (major < 6 || (major === 6 && minor < 2))) {
    throw new UnfitError(`it is version ${version}, and 6.2 or later is needed`);
  }
  const policy = field(info, 'maxmemory_policy');
  if (policy && policy !== 'noeviction' && !warned.has(address)) {
    warned.add(address);
    process.emitWarning(
      `Redis at ${address} may evict locks: maxmemory-policy is ${policy}, use noeviction`,
      { code: 'LATCHKEY_EVICTION' },
    );
  }
}

/** @throws ReplicaError */
export function checkRole(info: string): void {
  if (field(info, 'role') === 'slave') throw new ReplicaError('it is a replica, and locks need the primary');
}

const field = (info: string, name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];

/** Loads the scripts, so that the first answers do not take two round trips. Where that is not allowed, EVAL brings them. */
export async function loadScripts(client: Redis): Promise<void> {
  await Promise.all(Object.values(scripts).map(({ lua }) => client.script('LOAD', lua).catch(() => {})));
}

/**
 * Looks whether the user may do all that is needed, and tells how many the server says subscribe to the channel; -1 where
 * it was not asked, or cannot tell.
 * @throws UnfitError that names each right that is missing
 */
export async function probe(client: Redis, channel: string, counts: boolean): Promise<number> {
  const rights = new Rights();
  const args = [channel, counts ? '1' : '0'];
  const [answers = []] = await Promise.all([
    rights.needs('+eval', client.eval(PROBE.lua, 0, ...args) as Promise<(string | number)[]>),
    rights.needs('+evalsha', client.evalsha(PROBE.sha, 0, ...args)),
    rights.needs('+ping', client.ping()),
  ]);
  const [subscribers = -1, ...failures] = answers;
  for (let i = 0; i < failures.length; i += 2)
    rights.judge(`+${failures[i]}`.toLowerCase(), channel, `${failures[i + 1]}`);
  rights.demand();
  return Number(subscribers);
}

/** @throws UnfitError where the user may not */
export async function subscribe(client: Redis, channel: string): Promise<void> {
  const rights = new Rights();
  await rights.needs('+subscribe', client.subscribe(channel), channel);
  rights.demand();
}

/** @throws UnfitError where the user may not, or there is no such database */
export async function select(client: Redis, db: number): Promise<void> {
  const rights = new Rights();
  await rights.needs('+select', client.select(db));
  rights.demand();
}

/** What the user lacks, as ACL rules. */
class Rights {
  readonly #missing: string[] = [];

  /** The reply, or undefined where the user may not have it. */
  async needs<T>(rule: string, reply: Promise<T>, channel = ''): Promise<T | undefined> {
    try {
      return await reply;
    } catch (error) {
      const { message } = error as Error;
      if (!this.judge(rule, channel, message) && !message.startsWith('NOSCRIPT')) throw error;
      return undefined;
    }
  }

  /** Whether the message says that a right is missing. */
  judge(rule: string, channel: string, message: string): boolean {
    const missing = DENIED_CHANNEL.test(message)
      ? `&${channel.slice(0, channel.indexOf(':'))}:*`
      : DENIED.test(message) && rule;
    if (missing) this.#missing.push(missing);
    return missing !== false;
  }

  demand(): void {
    if (this.#missing.length > 0) throw new UnfitError(`its user lacks ${this.#missing.join(' ')}`);
  }
}

// Of Redis 6.2, 7.0 and later ones, outside and inside of scripts.
const DENIED = /can't run this command|no permissions to run/;
const DENIED_CHANNEL =
  /can't publish to the channel|permissions to access (?:\S+ of )?the .*channel|access a channel/;
