import type { Access, Answer } from './resource.js';

/** What the run tells a worker. */
export type Order =
  | { do: 'block'; ms: number }
  | { do: 'stop' }
  | { do: 'answer'; id: number; answer: Answer };

/** What a worker tells the run. */
export type Report = { access: Access; id: number } | { ready: true } | { done: true };

/** A worker's way to the run, and through it to the resource. */
export class Link {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 0;

  constructor(orders: { block(ms: number): void; stop(): void }) {
    process.on('message', (order: Order) => {
      if (order.do === 'block') orders.block(order.ms);
      else if (order.do === 'stop') orders.stop();
      else {
        this.#waiting.get(order.id)?.(order.answer);
        this.#waiting.delete(order.id);
      }
    });
    // Without the run there is nothing to do.
    process.on('disconnect', () => process.exitCode === undefined && process.exit(3));
  }

  access(access: Access): Promise<Answer> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.tell({ access, id });
    });
  }

  tell(report: Report): void {
    process.send!(report, undefined, {}, () => {});
  }
}
