import type { Clock } from '../core/clock.js';
import { Deadline, Deadlines } from '../core/deadlines.js';
import type { Random } from '../core/random.js';
import type { Acquisition } from './acquisition.js';
import type { Refused } from './store.js';

// The one whose place is the first looks at the latest after this: it must notice first.
const FIRST_LOOK = 2_000;
// How long the answer that gives a place may come after a message about it.
const ANSWER_MS = 100;

type Waiter = Pick<Acquisition, 'request' | 'longestLook' | 'ask'>;

/** Those of one key that have places, in the order in which they got them, and when the first of them looks again. */
interface LocalQueue {
  readonly waiting: Set<Waiter>;
  /** Those that were asked to claim again since another one had lost its place, and have no answer yet. */
  suspected: Set<Waiter>;
  readonly look: Deadline;
}

/**
 * The places that this process has in the store's queues. One look a key serves all its waiters: it tells the store that
 * the process lives, hands over where a holder's time is up, and shows whether the places are still there.
 */
export class LocalQueues {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #looks: Deadlines;
  readonly #queues = new Map<string, LocalQueue>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#looks = new Deadlines(clock);
  }

  /** The acquisition has a place. */
  placed(acquisition: Waiter, { left, before, kept }: Refused): void {
    const { key } = acquisition.request;
    const queue = this.#queues.get(key) ?? this.#open(key);
    const suspected = queue.suspected.delete(acquisition);
    // The store lost its place: the new one is the last, and it may have lost the places of the others, too. These have been
    // asked already where it was itself suspected: of many, not each asks all.
    if (!kept && queue.waiting.delete(acquisition) && !suspected) askAll(queue);
    queue.waiting.add(acquisition);
    // The first in line looks first when the holder's time is up: it is handed the lock, and the others need not ask.
    const atExpiry = left + 1 + Math.min(before * 5, 100) + this.#random() * 5;
    const longest = Math.min(acquisition.longestLook, FIRST_LOOK + before * 100);
    this.#lookIn(queue, Math.min(atExpiry, longest * (0.8 + this.#random() * 0.2)));
  }

  /** Looks at the queue of `key` in `ms`, or sooner. */
  lookIn(key: string, ms: number): void {
    const queue = this.#queues.get(key);
    if (queue) this.#lookIn(queue, ms);
  }

  /** As `lookIn`, for a message of the store: it may come before the answer that gives the first place here. */
  told(key: string, ms: number): void {
    if (this.#queues.has(key)) this.lookIn(key, ms);
    else this.#lookIn(this.#open(key), Math.min(Math.max(ms, ANSWER_MS), FIRST_LOOK));
  }

  leave(acquisition: Waiter): void {
    const { key } = acquisition.request;
    const queue = this.#queues.get(key);
    if (!queue?.waiting.delete(acquisition)) return;
    queue.suspected.delete(acquisition);
    if (queue.waiting.size === 0) {
      this.#queues.delete(key);
      this.#looks.clear(queue.look);
    } else if (queue.look.index < 0) {
      // It was the one that looked, and its answer tells nobody when to look again.
      this.#lookIn(queue, 0);
    }
  }

  close(): void {
    this.#looks.stop();
  }

  #open(key: string): LocalQueue {
    const queue: LocalQueue = {
      waiting: new Set(),
      suspected: new Set(),
      look: new Deadline(() => this.#look(key, queue)),
    };
    this.#queues.set(key, queue);
    return queue;
  }

  #look(key: string, { waiting }: LocalQueue): void {
    const [first] = waiting;
    if (first) first.ask();
    else this.#queues.delete(key);
  }

  #lookIn({ look }: LocalQueue, ms: number): void {
    const at = this.#clock.now() + ms;
    if (look.index < 0 || at < look.at) this.#looks.set(look, at);
  }
}

function askAll(queue: LocalQueue): void {
  queue.suspected = new Set(queue.waiting);
  for (const waiter of queue.waiting) waiter.ask();
}
