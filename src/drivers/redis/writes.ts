import { nextTick } from 'node:process';
import type { Redis } from 'ioredis';

// How many commands leave in one write.
const GATHERED = 16;

/**
 * The first command of a turn of the event loop leaves at once, those after it in few writes: a write each would cost
 * more than all the rest. None waits for the whole turn, for the server is to have something to do meanwhile.
 */
export class Writes {
  readonly #client: Redis;
  #gathered = 0;

  constructor(client: Redis) {
    this.#client = client;
  }

  /** A command is about to be written. */
  gather(): void {
    const { stream } = this.#client;
    const before = this.#gathered++;
    if (before === 0) {
      nextTick(() => {
        if (this.#gathered > 1) stream.uncork();
        this.#gathered = 0;
      });
    } else if (before % GATHERED === 1) {
      if (before > 1) stream.uncork();
      stream.cork();
    }
  }
}
