/**
 * 50 callers of one process ask for one key at once, and each takes it once: holds a second until all had it. Every
 * contender in a process of its own, over one connection. Who polls in step with the others (`inStep`) takes 5 to 12 s
 * for that, and has one round only.
 */
import { interleave } from '../../lib/rounds.mjs';
import { printTable, progress, times } from '../../lib/table.mjs';
import { atLeast } from '../../lib/targets.mjs';
import { fork } from '../children.mjs';

const CALLERS = 50;
const LEAST_MS = 100;

export async function local({ url, waiters, ours }) {
  progress('redis: 50 callers in one process');
  const children = fork(waiters.length);
  const childOf = new Map(waiters.map((one, i) => [one, children[i]]));
  for (const one of waiters) await childOf.get(one).call('connect', one.id, url);
  const drain = (one) => childOf.get(one).call('drain', `local-${one.id}`, CALLERS, LEAST_MS);
  const [slow, others] = [true, false].map((slow) => waiters.filter(({ inStep = false }) => inStep === slow));
  const figures = new Map([
    ...(await interleave(others, drain, { rounds: 5 })),
    ...(await interleave(slow, drain, { rounds: 1, warmUp: 0 })),
  ]);
  await Promise.all(children.map((child) => child.call('close')));
  for (const child of children) child.kill();
  const own = figures.get(ours).value;
  const rows = [...figures].map(([{ name }, { value }]) => [name, value, times(own / value)]);
  printTable('50 callers in one process on one key', ['', 'holds/s', 'latchkey is faster'], rows);
  const best = Math.max(...[...figures].filter(([one]) => one !== ours).map(([, { value }]) => value));
  atLeast('redis, 50 callers in one process, of the best peer', own / best, 100);
}
