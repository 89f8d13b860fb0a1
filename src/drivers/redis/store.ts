import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.js';
import type {
  Claim,
  ClaimId,
  Freeing,
  Granted,
  LockStore,
  Place,
  Refused,
  Renewal,
  RenewalAnswer,
  StoreEvents,
} from '../../engine/store.js';
import type { ListProgress, LockInfo } from '../../lease/driver.js';
import { KeyedSemaphore } from '../../mutex/keyed-semaphore.js';
import {
  decodeClaim,
  decodeInfo,
  decodeMessage,
  decodeRenewal,
  encodeClaim,
  encodeFreeing,
  encodeRenewal,
  encodeToken,
  leavesMore,
} from './codec.js';
import { Connection } from './connection.js';
import type { Client } from './endpoint.js';
import { CLAIM, FREE, LEAVE, READ, RENEW, REVOKE } from './scripts.generated.js';

// Fences that a writer's claim reserves after its own: FENCES in lua/lib/state.lua.
const FENCES = 63;
// How many holds or places one script sees to: Lua is not to be interrupted.
const BATCH = 128;
// How many places `read` tells of.
const WAITING = 100;
// How many answers to `read` may be on their way at once: Redis closes a connection that subscribes when it has more than
// 32 MB to send to it, and metadata may be large.
const READS = 4;

// What others store may begin as the name of a lock does, or have such a name.
const LOCK_NAME = /^[^{}]*\{[^{}]*\}$/;

/** Locks in Redis: each in one hash, changed by scripts. */
export class RedisStore implements LockStore {
  readonly limits: LockStore['limits'];
  readonly #connection: Connection;
  /** The name of this process in the queues, and of its channel. */
  readonly #process = randomBytes(12).toString('base64url');
  readonly #inCluster: boolean;
  readonly #reads = new KeyedSemaphore(READS);
  #events: StoreEvents | undefined;

  constructor(client: Client, clock: Clock) {
    this.#inCluster = client.isCluster;
    // A script may touch one slot of a Cluster only.
    this.limits = { fencesPerClaim: FENCES, renewBatch: this.#inCluster ? 1 : BATCH, leaveBatch: BATCH };
    this.#connection = new Connection(clock, client, `latchkey:${this.#process}`);
  }

  /** Whether the server can tell how many subscribe to a channel. */
  get #counted(): boolean {
    return this.#connection.countsSubscribers;
  }

  open(events: StoreEvents): void {
    this.#events = events;
    this.#connection.open({
      ready: () => events.ready(),
      lost: () => events.lost(this.#connection.error('not-sent')),
      message: (text) => this.#receive(text),
    });
  }

  claim(claim: Claim, place?: Place): Promise<Granted | Refused> {
    const args = encodeClaim(claim, place, this.#process, this.#counted);
    return this.#connection.run(CLAIM, claim.key, args, (reply, asOf) => {
      // Not for this claim to wait for. If it fails, the next look goes on.
      if (leavesMore(reply)) this.#handOverMore(claim.key).catch(() => {});
      return decodeClaim(reply, claim.ttl, asOf);
    });
  }

  async renew(batch: readonly Renewal[]): Promise<readonly RenewalAnswer[]> {
    const keys = batch.map(({ key }) => key);
    const args = batch.flatMap(encodeRenewal);
    const answers = await this.#connection.run(RENEW, keys, args, (reply) => reply as (number | string)[]);
    return answers.map((answer) =>
      typeof answer === 'number'
        ? decodeRenewal(answer)
        : this.#connection.error('refused', new Error(answer)),
    );
  }

  async free({ key, token }: ClaimId, how: Freeing): Promise<'freed' | 'not-held'> {
    const args = encodeFreeing(token, how, this.#counted);
    const answer = await this.#connection.run(FREE, key, args, Number);
    if (answer >= 2) await this.#handOverMore(key);
    return answer % 2 === 1 ? 'freed' : 'not-held';
  }

  async leave(key: string, tokens: readonly string[], late: boolean): Promise<void> {
    const counted = this.#counted ? '1' : '0';
    // In a Cluster a claim may wait for a node while what was sent after it goes on.
    const args = [late || this.#inCluster ? '1' : '0', counted, ...tokens.map(encodeToken)];
    if ((await this.#connection.run(LEAVE, key, args, Number)) > 0) await this.#handOverMore(key);
  }

  async revoke(key: string, fence: number, grace: number): Promise<boolean> {
    const args = [`${fence}`, `${Math.ceil(grace)}`, this.#counted ? '1' : '0'];
    const answer = await this.#connection.run(REVOKE, key, args, Number);
    if (answer >= 2) await this.#handOverMore(key);
    return answer > 0;
  }

  /** `listed`: what others have stored under such a name is passed over. */
  read(key: string, listed = false): Promise<LockInfo | null> {
    const args = [`${WAITING}`, listed ? '1' : '0'];
    return this.#reads.lockFunc(READ, () =>
      this.#connection.run(READ, key, args, (reply) => decodeInfo(key, reply)),
    );
  }

  async *list(prefix: string, onProgress?: (progress: ListProgress) => void): AsyncIterable<LockInfo> {
    const seen = new Set<string>();
    for await (const page of this.#connection.scan(prefix)) {
      onProgress?.({ seen: page.seen, ...(page.total !== undefined && { total: page.total }) });
      const fresh = page.names.filter((key) => LOCK_NAME.test(key) && !seen.has(key));
      for (const key of fresh) seen.add(key);
      for (const info of await Promise.all(fresh.map((key) => this.read(key, true)))) if (info) yield info;
    }
  }

  serverOf(key: string): string {
    return this.#connection.serverOf(key);
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  /** Goes on where one script has not handed over to all that fit. */
  async #handOverMore(key: string): Promise<void> {
    const args = ['0', this.#counted ? '1' : '0'];
    while ((await this.#connection.run(LEAVE, key, args, Number)) > 0);
  }

  #receive(text: string): void {
    const message = decodeMessage(text);
    if (!message || !this.#events) return;
    if (message.kind === 'look') this.#events.lookIn(message.key, message.ms);
    else if (message.kind === 'revoked') this.#events.revoked(message.id, message.grace);
    else {
      const { id, fence, run } = message;
      this.#events.granted(id, { fence, run, asOf: this.#connection.messageAsOf });
    }
  }
}
