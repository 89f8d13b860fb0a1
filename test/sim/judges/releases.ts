import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

export class Releases implements Judge {
  readonly name = 'releases';
  readonly promise =
    'A release answers true only for the owner: an expired holder’s is false, and harms nobody.';
  readonly #evidence: Evidence;
  /** Whether the server had the holds when the release was asked for. */
  readonly #owned = new Map<Request, { server: boolean; left: number }>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  releasing(request: Request): void {
    const server = request.keys.every((key) => this.#evidence.holdOf(request, key));
    this.#owned.set(request, { server, left: request.grip!.ttl() });
  }

  released(request: Request, answer: boolean | 'outage'): void {
    const owned = this.#owned.get(request);
    const { process } = request;
    if (!owned || this.#evidence.dataLostSince(request.calledAt)) return;
    const hindered = this.#evidence.hindered(process, request.releasingAt! - 50);
    if (answer === 'outage') {
      if (!hindered) this.#tell(request, 'is told of an outage, and there was none');
    } else if (answer && !owned.server && !request.revoked) {
      // `with` tells a loss only where it knows of one.
      const asked = request.use.manner !== 'with' && request.use.manner !== 'tryWith';
      if (asked || owned.left === 0) this.#tell(request, 'is told that it was the owner, and was not');
    } else if (!answer && owned.left > this.#evidence.briefest && !request.revoked && !hindered) {
      this.#tell(request, 'is told that it was not the owner, and was');
    }
  }

  releasedAgain(request: Request, answer: boolean): void {
    if (answer && !this.#evidence.dataLostSince(request.calledAt)) this.#tell(request, 'is true twice');
  }

  #tell(request: Request, what: string): void {
    this.#evidence.violate(this.name, `the release of ${request.id} ${what}`);
  }
}
