import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

const SLACK_MS = 3;

export class Signals implements Judge {
  readonly name = 'signal';
  readonly promise =
    '`lease.signal` aborts when the lease is lost, at the latest when its time is up, and says why.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  settled(request: Request): void {
    if (request.grip) this.#probe(request);
  }

  /** Looks in the process itself, when the time that it knows of is up. */
  #probe(request: Request): void {
    const { process, grip } = request;
    process.watch(grip!.ttl() / process.rate, () => {
      if (!this.#evidence.holding.has(request)) return;
      if (grip!.held) return this.#probe(request);
      process.watch(process.lateness + SLACK_MS, () => {
        if (this.#evidence.holding.has(request) && !grip!.signal.aborted)
          this.#evidence.violate(
            this.name,
            `${request.id} is not held any more, and its signal has not aborted`,
          );
      });
    });
  }

  lost(request: Request, reason: string): void {
    // With a grace, a revoked lease is held for that time.
    if (reason !== 'revoked' && request.heldNow())
      this.#evidence.violate(
        this.name,
        `the signal of ${request.id} has aborted, and it says that it is held`,
      );
  }
}
