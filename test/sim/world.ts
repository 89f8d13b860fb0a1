import type { Random } from '../support/random.js';

/** What a moment may belong to: a process that may be busy, or gone. */
export interface Owner {
  /** `world.now` before which it does nothing. */
  readonly busyUntil: number;
  readonly dead: boolean;
}

/** What has come in from the network is seen after the timers that are due. */
export type Lane = 'timer' | 'network';

/** Something that is to happen. */
export interface Moment {
  at: number;
  readonly due: number;
  rank: number;
  tie: number;
  index: number;
  readonly fn: () => void;
  readonly owner: Owner | undefined;
  readonly lane: Lane;
}

const RANK = { timer: -2, network: -1 } as const;

/** Time, and the order of all that happens in it. The order of what is due at one time comes from the seed. */
export class World {
  readonly #heap: Moment[] = [];
  readonly #random: Random;
  #now = 0;
  /** Called after everything that happens. */
  afterEach: () => void = () => {};

  constructor(random: Random) {
    this.#random = random;
  }

  /** ms. */
  get now(): number {
    return this.#now;
  }

  /** For who watches: after all else at that time, and without a change of its order. */
  afterAllAt(at: number, fn: () => void, owner?: Owner): void {
    const due = Math.max(at, this.#now);
    this.#push({ at: due, due, rank: 1, tie: 0, index: -1, fn, owner, lane: 'timer' });
  }

  at(at: number, fn: () => void, owner?: Owner, lane: Lane = 'timer'): Moment {
    const due = Math.max(at, this.#now);
    const moment = { at: due, due, rank: 0, tie: this.#random.next(), index: -1, fn, owner, lane };
    this.#push(moment);
    return moment;
  }

  cancel(moment: Moment): void {
    const { index } = moment;
    if (index < 0) return;
    moment.index = -1;
    const last = this.#heap.pop()!;
    if (last === moment) return;
    last.index = index;
    this.#heap[index] = last;
    this.#down(last);
    this.#up(last);
  }

  /** Lets everything happen, until nothing is left, or `done` says so. */
  async run(done: () => boolean): Promise<void> {
    while (this.#heap.length > 0 && !done()) {
      const moment = this.#heap[0]!;
      this.cancel(moment);
      const { owner } = moment;
      if (owner?.dead) continue;
      if (owner && owner.busyUntil > moment.at) {
        // It wakes late: first its timers, in their order, then what has come in, over whichever connection first.
        moment.rank = RANK[moment.lane];
        moment.tie = moment.lane === 'timer' ? moment.due : this.#random.next();
        moment.at = owner.busyUntil;
        this.#push(moment);
        continue;
      }
      this.#now = moment.at;
      moment.fn();
      if (owner) await settled();
      this.afterEach();
    }
  }

  #push(moment: Moment): void {
    moment.index = this.#heap.length;
    this.#heap.push(moment);
    this.#up(moment);
  }

  #up(moment: Moment): void {
    let { index } = moment;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!before(moment, this.#heap[above]!)) break;
      this.#put(this.#heap[above]!, index);
      index = above;
    }
    this.#put(moment, index);
  }

  #down(moment: Moment): void {
    let { index } = moment;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && before(this.#heap[below + 1]!, this.#heap[below]!)) below++;
      if (!before(this.#heap[below]!, moment)) break;
      this.#put(this.#heap[below]!, index);
      index = below;
    }
    this.#put(moment, index);
  }

  #put(moment: Moment, index: number): void {
    moment.index = index;
    this.#heap[index] = moment;
  }
}

function before(a: Moment, b: Moment): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.rank !== b.rank) return a.rank < b.rank;
  return a.tie < b.tie;
}

// All promise continuations run before the next macrotask.
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
