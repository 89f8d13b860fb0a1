/** What the same work could take at best, from the times that were really slept. */
import { sum } from '../lib/stats.mjs';

const total = (share) => sum(share.map(({ ms }) => ms));

/**
 * No schedule whatever is shorter: a key serves one at a time, a worker does one thing at a time, and there are so
 * many workers. Which worker does what, and in which order, is free.
 */
export function freeBound(shares) {
  const actions = shares.flat();
  const byKey = new Map();
  for (const { key, ms } of actions) byKey.set(key, (byKey.get(key) ?? 0) + ms);
  return Math.max(...byKey.values(), total(actions) / shares.length);
}

/** With an ideal lock: every worker does its actions in its order, keys are served in order of arrival at no cost. */
export function fifoSchedule(shares) {
  const freeAt = new Map();
  // Whoever comes first is next at its key; with all earlier arrivals served, when it can start is known.
  const arrivals = shares.map((share) => ({ at: 0, share, next: 0 })).filter(({ share }) => share.length > 0);
  let end = 0;
  while (arrivals.length > 0) {
    let first = 0;
    for (let i = 1; i < arrivals.length; i++) if (arrivals[i].at < arrivals[first].at) first = i;
    const worker = arrivals[first];
    const { key, ms } = worker.share[worker.next++];
    worker.at = Math.max(worker.at, freeAt.get(key) ?? 0) + ms;
    freeAt.set(key, worker.at);
    end = Math.max(end, worker.at);
    if (worker.next === worker.share.length) arrivals.splice(first, 1);
  }
  return end;
}
