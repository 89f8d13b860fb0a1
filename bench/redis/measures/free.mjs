/**
 * Keys that nobody else wants; every contender in a process of its own, over one connection:
 *   sequential  µs a hold, one after the other on one key
 *   concurrent  holds a second, 64 callers with a key each
 * Ratios are medians of those within a round: what slows the machine down slows both.
 */
import { interleave, ratio } from '../../lib/rounds.mjs';
import { figure, printTable, progress, times } from '../../lib/table.mjs';
import { atLeast, atMost } from '../../lib/targets.mjs';
import { fork } from '../children.mjs';

const HOLDS = 2_000;
const CALLERS = 64;
const HOLDS_EACH = 250;

export async function free({ url, contenders, ours, bare }) {
  const children = fork(contenders.length);
  const childOf = new Map(contenders.map((one, i) => [one, children[i]]));
  const spend = async (one, callers, holds) => {
    const { ms } = await childOf.get(one).call('spend', `free-${one.id}`, callers, holds);
    return ms / holds;
  };
  for (const one of contenders) await childOf.get(one).call('connect', one.id, url);
  progress('redis: sequential');
  const sequential = await interleave(contenders, async (one) => (await spend(one, 1, HOLDS)) * 1e3);
  progress('redis: concurrent');
  const concurrent = await interleave(
    contenders,
    async (one) => 1e3 / (await spend(one, CALLERS, CALLERS * HOLDS_EACH)),
  );
  await Promise.all(children.map((child) => child.call('close')));
  for (const child of children) child.kill();
  const rows = contenders.map((one) => {
    const [{ value: us, all }, { value: rate }] = [sequential.get(one), concurrent.get(one)];
    const range = `${figure(Math.min(...all))} - ${figure(Math.max(...all))}`;
    return [
      one.name,
      us,
      range,
      times(ratio(sequential, one, bare)),
      rate,
      times(ratio(concurrent, one, bare)),
    ];
  });
  const head = ['', 'sequential µs', 'rounds', 'of the limit', '64 callers, holds/s', 'of the limit'];
  printTable('Free keys, one process', head, rows);
  atMost('redis, sequential, of the bare limit', ratio(sequential, ours, bare), 1.1);
  atLeast('redis, 64 concurrent, of the bare limit', ratio(concurrent, ours, bare), 0.9);
  const peers = contenders.filter((one) => one !== ours && one !== bare);
  const best = Math.min(...peers.map((peer) => ratio(concurrent, ours, peer)));
  atLeast('redis, 64 concurrent, of the best peer', best, 1);
}
