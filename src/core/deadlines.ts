import type { Clock, Timer } from './clock.js';
import { outside } from './outside.js';

/** A moment to be told about. Belongs to one {@link Deadlines}. */
export class Deadline {
  at = Infinity;
  index = -1;

  constructor(readonly fire: () => void) {}
}

/**
 * Any number of moments on one timer: a binary heap, so that setting and clearing are O(log n). The timer is in no async
 * context of those who set them.
 */
export class Deadlines {
  readonly #heap: Deadline[] = [];
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #keepAlive = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds the deadline, or moves it. */
  set(deadline: Deadline, at: number): void {
    deadline.at = at;
    if (deadline.index < 0) {
      deadline.index = this.#heap.length;
      this.#heap.push(deadline);
    }
    this.#down(deadline, this.#up(deadline));
    this.#arm();
  }

  clear(deadline: Deadline): void {
    const { index } = deadline;
    if (index < 0) return;
    deadline.index = -1;
    const last = this.#heap.pop()!;
    if (last !== deadline) {
      last.index = index;
      this.#heap[index] = last;
      this.#down(last, this.#up(last));
    }
  }

  /** Fires what is due at `now`, by the clock. Nothing it calls may throw. */
  run(now: number): void {
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) {
      this.clear(first);
      first.fire();
    }
  }

  /** Cancels the timer: no deadline fires until another one is set. */
  stop(): void {
    this.#timer?.cancel();
    this.#timerAt = Infinity;
  }

  /** Whether the process must live on for these: as many `true` as `false` cancel out. */
  keepAlive(yes: boolean): void {
    this.#keepAlive += yes ? 1 : -1;
    this.#timer?.keepAlive(this.#keepAlive > 0);
  }

  // The timer is moved only to an earlier time; one that finds nothing due looks again. Most deadlines are cleared
  // before they come, and so cost no timer of their own.
  #arm(): void {
    const at = this.#heap[0]?.at ?? Infinity;
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const fire = () => {
      this.#timerAt = Infinity;
      this.run(this.#clock.now());
      this.#arm();
    };
    const ms = Math.max(0, at - this.#clock.now());
    this.#timer = outside(() => this.#clock.after(ms, fire));
    this.#timer.keepAlive(this.#keepAlive > 0);
  }

  #up(deadline: Deadline): number {
    let { index } = deadline;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (this.#heap[above]!.at <= deadline.at) break;
      this.#put(this.#heap[above]!, index);
      index = above;
    }
    this.#put(deadline, index);
    return index;
  }

  #down(deadline: Deadline, from: number): void {
    let index = from;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && this.#heap[below + 1]!.at < this.#heap[below]!.at) below++;
      if (this.#heap[below]!.at >= deadline.at) break;
      this.#put(this.#heap[below]!, index);
      index = below;
    }
    this.#put(deadline, index);
  }

  #put(deadline: Deadline, index: number): void {
    deadline.index = index;
    this.#heap[index] = deadline;
  }
}
