import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { Grant } from '../../src/lease/driver.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const KEY = 'lock:{k}';

/** One request. A limit of 0 is a writer's. `n` makes all its times its own: no two things happen at one moment. */
interface Ask {
  readonly n: number;
  readonly limit: number;
  readonly ttl: number;
  readonly stop: AbortController;
  /** When its wait is over. */
  readonly deadline: number;
  /** While it holds: when that ends. */
  endsAt: number;
  revoked: boolean;
  /** It was released, and keeps its place until `endsAt`. */
  rests: boolean;
  grant: Grant | undefined;
}

/** What a driver does, in the plainest words: a list of those inside, who hold or rest, and a list of waiters. */
class Model {
  now = 0;
  inside: Ask[] = [];
  waiting: Ask[] = [];
  /** What became of each request, in order. */
  readonly log: string[] = [];

  ask(ask: Ask): void {
    this.waiting.push(ask);
    this.#admit();
    if (ask.deadline <= this.now) this.stopWaiting(ask, 'late');
  }

  stopWaiting(ask: Ask, how: string): void {
    if (!this.waiting.includes(ask)) return;
    this.waiting = this.waiting.filter((other) => other !== ask);
    this.log.push(`${ask.n} ${how}`);
    this.#admit();
  }

  release(ask: Ask, keepFor: number): void {
    if (keepFor === 0) return this.end(ask);
    ask.rests = true;
    ask.endsAt = this.now + keepFor;
  }

  end(ask: Ask): void {
    this.inside = this.inside.filter((other) => other !== ask);
    this.#admit();
  }

  get holders(): Ask[] {
    return this.inside.filter(({ rests }) => !rests);
  }

  advance(end: number): void {
    for (;;) {
      const ends = this.inside.map(({ endsAt }) => endsAt);
      const next = Math.min(...ends, ...this.waiting.map(({ deadline }) => deadline));
      if (next > end) break;
      this.now = next;
      for (const ask of this.inside.filter(({ endsAt }) => endsAt <= next)) this.end(ask);
      for (const ask of this.waiting.filter(({ deadline }) => deadline <= next))
        this.stopWaiting(ask, 'late');
    }
    this.now = end;
  }

  #admit(): void {
    for (let ask = this.waiting[0]; ask && this.#fits(ask); ask = this.waiting[0]) {
      this.waiting.shift();
      ask.endsAt = this.now + ask.ttl;
      this.inside.push(ask);
      this.log.push(`${ask.n} in`);
    }
  }

  #fits({ limit }: Ask): boolean {
    const alone = this.inside.some((other) => other.limit === 0);
    return limit === 0 ? this.inside.length === 0 : !alone && this.inside.length < limit;
  }
}

/** The driver and the model, driven together. */
class Run {
  readonly clock = new FakeClock();
  readonly driver = memoryDriver({ clock: this.clock });
  readonly model = new Model();
  readonly log: string[] = [];
  readonly fences: number[] = [];
  readonly revoked: number[] = [];
  #asked = 0;

  async ask(limit: number, wait: number, ttl: number): Promise<void> {
    const n = this.#asked++;
    const its = { wait: wait + (wait > 0 ? n * 0.00137 : 0), ttl: ttl + n * 0.000391 };
    const stop = new AbortController();
    const ask: Ask = {
      n,
      limit,
      ttl: its.ttl,
      stop,
      deadline: this.clock.now() + its.wait,
      endsAt: Infinity,
      revoked: false,
      rests: false,
      grant: undefined,
    };
    const shared = limit === 0 ? { mode: 'write' as const } : { mode: 'read' as const, limit };
    const request = { key: KEY, token: `${n}`, ...shared, ...its, retryInterval: 1, meta: { n: `${n}` } };
    const onRevoked = () => void this.revoked.push(n);
    this.driver.acquire({ ...request, signal: stop.signal, onRevoked }).then(
      (grant) => {
        this.log.push(`${n} ${grant ? 'in' : 'late'}`);
        if (grant) this.fences.push(grant.fence);
        ask.grant = grant ?? undefined;
      },
      () => this.log.push(`${n} aborted`),
    );
    this.model.ask(ask);
    await this.#settle();
  }

