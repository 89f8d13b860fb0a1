import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import * as scripts from '../../../../src/drivers/redis/scripts.generated.js';
import { freshKey } from './rig.js';

export const DAY = 86_400_000;

interface ClaimOptions {
  mode?: 'w' | 'r';
  ttl?: number;
  process?: string;
  meta?: string;
  limit?: number;
  /** ms; 0: no place. */
  vouch?: number;
  counted?: boolean;
}

interface FreeOptions {
  mode?: 'w' | 'r';
  counted?: boolean;
  keep?: number;
  used?: number;
  late?: boolean;
  served?: string[];
}

/** A record of a hold, as it is stored. */
export interface StoredHold {
  until: number;
  fence: number;
  sequence: string;
  since: number;
  rest: string[];
}

/** One lock in Redis and the scripts, run as they are, without the code that writes and reads their arguments. */
export class StoredLock {
  constructor(
    readonly redis: Redis,
    readonly key: string = freshKey(),
  ) {}

  claim(token: string, options: ClaimOptions = {}): Promise<unknown> {
    const { mode = 'w', ttl = 10_000, process = 'p', meta = '{}' } = options;
    const { limit = 0, vouch = 0, counted = false } = options;
    const tail = `${limit} ${vouch} ${counted ? 1 : 0}`;
    return this.#run(scripts.CLAIM, [this.key], [mode, ttl, `${process} ${token} ${meta}`, tail]);
  }

  /** Takes a place: the lock is held by another. */
  place(token: string, options: ClaimOptions = {}): Promise<unknown> {
    return this.claim(token, { vouch: 60_000, ...options });
  }

  free(token: string, options: FreeOptions = {}): Promise<unknown> {
    const { mode = 'w', counted = false, keep = 0, used = 0, late = false, served = [] } = options;
    const plain = `${mode} ${counted ? 1 : 0}`;
    const more = keep > 0 || used > 0 || late || served.length > 0;
    const how = more ? `${plain} ${keep} ${used} ${late ? 1 : 0}` : plain;
    return this.#run(scripts.FREE, [this.key], [token, how, ...served]);
  }

  leave(tokens: string[], { late = false, counted = false } = {}): Promise<unknown> {
    return this.#run(scripts.LEAVE, [this.key], [late ? '1' : '0', counted ? '1' : '0', ...tokens]);
  }

  async renew(
    token: string,
    ttl: number,
    sequence: number,
    mode: 'w' | 'r' = 'w',
    serves = '',
  ): Promise<unknown> {
    const args = [token, mode, ttl, sequence, serves];
    const [answer] = (await this.#run(scripts.RENEW, [this.key], args)) as unknown[];
    return answer;
  }

  revoke(fence: number, grace = 0, counted = false): Promise<unknown> {
    return this.#run(scripts.REVOKE, [this.key], [fence, grace, counted ? '1' : '0']);
  }

  read(waiting = 100): Promise<unknown> {
    return this.#run(scripts.READ, [this.key], [waiting]);
  }

  /** ms since 1970 on the server's clock. */
  async now(): Promise<number> {
    const [seconds, micros] = (await this.redis.time()) as number[];
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
  }

  field(name: string): Promise<string | null> {
    return this.redis.hget(this.key, name);
  }

  fields(): Promise<Record<string, string>> {
    return this.redis.hgetall(this.key);
  }

  set(name: string, value: string | number): Promise<number> {
    return this.redis.hset(this.key, name, value);
  }

  async hold(name = 'h'): Promise<StoredHold> {
    const record = await this.field(name);
    if (!record) throw new Error(`no ${name} in ${JSON.stringify(await this.fields())}`);
    const [until, fence, sequence, since, ...rest] = record.split(' ');
    return { until: +until!, fence: +fence!, sequence: sequence!, since: +since!, rest };
  }

  /** The token that the writer's hold has; undefined where there is none. */
  async holder(): Promise<string | undefined> {
    return (await this.field('h'))?.split(' ')[5];
  }

  /** Lets a hold have ended 1 ms ago. */
  async expire(name = 'h'): Promise<void> {
    const past = Math.floor(await this.now()) - 1;
    const record = await this.field(name);
    await this.set(name, record!.replace(/^\d+/, `${past}`));
    const shared = await this.field('c');
    if (name !== 'h') await this.set('c', shared!.replace(/^(\d+) \d+/, `$1 ${past}`));
  }

  /** The tokens of the places, in order. */
  async queue(): Promise<string[]> {
    const fields = Object.entries(await this.fields()).filter(([name]) => name.startsWith('#'));
    fields.sort(([one], [other]) => +one.slice(1) - +other.slice(1));
    return fields.map(([, record]) => record.split(' ')[0]!);
  }

  /** How many places a process has, until when it vouches, since when it is missing. */
  async stamp(process = 'p'): Promise<number[] | undefined> {
    return (await this.field(`~${process}`))?.split(' ').map(Number);
  }

  /** ms until the hash expires. */
  life(): Promise<number> {
    return this.redis.pttl(this.key);
  }

  #run(script: scripts.Script, keys: string[], args: (string | number)[]): Promise<unknown> {
    return this.redis.eval(script.lua, keys.length, ...keys, ...args);
  }
}

/** Runs `renew` over many locks: of each the token, mode, ttl and sequence. */
export function renewAll(redis: Redis, holds: [lock: StoredLock, ...args: (string | number)[]][]) {
  const keys = holds.map(([{ key }]) => key);
  const args = holds.flatMap(([, ...rest]) => [...rest, '']);
  return redis.eval(scripts.RENEW.lua, keys.length, ...keys, ...args) as Promise<unknown[]>;
}

/** A process that listens to its channel. */
export interface Listener {
  readonly process: string;
  readonly messages: string[];
}

/** Listens as a process would; `with`: over one connection, so that the order among processes is seen. */
export async function listen(client: Redis, count = 1): Promise<{ all: string[]; listeners: Listener[] }> {
  const all: string[] = [];
  const listeners = Array.from({ length: count }, () => ({
    process: randomUUID(),
    messages: [] as string[],
  }));
  client.on('message', (channel: string, text: string) => {
    all.push(text);
    listeners.find(({ process }) => channel === `latchkey:${process}`)?.messages.push(text);
  });
  await client.subscribe(...listeners.map(({ process }) => `latchkey:${process}`));
  return { all, listeners };
}
