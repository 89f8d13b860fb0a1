import type { Clock } from '../core/clock.js';
import { inTests } from '../core/node-env.js';
import { machineClock } from '../core/suspensions.js';

/** A ttl below this many ms is probably meant in seconds. */
const SHORT_TTL = 100;

let warned = false;

/** Tells once in a process of a ttl that is probably a mistake; not in tests, nor on a clock that tests brought. */
export function warnOfShortTtl(ttl: number, clock: Clock): void {
  if (ttl >= SHORT_TTL || warned || clock !== machineClock || inTests()) return;
  warned = true;
  process.emitWarning(
    `A lease has a ttl of ${ttl} ms, which a pause of the process or of the network outlasts: a number is milliseconds. ` +
      `For seconds write '${ttl}s'.`,
    { code: 'LATCHKEY_SHORT_TTL' },
  );
}