  async release(which: number, keepFor: number): Promise<void> {
    const ask = pick(this.model.holders, which);
    if (!ask) return;
    const its = keepFor > 0 ? keepFor + this.#asked++ * 0.00071 : 0;
    this.model.release(ask, its);
    expect(await this.driver.release(ask.grant!, its)).toBe(true);
    expect(await this.driver.extend(ask.grant!, 5)).toBeNull();
    await this.#settle();
  }

  async extend(which: number, ttl: number): Promise<void> {
    const ask = pick(this.model.holders, which);
    if (!ask) return;
    const its = ttl + this.#asked++ * 0.00029;
    const extended = await this.driver.extend(ask.grant!, its);
    expect(extended === null).toBe(ask.revoked);
    if (!ask.revoked) ask.endsAt = this.clock.now() + its;
  }

  async revoke(which: number, grace: number): Promise<void> {
    const ask = pick(this.model.holders, which);
    if (!ask) return;
    const its = grace > 0 ? grace + this.#asked++ * 0.00053 : 0;
    ask.revoked = true;
    if (its > 0) ask.endsAt = Math.min(ask.endsAt, this.clock.now() + its);
    else this.model.end(ask);
    expect(await this.driver.revoke!(KEY, ask.grant!.fence, its)).toBe(true);
    expect(this.revoked.at(-1)).toBe(ask.n);
    await this.#settle();
  }

  async abort(which: number): Promise<void> {
    const ask = pick(this.model.waiting, which);
    if (!ask) return;
    this.model.stopWaiting(ask, 'aborted');
    ask.stop.abort();
    await this.#settle();
  }

  async advance(ms: number): Promise<void> {
    this.model.advance(this.clock.now() + ms);
    await this.clock.advance(ms);
    await this.check();
  }

  /** Where nothing moves the time, but what was granted has yet to arrive. */
  async #settle(): Promise<void> {
    await this.clock.advance(0);
    await this.check();
  }

  async check(): Promise<void> {
    const { inside, holders, waiting, log } = this.model;
    // Of what happens in one moment, the order of the answers does not matter; that of the grants does.
    const grants = (all: readonly string[]) => all.filter((line) => line.endsWith('in'));
    expect(grants(this.log)).toEqual(grants(log));
    expect([...this.log].sort()).toEqual([...log].sort());
    expect(this.fences).toEqual([...new Set(this.fences)].sort((a, b) => a - b));
    const info = await this.driver.inspect(KEY);
    expect(info === null).toBe(inside.length === 0);
    if (!info) return;
    expect(info.holders.map(({ meta, ttl }) => [meta.n, ttl])).toEqual(
      holders.map(({ n, endsAt }) => [`${n}`, Math.ceil(endsAt - this.clock.now())]),
    );
    expect(info.waiting.map(({ meta }) => meta.n)).toEqual(waiting.map(({ n }) => `${n}`));
    expect(info.waiters).toBe(waiting.length);
    expect('restsUntil' in info).toBe(inside.some(({ rests }) => rests));
  }
}

const pick = <T>(all: readonly T[], which: number): T | undefined => all[which % all.length];

const which = fc.nat(9);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('ask' as const),
      limit: fc.constantFrom(0, 1, 2, 3, Infinity),
      wait: fc.constantFrom(0, 5, 20, Infinity),
      ttl: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('release' as const),
      which,
      keepFor: fc.constantFrom(0, 0, 0, 3, 12),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('extend' as const), which, ttl: fc.nat(60) }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('revoke' as const), which, grace: fc.constantFrom(0, 4, 50) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('abort' as const), which }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('advance' as const), ms: fc.nat(12) }) },
);

test('whatever is asked, kept, revoked, aborted or expires, it does what plain lists would', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const run = new Run();
      for (const does of steps) {
        if (does.what === 'ask') await run.ask(does.limit, does.wait, does.ttl);
        else if (does.what === 'release') await run.release(does.which, does.keepFor);
        else if (does.what === 'extend') await run.extend(does.which, does.ttl);
        else if (does.what === 'revoke') await run.revoke(does.which, does.grace);
        else if (does.what === 'abort') await run.abort(does.which);
        else await run.advance(does.ms);
      }
      // By then all have been granted and have expired.
      for (let n = 0; n < 80 && (await run.driver.inspect(KEY)); n++) await run.advance(61);
      expect(await run.driver.inspect(KEY)).toBeNull();
    }),
    { numRuns: 150 },
  );
});
