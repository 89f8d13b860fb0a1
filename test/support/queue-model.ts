import { expect } from '@jest/globals';
import fc from 'fast-check';
import { LockNotHeldError, LockTimeoutError } from '../../src/core/errors.js';
import type { WaitOptions } from '../../src/mutex/keyed-queue.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const KEYS = ['a', 'b'];

/** The limit of one that must be alone inside. Others are numbers of at least 1, or Infinity. */
export const ALONE = 0;

/** What is compared with the model. */
export interface Subject {
  enter(key: string, limit: number, options?: WaitOptions): Promise<void>;
  tryEnter(key: string, limit: number): boolean;
  leave(key: string, limit: number): void;
  waiting(key: string): number;
  isLocked(key: string): boolean;
  remove(key: string): boolean;
  clear(): void;
  readonly size: number;
}

type State = 'waiting' | 'inside' | 'timed out' | 'aborted';

/** One call of `enter`: what the model says became of it, and what really did. */
interface Call {
  readonly limit: number;
  readonly deadline: number;
  /** Undefined for one that waits without any bounds. */
  readonly stop: AbortController | undefined;
  expected: State;
  seen: State;
}

/** What a queue of one key is, in the plainest words: a list of who is inside, by their limits, and one of who waits. */
class Model {
  readonly waiting: Call[] = [];
  readonly inside: number[] = [];

  tryEnter(limit: number): boolean {
    if (this.waiting.length > 0 || !this.#fits(limit)) return false;
    this.inside.push(limit);
    return true;
  }

  ask(call: Call, now: number): void {
    if (this.tryEnter(call.limit)) call.expected = 'inside';
    else if (call.deadline <= now) call.expected = 'timed out';
    else this.waiting.push(call);
  }

  stopWaiting(call: Call, how: State): void {
    call.expected = how;
    this.waiting.splice(this.waiting.indexOf(call), 1);
    this.#admit();
  }

  /** Who is alone leaves by itself; of all others any one leaves. */
  leave(limit: number): boolean {
    const index = this.inside.findIndex((other) => (other === ALONE) === (limit === ALONE));
    if (index < 0) return false;
    this.inside.splice(index, 1);
    this.#admit();
    return true;
  }

  get idle(): boolean {
    return this.inside.length + this.waiting.length === 0;
  }

  #admit(): void {
    while (this.waiting.length > 0 && this.#fits(this.waiting[0]!.limit)) {
      const call = this.waiting.shift()!;
      call.expected = 'inside';
      this.inside.push(call.limit);
    }
  }

  #fits(limit: number): boolean {
    if (limit === ALONE) return this.inside.length === 0;
    return !this.inside.includes(ALONE) && this.inside.length < limit;
  }
}

/** A subject and its models, driven together. */
class Run {
  readonly clock = new FakeClock();
  readonly subject: Subject;
  readonly models = new Map(KEYS.map((key) => [key, new Model()]));
  readonly calls: Call[] = [];

  constructor(make: (clock: FakeClock) => Subject) {
    this.subject = make(this.clock);
  }

  ask(key: string, limit: number, wait: number | 'forever' | 'unbounded'): void {
    const stop = wait === 'unbounded' ? undefined : new AbortController();
    const deadline = typeof wait === 'number' ? this.clock.now() + wait : Infinity;
    const call: Call = { limit, deadline, stop, expected: 'waiting', seen: 'waiting' };
    this.calls.push(call);
    this.models.get(key)!.ask(call, this.clock.now());
    const bounds = wait === 'unbounded' ? [] : [{ wait, signal: stop!.signal }];
    this.subject.enter(key, limit, ...bounds).then(
      () => {
        call.seen = 'inside';
      },
      (error) => {
        call.seen = error instanceof LockTimeoutError ? 'timed out' : 'aborted';
      },
    );
  }

  tryEnter(key: string, limit: number): void {
    expect(this.subject.tryEnter(key, limit)).toBe(this.models.get(key)!.tryEnter(limit));
  }

  leave(key: string, limit: number): void {
    const leave = () => this.subject.leave(key, limit);
    if (this.models.get(key)!.leave(limit)) leave();
    else expect(leave).toThrow(LockNotHeldError);
  }

  abort(which: number): void {
    const waiting = [...this.models.values()].flatMap((model) => model.waiting.filter(({ stop }) => stop));
    const call = waiting[which % waiting.length];
    if (!call) return;
    for (const model of this.models.values())
      if (model.waiting.includes(call)) model.stopWaiting(call, 'aborted');
    call.stop!.abort();
  }

  async advance(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (const model of this.models.values()) {
      const due = model.waiting
        .filter(({ deadline }) => deadline <= end)
        .sort((a, b) => a.deadline - b.deadline);
      for (const call of due) if (call.expected === 'waiting') model.stopWaiting(call, 'timed out');
    }
    await this.clock.advance(ms);
  }

  remove(key: string): void {
    expect(this.subject.remove(key)).toBe(this.models.get(key)!.idle);
    this.subject.clear();
  }

  async check(): Promise<void> {
    await this.clock.advance(0);
    expect(this.calls.map(({ seen }) => seen)).toEqual(this.calls.map(({ expected }) => expected));
    for (const [key, model] of this.models) {
      expect(!model.inside.includes(ALONE) || model.inside.length === 1).toBe(true);
      expect(this.subject.isLocked(key)).toBe(!model.idle);
      expect(this.subject.waiting(key)).toBe(model.waiting.length);
    }
    expect(this.subject.size).toBe([...this.models.values()].filter(({ idle }) => !idle).length);
  }

  /** Frees until nobody is left: then nobody has been forgotten. */
  async drain(): Promise<void> {
    for (const [key, model] of this.models) {
      while (!model.idle) {
        this.leave(key, model.inside[0]!);
        await this.check();
      }
    }
    expect(this.subject.size).toBe(0);
    expect(this.clock.pending).toBe(0);
    expect(this.calls.every(({ seen }) => seen !== 'waiting')).toBe(true);
  }
}

/** Drives a subject and the model with random calls, whose limits are among `limits`. */
export async function obeysTheModel(
  make: (clock: FakeClock) => Subject,
  limits: readonly number[],
): Promise<void> {
  const key = fc.constantFrom(...KEYS);
  const limit = fc.constantFrom(...limits);
  const wait = fc.oneof(fc.constantFrom('forever' as const, 'unbounded' as const), fc.nat(20));
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant('ask' as const), key, limit, wait }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('try' as const), key, limit }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('leave' as const), key, limit }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('abort' as const), which: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('advance' as const), ms: fc.nat(15) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('remove' as const), key }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.boolean(), async (steps, calm) => {
      const run = new Run(make);
      for (const does of steps) {
        if (does.what === 'ask') run.ask(does.key, does.limit, does.wait);
        else if (does.what === 'try') run.tryEnter(does.key, does.limit);
        else if (does.what === 'leave') run.leave(does.key, does.limit);
        else if (does.what === 'abort') run.abort(does.which);
        else if (does.what === 'advance') await run.advance(does.ms);
        else run.remove(does.key);
        if (calm) await run.check();
      }
      await run.check();
      await run.drain();
    }),
    { numRuns: 250 },
  );
}
