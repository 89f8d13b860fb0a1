/**
 * 50 callers of one process ask for one key at once, and each takes it once: holds a second until all had it. Who polls in
 * step with the others (`inStep`) takes 5 to 12 s for that, and has one round only.
 */
import { interleave } from '../../lib/rounds.mjs';
import { printTable, progress, times } from '../../lib/table.mjs';
import { atLeast } from '../../lib/targets.mjs';

const CALLERS = 50;
const LEAST_MS = 100;
let turn = 0;

export async function local({ waiters, sessions, ours }) {
  progress('redis: 50 callers in one process');
  const slow = waiters.filter(({ inStep }) => inStep);
  const figures = new Map([
    ...(await interleave(
      waiters.filter((one) => !slow.includes(one)),
      (one) => drain(one, sessions.get(one)),
      { rounds: 5 },
    )),
    ...(await interleave(slow, (one) => drain(one, sessions.get(one)), { rounds: 1, warmUp: 0 })),
  ]);
  const own = figures.get(ours).value;
  const rows = [...figures].map(([{ name }, { value }]) => [name, value, times(own / value)]);
  printTable('50 callers in one process on one key', ['', 'holds/s', 'latchkey is faster'], rows);
  const best = Math.max(...[...figures].filter(([one]) => one !== ours).map(([, { value }]) => value));
  atLeast('redis, 50 callers in one process, of the best peer', own / best, 100);
}

async function drain({ id }, session) {
  const start = performance.now();
  let bursts = 0;
  for (; performance.now() - start < LEAST_MS; bursts++) {
    const key = `local-${id}-${turn++}`;
    const caller = async () => {
      const release = await session.acquire(key);
      await release();
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
  }
  return (bursts * CALLERS * 1e3) / (performance.now() - start);
}
