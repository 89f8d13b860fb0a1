/**
 * Keys that nobody else wants, from this process over one connection each:
 *   sequential  µs a hold, one after the other on one key
 *   concurrent  holds a second, 64 callers with a key each
 */
import { interleave, timed } from '../../lib/rounds.mjs';
import { figure, printTable, progress, times } from '../../lib/table.mjs';
import { atLeast, atMost } from '../../lib/targets.mjs';

const HOLDS = 2_000;
const CALLERS = 64;
const HOLDS_EACH = 200;

export async function free({ contenders, sessions, ours, bare }) {
  progress('redis: sequential');
  const sequential = await interleave(contenders, async (one) => {
    const session = sessions.get(one);
    const ms = await timed(() => holds(session, `sequential-${one.id}`, HOLDS));
    return (ms * 1e3) / HOLDS;
  });
  progress('redis: concurrent');
  const concurrent = await interleave(contenders, async (one) => {
    const session = sessions.get(one);
    const callers = Array.from({ length: CALLERS }, (_, i) => `concurrent-${one.id}-${i}`);
    const ms = await timed(() => Promise.all(callers.map((key) => holds(session, key, HOLDS_EACH))));
    return (CALLERS * HOLDS_EACH * 1e3) / ms;
  });
  const rows = contenders.map((one) => {
    const [{ value: us, all }, { value: rate }] = [sequential.get(one), concurrent.get(one)];
    const range = `${figure(Math.min(...all))} - ${figure(Math.max(...all))}`;
    return [
      one.name,
      us,
      range,
      times(us / sequential.get(bare).value),
      rate,
      times(rate / concurrent.get(bare).value),
    ];
  });
  const head = ['', 'sequential µs', 'rounds', 'of the limit', '64 callers, holds/s', 'of the limit'];
  printTable('Free keys, one process', head, rows);
  atMost(
    'redis, sequential, of the bare limit',
    sequential.get(ours).value / sequential.get(bare).value,
    1.1,
  );
  atLeast(
    'redis, 64 concurrent, of the bare limit',
    concurrent.get(ours).value / concurrent.get(bare).value,
    0.9,
  );
}

async function holds(session, key, count) {
  for (let i = 0; i < count; i++) {
    const release = await session.acquire(key);
    await release();
  }
}
