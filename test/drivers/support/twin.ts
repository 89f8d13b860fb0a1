import type { Claim, Freeing, LockStore, RenewalAnswer } from '../../../src/engine/store.js';
import type { LockInfo, LockMode } from '../../../src/lease/driver.js';

/** One call of a store. Of a fence it says whose it is, and how much more. */
export type Call = { readonly by: string } & (
  | { readonly do: 'claim'; readonly claim: Omit<Claim, 'key'>; readonly vouchFor?: number | undefined }
  | {
      readonly do: 'free';
      readonly token: string;
      readonly how: Omit<Freeing, 'usedFence'>;
      /** The largest fence that it was used under is so much larger than that of the hold. */
      readonly usedMore: number;
    }
  | { readonly do: 'leave'; readonly tokens: readonly string[]; readonly late: boolean }
  | {
      readonly do: 'renew';
      readonly token: string;
      readonly mode: LockMode;
      readonly ttl: number;
      readonly sequence: number;
    }
  | { readonly do: 'revoke'; readonly token: string; readonly more: number; readonly grace: number }
  | { readonly do: 'read' }
);

// Times are told as the nearest of these: two backends are never asked at one moment.
const TIMES = [0, 20_000, 60_000, 300_000];

/**
 * A backend, driven by calls: the stores of some processes, and what they were told. Its answers say no fence and no
 * exact time, so that those of two backends can be compared.
 */
export class Twin {
  readonly #stores: ReadonlyMap<string, LockStore>;
  /** By token: the fences of its holds, one after the other. */
  readonly #fences = new Map<string, number[]>();
  readonly #messages: string[] = [];

  constructor(
    readonly key: string,
    stores: ReadonlyMap<string, LockStore>,
  ) {
    this.#stores = stores;
  }

  /** Connects all of its processes. */
  async open(): Promise<void> {
    await Promise.all([...this.#stores].map(([name, store]) => this.#open(name, store)));
  }

  /** What was told to its processes since the last time, sorted. */
  takeMessages(): string[] {
    return this.#messages.splice(0).sort();
  }

  get told(): number {
    return this.#messages.length;
  }

  async closeOne(name: string): Promise<void> {
    await this.#stores.get(name)!.close();
  }

  async close(): Promise<void> {
    for (const store of this.#stores.values()) await store.close();
  }

  /** Does it, and says what came of it. */
  async call(call: Call): Promise<unknown> {
    const store = this.#stores.get(call.by)!;
    const { key } = this;
    if (call.do === 'claim') {
      const { claim, vouchFor } = call;
      const answer = await store.claim({ ...claim, key }, vouchFor === undefined ? undefined : { vouchFor });
      // How many are before it is an estimate, another one in each backend; so is the time left for one that does not wait,
      // or has a limit.
      const exact = claim.limit === Infinity && vouchFor !== undefined;
      if (!answer.granted) return { ...(exact && { left: time(answer.left) }), kept: answer.kept };
      return { fence: this.#named(claim.token, answer.fence), ttl: time(answer.ttl), run: answer.run };
    }
    if (call.do === 'free') {
      const fence = this.#latest(call.token);
      const used = call.usedMore > 0 && fence > 0 ? { usedFence: fence + call.usedMore } : {};
      return store.free({ key, token: call.token }, { ...call.how, ...used });
    }
    if (call.do === 'leave') return store.leave(key, call.tokens, call.late);
    if (call.do === 'renew') {
      const { token, mode, ttl, sequence } = call;
      return (await store.renew([{ key, token, mode, ttl, sequence }])).map(renewed);
    }
    if (call.do === 'revoke') return store.revoke(key, this.#latest(call.token) + call.more, call.grace);
    const info = await store.read(key);
    return info && this.#plain(info);
  }

  #open(name: string, store: LockStore): Promise<void> {
    const tell = (...words: (string | number)[]) => void this.#messages.push([name, ...words].join(' '));
    return new Promise((resolve) => {
      store.open({
        ready: resolve,
        lost: () => {},
        granted: ({ token }, { fence, run }) =>
          tell('granted', token, this.#named(token, fence), `run ${run.join()}`),
        revoked: ({ token }, grace) => tell('revoked', token, time(grace)),
        lookIn: (_key, ms) => tell('look', time(ms)),
      });
    });
  }

  #latest(token: string): number {
    return this.#fences.get(token)?.at(-1) ?? 0;
  }

  /** The how manieth hold of the token has this fence. @throws where it is smaller than one before. */
  #named(token: string, fence: number): string {
    const known = this.#fences.get(token) ?? [];
    this.#fences.set(token, known);
    const index = known.indexOf(fence);
    if (index >= 0) return `${token}#${index}`;
    if (fence <= (known.at(-1) ?? 0)) throw new Error(`${token} has ${fence} after ${known.at(-1)}`);
    return `${token}#${known.push(fence) - 1}`;
  }

  /** As `#named`, of a fence that was given before. */
  #nameOf(fence: number): string {
    for (const [token, fences] of this.#fences) {
      const index = fences.indexOf(fence);
      if (index >= 0) return `${token}#${index}`;
    }
    return 'nobody’s';
  }

  #plain({ key: _, holders, waiting, restsUntil, ...rest }: LockInfo): unknown {
    return {
      ...rest,
      holders: [...holders]
        .sort((a, b) => a.fence - b.fence)
        .map(({ fence, ttl, meta }) => ({ fence: this.#nameOf(fence), ttl: time(ttl), meta })),
      waiting: waiting.map(({ mode, meta }) => ({ mode, meta })),
      rests: restsUntil === undefined ? undefined : time(restsUntil - Date.now()),
    };
  }
}

function renewed(answer: RenewalAnswer): unknown {
  return typeof answer === 'object' && 'revoked' in answer ? { revoked: time(answer.revoked) } : answer;
}

/** The nearest of some times; what is neither is told as it is. */
function time(ms: number): string {
  const near = TIMES.find((each) => Math.abs(each - ms) < 9_500);
  return near === undefined ? `${ms}` : `about ${near}`;
}
