import { systemClock } from '../../core/clock.js';
import { scan } from '../../drivers/redis/scan.js';
import { type Check, error, ok, warning } from './check.js';
import type { Server } from './redis-client.js';

// How many locks of a server are looked at.
const LOOKED_AT = 10_000;
// What is stored bears it: state.lua.
const FORMAT = '2';
const LOOK = "local e = redis.call('PTTL', KEYS[1]) return {e, redis.call('HGET', KEYS[1], 'v')}";

/** What is stored under the prefix: whether all of it expires, and is of the format of this release. */
export async function examineStored(servers: readonly Server[], prefix: string): Promise<Check[]> {
  const stored = new Stored();
  try {
    await Promise.all(servers.map((server) => stored.look(server, prefix)));
  } catch (fault) {
    const why = (fault as Error).message.slice(0, 80);
    return [warning('stored', `not looked at: ${why}`, 'allow +scan, +pttl and +hget to have it checked')];
  }
  return stored.checks();
}

class Stored {
  #seen = 0;
  #lasting = 0;
  #more = false;
  readonly #foreign = new Set<string>();

  async look(server: Server, prefix: string): Promise<void> {
    let seen = 0;
    for await (const { names } of scan(server.call, `${prefix}{`, systemClock)) {
      await Promise.all(names.map((name) => this.#lookAt(server, name)));
      seen += names.length;
      if (seen >= LOOKED_AT) {
        this.#more = true;
        return;
      }
    }
  }

  async #lookAt(server: Server, name: string): Promise<void> {
    const [left, version] = (await server.call('EVAL', LOOK, '1', name)) as [number, string | null];
    this.#seen++;
    if (left === -1) this.#lasting++;
    if (left !== -2 && version !== FORMAT) this.#foreign.add(version ?? 'none');
  }

  checks(): Check[] {
    const found = `${this.#seen} locks${this.#more ? ', and more' : ''}`;
    return [
      this.#lasting === 0
        ? ok('expiry', `${found}, all expire`)
        : warning(
            'expiry',
            `${this.#lasting} of ${found} never expire`,
            'something else writes under the prefix: use another prefix',
          ),
      this.#foreign.size === 0
        ? ok('format', `all of version ${FORMAT}`)
        : error(
            'format',
            `also ${[...this.#foreign].join(', ')}`,
            'two releases that do not understand each other share the prefix: give one another prefix',
          ),
    ];
  }
}
