import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LockNotHeldError, LockTimeoutError } from '../../src/core/errors.js';
import { KeyedMutex } from '../../src/mutex/keyed-mutex.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const KEYS = ['a', 'b'];

type State = 'waiting' | 'inside' | 'timed out' | 'aborted';

/** One call of lock or rLock: what the model says became of it, and what really did. */
interface Call {
  readonly write: boolean;
  readonly deadline: number;
  readonly stop: AbortController;
  expected: State;
  seen: State;
}

/** What a mutex of one key is, in the plainest words: who is inside, and a list of who waits. */
class Model {
  readonly line: Call[] = [];
  writers = 0;
  readers = 0;

  tryEnter(write: boolean): boolean {
    if (this.line.length > 0 || !this.#fits(write)) return false;
    this.#enter(write);
    return true;
  }

  ask(call: Call, now: number): void {
    if (this.tryEnter(call.write)) call.expected = 'inside';
    else if (call.deadline <= now) call.expected = 'timed out';
    else this.line.push(call);
  }

  leave(call: Call, how: State): void {
    call.expected = how;
    this.line.splice(this.line.indexOf(call), 1);
    this.#admit();
  }

  unlock(write: boolean): boolean {
    if ((write ? this.writers : this.readers) === 0) return false;
    if (write) this.writers--;
    else this.readers--;
    this.#admit();
    return true;
  }

  get idle(): boolean {
    return this.writers + this.readers + this.line.length === 0;
  }

  #admit(): void {
    while (this.line.length > 0 && this.#fits(this.line[0]!.write)) {
      const call = this.line.shift()!;
      call.expected = 'inside';
      this.#enter(call.write);
    }
  }

  #fits(write: boolean): boolean {
    return write ? this.writers + this.readers === 0 : this.writers === 0;
  }

  #enter(write: boolean): void {
    if (write) this.writers++;
    else this.readers++;
  }
}

/** A mutex and its models, driven together. */
class Run {
  readonly clock = new FakeClock();
  readonly mutex = new KeyedMutex<string>({ clock: this.clock });
  readonly models = new Map(KEYS.map((key) => [key, new Model()]));
  readonly calls: Call[] = [];

  ask(key: string, write: boolean, wait: number | 'forever'): void {
    const stop = new AbortController();
    const deadline = wait === 'forever' ? Infinity : this.clock.now() + wait;
    const call: Call = { write, deadline, stop, expected: 'waiting', seen: 'waiting' };
    this.calls.push(call);
    this.models.get(key)!.ask(call, this.clock.now());
    const locked = write
      ? this.mutex.lock(key, { wait, signal: stop.signal })
      : this.mutex.rLock(key, { wait, signal: stop.signal });
    locked.then(
      () => {
        call.seen = 'inside';
      },
      (error) => {
        call.seen = error instanceof LockTimeoutError ? 'timed out' : 'aborted';
      },
    );
  }

  tryLock(key: string, write: boolean): void {
    const entered = write ? this.mutex.tryLock(key) : this.mutex.tryRLock(key);
    expect(entered).toBe(this.models.get(key)!.tryEnter(write));
  }

  unlock(key: string, write: boolean): void {
    const unlock = () => (write ? this.mutex.unlock(key) : this.mutex.rUnlock(key));
    if (this.models.get(key)!.unlock(write)) unlock();
    else expect(unlock).toThrow(LockNotHeldError);
  }

  abort(which: number): void {
    const waiting = [...this.models.values()].flatMap(({ line }) => line);
    const call = waiting[which % waiting.length];
    if (!call) return;
    for (const model of this.models.values()) if (model.line.includes(call)) model.leave(call, 'aborted');
    call.stop.abort();
  }

  async advance(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (const model of this.models.values()) {
      const due = model.line
        .filter(({ deadline }) => deadline <= end)
        .sort((a, b) => a.deadline - b.deadline);
      for (const call of due) if (call.expected === 'waiting') model.leave(call, 'timed out');
    }
    await this.clock.advance(ms);
  }

  async check(): Promise<void> {
    await this.clock.advance(0);
    expect(this.calls.map(({ seen }) => seen)).toEqual(this.calls.map(({ expected }) => expected));
    for (const [key, model] of this.models) {
      expect(model.writers === 0 || (model.writers === 1 && model.readers === 0)).toBe(true);
      expect(this.mutex.isLocked(key)).toBe(!model.idle);
      expect(this.mutex.waiting(key)).toBe(model.line.length);
    }
    expect(this.mutex.size).toBe([...this.models.values()].filter(({ idle }) => !idle).length);
  }

  /** Unlocks until nobody is left: then nobody has been forgotten. */
  async drain(): Promise<void> {
    for (const [key, model] of this.models) {
      while (!model.idle) {
        this.unlock(key, model.writers > 0);
        await this.check();
      }
    }
    expect(this.mutex.size).toBe(0);
    expect(this.clock.pending).toBe(0);
    expect(this.calls.every(({ seen }) => seen !== 'waiting')).toBe(true);
  }
}

const key = fc.constantFrom(...KEYS);
const wait = fc.oneof(fc.constant('forever' as const), fc.nat(20));
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('ask' as const), key, write: fc.boolean(), wait }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('try' as const), key, write: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('unlock' as const), key, write: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('abort' as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('advance' as const), ms: fc.nat(15) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('remove' as const), key }) },
);

test('whatever is asked in whatever order, it does what a plain list of waiters would', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, calm) => {
      const run = new Run();
      for (const does of steps) {
        if (does.what === 'ask') run.ask(does.key, does.write, does.wait);
        else if (does.what === 'try') run.tryLock(does.key, does.write);
        else if (does.what === 'unlock') run.unlock(does.key, does.write);
        else if (does.what === 'abort') run.abort(does.which);
        else if (does.what === 'advance') await run.advance(does.ms);
        else {
          expect(run.mutex.remove(does.key)).toBe(run.models.get(does.key)!.idle);
          run.mutex.clear();
        }
        if (calm) await run.check();
      }
      await run.check();
      await run.drain();
    }),
    { numRuns: 400 },
  );
});
