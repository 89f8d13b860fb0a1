import type { ModelChange } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

// What was wrong may be told so much later.
const LATE_MS = 500;
const ANSWER_MS = 100;

export class Verdicts implements Judge {
  readonly name = 'contention and outage';
  readonly promise = 'Contention is never a `LockBackendError`, and an outage always is.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  called(request: Request): void {
    for (const key of request.keys) this.#note(request, key);
  }

  changed(key: string, change: ModelChange): void {
    for (const request of this.#evidence.waiting)
      if (!request.contended && request.keys.includes(key)) this.#note(request, key, change);
  }

  settled(request: Request): void {
    const { process, calledAt, refusal } = request;
    const now = process.present;
    const answer = 2 * this.#evidence.network.latency[1];
    if (refusal === 'contention') {
      if (!request.contended && !this.#evidence.isBrief(request) && !this.#evidence.dataLostSince(calledAt))
        this.#evidence.violate(this.name, `${request.id} is told of somebody else, and there was nobody`);
      // Of a wait, it is the answer to its leaving the queue that tells; an earlier one where the store is slow.
      const since = request.once ? calledAt : Math.min(request.limit, now);
      const from = since - (answer > ANSWER_MS / 2 ? 2 : 1) * answer;
      // The answer may have come with the end of a silence.
      const away = this.#evidence
        .felt(process, from, now, 'cut', 'silence')
        .some((each) => each.from <= from && each.until > now + 1);
      if (away && !request.use.retry)
        this.#evidence.violate(this.name, `${request.id} is told of somebody else, and nobody could know`);
    } else if (refusal === 'outage') {
      const wrong = this.#evidence.hindered(process, Math.max(calledAt, now - LATE_MS));
      // Its process may have to connect first. One of several keys, and each try, is a request of its own.
      const isOne = request.keys.length === 1 && !request.use.retry;
      const unanswered = isOne ? calledAt + 2 * answer > request.limit : answer > ANSWER_MS;
      if (!wrong && !unanswered && !this.#evidence.isBrief(request))
        this.#evidence.violate(this.name, `${request.id} is told of an outage, and there was none`);
    }
  }

  #note(request: Request, key: string, change?: ModelChange): void {
    const { server, serverNow } = this.#evidence;
    const { holds, places } = server.lock(key);
    const other = (each: { readonly meta: Readonly<Record<string, string>> }) => each.meta.id !== request.id;
    for (const hold of holds)
      if (hold.until > serverNow && (other(hold) || hold.rests)) request.contended = true;
    if (places.some(other)) request.contended = true;
    // What ended was there until then.
    if (change?.what === 'ended' && other(change.hold)) request.contended = true;
  }
}
