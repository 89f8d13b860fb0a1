import { randomUUID } from 'node:crypto';
import { lockName } from '../../core/key.js';
import type { Claim, ClaimId, Freeing, Granted, LockStore, Refused } from '../../engine/store.js';
import type { LockMode } from '../../lease/driver.js';
import { type Expect, sleep } from '../conformance/kit.js';

export { readLate, reasonOf, sleep } from '../conformance/kit.js';

/** One thing a store does. */
export type StoreCases = Record<string, (kit: StoreKit) => Promise<void>>;

/** What a backend may be early or late by: it counts in whole ms. */
export const ROUNDING_MS = 2;
/** How late anything may be on a busy machine. */
export const LATE_MS = 4_000;
const VOUCH_FOR_MS = 60_000;

export type Grant = Granted & ClaimId;

/** Two processes on one backend, and a key that no other case uses. */
export class StoreKit {
  readonly #id = randomUUID();
  readonly key = this.name('key');

  private constructor(
    readonly expect: Expect,
    readonly one: Party,
    readonly two: Party,
  ) {
    for (const party of [one, two]) party.key = this.key;
  }

  static async open(createStore: () => LockStore | Promise<LockStore>, expect: Expect): Promise<StoreKit> {
    const [one, two] = [new Party(await createStore()), new Party(await createStore())];
    await Promise.all([one.ready, two.ready]);
    return new StoreKit(expect, one, two);
  }

  async close(): Promise<void> {
    await Promise.all([this.one.store.close(), this.two.store.close()]);
  }

  /** The full name of another key of this case alone. */
  name(key: string): string {
    return lockName(`${this.prefix}`, key);
  }

  get prefix(): string {
    return `conformance:${this.#id}:`;
  }

  /** ms since 1970 by the backend's clock, which need not be that of this machine. */
  async backendNow(): Promise<number> {
    const key = this.name('clock');
    const grant = await this.one.take({ key });
    const { since } = (await this.one.store.read(key))!.holders[0]!;
    await this.one.free(grant);
    return since;
  }

  /** That a value lies between two others, both included. */
  expectBetween(value: number, least: number, most: number): void {
    this.expect(value >= least && value <= most ? 'between' : `${value} is not in ${least}..${most}`).toBe(
      'between',
    );
  }

  /** That nobody holds or awaits the key, and that it is to be had. */
  async expectFree(key = this.key): Promise<void> {
    this.expect(await this.one.store.read(key)).toBe(null);
    const grant = await this.one.take({ key });
    this.expect(await this.one.free(grant)).toBe('freed');
  }
}

/** A message that the lock was handed to a claim. */
export interface Told {
  readonly token: string;
  readonly fence: number;
  readonly run: readonly string[];
  readonly asOf: number;
}

/** One process: its store, and what it was told. */
export class Party {
  key = '';
  readonly ready: Promise<void>;
  readonly granted: Told[] = [];
  readonly revoked: { token: string; grace: number }[] = [];
  readonly lookIns: { key: string; ms: number; at: number }[] = [];

  constructor(readonly store: LockStore) {
    this.ready = new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the store is not ready after 10 s')), 10_000);
      store.open({
        ready: () => {
          clearTimeout(late);
          resolve();
        },
        lost: () => {},
        granted: ({ token }, { fence, run, asOf }) => void this.granted.push({ token, fence, run, asOf }),
        revoked: ({ token }, grace) => void this.revoked.push({ token, grace }),
        lookIn: (key, ms) => void this.lookIns.push({ key, ms, at: performance.now() }),
      });
    });
  }

  /** Tries once: to write, for 10 s, under a token of its own. */
  try(claim: Partial<Claim> = {}): Promise<Granted | Refused> {
    return this.store.claim(this.#claim(claim));
  }

  /** As {@link try}, and takes a place where it is not granted. */
  wait(claim: Partial<Claim> = {}, vouchFor = VOUCH_FOR_MS): Promise<Granted | Refused> {
    return this.store.claim(this.#claim(claim), { vouchFor });
  }

  /** As {@link try}, where the answer must be a grant. */
  async take(claim: Partial<Claim> = {}): Promise<Grant> {
    const full = this.#claim(claim);
    const answer = await this.store.claim(full);
    if (!answer.granted) throw new Error(`expected to be granted ${full.key}`);
    return { ...answer, key: full.key, token: full.token };
  }

  /** As {@link wait}, where the answer must be a place. */
  async stand(token: string, claim: Partial<Claim> = {}, vouchFor = VOUCH_FOR_MS): Promise<Refused> {
    const answer = await this.wait({ ...claim, token }, vouchFor);
    if (answer.granted) throw new Error(`expected to be refused, got fence ${answer.fence}`);
    return answer;
  }

  free(id: Partial<ClaimId> & { token: string }, how: Partial<Freeing> = {}): Promise<'freed' | 'not-held'> {
    return this.store.free({ key: id.key ?? this.key, token: id.token }, { mode: 'write', ...how });
  }

  /**
   * Waits until the time of a hold is up, which it makes short: one that is short from the start may be over on a busy
   * machine before the next call.
   */
  async expire({ token }: { token: string }, mode: LockMode = 'write'): Promise<void> {
    const renewal = { key: this.key, token, mode, ttl: 30, sequence: 1 };
    const [answer] = await this.store.renew([renewal]);
    if (answer !== 'renewed') throw new Error(`expected to renew ${token}, got ${JSON.stringify(answer)}`);
    await sleep(80);
  }

  /** Waits until it is told that this claim was granted. */
  async told(token: string): Promise<Told> {
    const find = () => this.granted.find((each) => each.token === token);
    await until(() => find() !== undefined, `a message that ${token} was granted`);
    return find()!;
  }

  #claim(claim: Partial<Claim>): Claim {
    return {
      key: this.key,
      token: randomUUID(),
      mode: 'write',
      limit: Infinity,
      ttl: 10_000,
      meta: {},
      ...claim,
    };
  }
}

/** Waits until it is so, for 10 s at most. */
export async function until(so: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!so()) {
    if (performance.now() > end) throw new Error(`expected ${what}`);
    await sleep(5);
  }
}
