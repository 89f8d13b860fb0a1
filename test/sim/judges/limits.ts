import type { ModelChange } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

// An answer that is due is waited for: one, or two where the first claim is not answered by then.
const ANSWER_MS = 100;
// As long as the server answers others.
const BACKLOG_MS = 1_000;
const SLACK_MS = 30;

export class Limits implements Judge {
  readonly name = 'hard limits';
  readonly promise =
    'A `wait` ends in time, whatever the backend does: where its answer is due, 0.1 s later.';
  readonly #evidence: Evidence;
  readonly #placedAt = new WeakMap<Request, number>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  changed(_key: string, change: ModelChange): void {
    const request = change.what === 'placed' ? this.#evidence.requestOf(change.place) : undefined;
    if (request) this.#placedAt.set(request, this.#evidence.world.now);
  }

  settled(request: Request): void {
    const { process, limit } = request;
    const late = process.present - limit - this.#evidence.paused(process, limit - SLACK_MS, process.present);
    const keys = request.use.keys.length;
    const answer = 2 * this.#evidence.network.latency[1];
    const answers = (this.#placedAt.get(request) ?? Infinity) < limit - answer ? 1 : 2;
    const slow =
      (answers === 2 && answer > ANSWER_MS) ||
      this.#evidence.felt(process, request.calledAt, process.present, 'silence', 'slow', 'refusal').length >
        0;
    const most = (answers * ANSWER_MS + (slow ? BACKLOG_MS : 0) + 2 * process.lateness * 6 + SLACK_MS) * keys;
    if (request.refusal !== 'closed' && late > most)
      this.#evidence.violate(this.name, `${request.id} ends ${late.toFixed(1)} ms after its wait`);
    if (request.refusal === 'contention' && !request.use.retry && request.use.wait !== 0) {
      const early = limit - process.present;
      if (early > 1)
        this.#evidence.violate(this.name, `${request.id} ends ${early.toFixed(1)} ms before its wait`);
    }
  }
}
