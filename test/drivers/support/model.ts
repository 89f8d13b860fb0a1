import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { LockStore } from '../../../src/engine/store.js';
import type { LockMode } from '../../../src/lease/driver.js';
import { ModelServer } from '../../../src/testing/index.js';
import { Random } from '../../support/random.js';
import { sleep } from '../../support/wait.js';
import { type Call, Twin } from './twin.js';

const ROUNDS = 60;
// Each has a key of its own.
const AT_ONCE = 10;
const CALLS = 80;
// What is brief is over before the next call.
const BRIEF_MS = 30;
const OVER_MS = 80;

const PROCESSES = ['p1', 'p2', 'p3'];
/** Who asks: each for one thing after the other, under another token each time. */
const CALLERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const model = new ModelServer();

type CreateStore = () => LockStore | Promise<LockStore>;

/** Draws calls such as processes make, in any order and some of them twice. */
class Draw {
  readonly #random: Random;
  readonly #times = CALLERS.map(() => 0);
  /** Whose token was freed or left: the next claim is of another one. */
  readonly #over = new Set<number>();
  /** Whether the claims of a token are without a place: all of them, or none. */
  readonly #tries = new Map<string, boolean>();
  readonly gone = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  call(): Call & { brief: boolean } {
    const random = this.#random;
    const caller = random.pick([...CALLERS.keys()].filter((each) => !this.gone.has(processOf(each))));
    const by = processOf(caller);
    const kind = random.next();
    if (kind < 0.5) return this.#claim(caller, by);
    const token = this.#token(caller);
    const mode = modeOf(caller);
    const own = [...CALLERS.keys()].filter((each) => processOf(each) === by);
    if (kind < 0.7) {
      const others = mode === 'write' && random.chance(0.3) ? random.shuffled(own).slice(0, 2) : [];
      const served = others.filter((each) => each !== caller);
      const keepFor = random.chance(0.15) ? random.pick([20_000, BRIEF_MS]) : 0;
      const usedMore = random.chance(0.2) ? random.pick([5, 10_000_000]) : 0;
      const late = random.chance(0.1);
      for (const each of [caller, ...served]) if (!late) this.#over.add(each);
      const how = { mode, served: served.map((each) => this.#token(each)), keepFor, late };
      return { by, do: 'free', token, how, usedMore, brief: keepFor === BRIEF_MS };
    }
    if (kind < 0.8) {
      const leaving = random.shuffled(own).slice(0, random.between(1, own.length));
      const late = random.chance(0.2);
      for (const each of leaving) if (!late) this.#over.add(each);
      return { by, do: 'leave', tokens: leaving.map((each) => this.#token(each)), late, brief: false };
    }
    if (kind < 0.88) {
      const ttl = random.pick([20_000, 300_000]);
      return { by, do: 'renew', token, mode, ttl, sequence: random.between(1, 6), brief: false };
    }
    if (kind < 0.93) {
      const grace = random.pick([0, 0, 20_000, BRIEF_MS]);
      return { by, do: 'revoke', token, more: random.pick([0, 0, 63, 64]), grace, brief: grace === BRIEF_MS };
    }
    return { by, do: 'read', brief: false };
  }

  #claim(caller: number, by: string): Call & { brief: boolean } {
    const random = this.#random;
    if (this.#over.delete(caller)) this.#times[caller]!++;
    const token = this.#token(caller);
    const mode = modeOf(caller);
    const limit = mode === 'write' || caller === CALLERS.length - 1 ? Infinity : caller - 3;
    const ttl = random.chance(0.06) ? BRIEF_MS : 60_000;
    const tries = this.#tries.get(token) ?? random.chance(0.3);
    this.#tries.set(token, tries);
    const vouchFor = tries ? undefined : random.chance(0.05) ? BRIEF_MS : 300_000;
    const claim = { token, mode, limit, ttl, meta: { token } };
    return { by, do: 'claim', claim, vouchFor, brief: vouchFor === BRIEF_MS };
  }

  #token(caller: number): string {
    return `${CALLERS[caller]}${this.#times[caller]}`;
  }
}

const processOf = (caller: number) => PROCESSES[caller % PROCESSES.length]!;
const modeOf = (caller: number): LockMode => (caller < 4 ? 'write' : 'read');

/** Waits until both were told the same number of things. What one is told besides is seen after the next call. */
async function settle(one: Twin, other: Twin): Promise<void> {
  for (let tries = 0; tries < 1_500; tries++) {
    if (one.told === other.told) return;
    await sleep(2);
  }
}

/** Whether a hold is soon over. */
function isBrief(key: string): boolean {
  return [...model.lock(key).holds].some(({ until }) => until - model.micros / 1_000 < 1_000);
}

async function twins(createStore: CreateStore): Promise<[Twin, Twin]> {
  const key = `{${randomUUID()} key}`;
  const make = async (store: () => LockStore | Promise<LockStore>) =>
    new Twin(key, new Map(await Promise.all(PROCESSES.map(async (name) => [name, await store()] as const))));
  const both: [Twin, Twin] = [await make(() => model.connect()), await make(createStore)];
  await Promise.all(both.map((twin) => twin.open()));
  return both;
}

/** Calls both, and compares what they answer and what they tell. */
async function compare(one: Twin, other: Twin, round: number): Promise<void> {
  const random = new Random(seed).fork(`round ${round}`);
  const draw = new Draw(random);
  const calls: string[] = [];
  for (let n = 0; n < CALLS; n++) {
    const call = draw.call();
    calls.push(JSON.stringify(call));
    const [expected, actual] = [await one.call(call), await other.call(call)];
    await settle(one, other);
    const said = { seed, round, calls, answer: expected, messages: one.takeMessages() };
    expect({ seed, round, calls, answer: actual, messages: other.takeMessages() }).toEqual(said);
    if (call.brief || isBrief(one.key)) await sleep(OVER_MS);
    if (random.chance(0.01) && draw.gone.size === 0) {
      draw.gone.add('p3');
      calls.push('p3 is gone');
      await Promise.all([one.closeOne('p3'), other.closeOne('p3')]);
      await sleep(OVER_MS);
    }
  }
}

async function compareIn(round: number, createStore: CreateStore): Promise<void> {
  const [one, other] = await twins(createStore);
  try {
    await compare(one, other, round);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

/** Registers the test that a backend answers and tells what the model does, whatever is called. */
export function sameAsModel(backend: string, createStore: CreateStore): void {
  test(`whatever is called, the model and ${backend} say the same (seed ${seed})`, async () => {
    for (let round = 0; round < ROUNDS; round += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => compareIn(round + n, createStore)));
  }, 120_000);
}
