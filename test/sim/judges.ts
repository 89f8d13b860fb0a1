import type { Evidence, Judge } from './evidence.js';
import { Exclusion } from './judges/exclusion.js';
import { Fences } from './judges/fences.js';
import { Held } from './judges/held.js';
import { Leftovers } from './judges/leftovers.js';
import { Limits } from './judges/limits.js';
import { Looks } from './judges/looks.js';
import { Losses } from './judges/losses.js';
import { Order } from './judges/order.js';
import { Releases } from './judges/releases.js';
import { Rests } from './judges/rests.js';
import { Revocations } from './judges/revocations.js';
import { Signals } from './judges/signals.js';
import { Turns } from './judges/turns.js';
import { Verdicts } from './judges/verdicts.js';

/** One of each. */
export function judgesOf(evidence: Evidence): Judge[] {
  return [
    new Exclusion(evidence),
    new Held(evidence),
    new Order(evidence),
    new Turns(evidence),
    new Looks(evidence),
    new Fences(evidence),
    new Signals(evidence),
    new Losses(evidence),
    new Limits(evidence),
    new Verdicts(evidence),
    new Releases(evidence),
    new Rests(evidence),
    new Revocations(evidence),
    new Leftovers(evidence),
  ];
}
