/**
 * One process holds, another waits, the first releases: ms from the call of release until the other holds, by one
 * clock of the machine. Every peer waits for a random time of one of its polling intervals and more, so that no phase is
 * favoured. Beside it the PING of the waiter's connection, after the same short pause for all, which is also ours before
 * a hand-off: both meet a machine that has slept as long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../lib/stats.mjs';
import { printTable, progress, times } from '../../lib/table.mjs';
import { atLeast, atMost } from '../../lib/targets.mjs';
import { connected, fork } from '../children.mjs';

const ROUNDS = 2;
const ROUND_MS = 1_500;
const PEERS_PAUSE_MS = [20, 270];
const PAUSE_MS = [20, 30];

const pause = ([least, most]) => sleep(least + Math.random() * (most - least));

export async function handOff({ waiters, url, ours }) {
  progress('redis: hand-off');
  const children = fork(2);
  const all = new Map(waiters.map((one) => [one, { times: [], pings: [] }]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of waiters) {
      const before = one === ours ? PAUSE_MS : PEERS_PAUSE_MS;
      await connected(children, one, url, async ([holder, waiter]) => {
        const end = performance.now() + ROUND_MS;
        for (let i = 0; performance.now() < end; i++) {
          const key = `hand-off-${one.id}-${i % 4}`;
          await holder.call('hold', key);
          const taken = waiter.call('take', key);
          await pause(before);
          const releasedAt = await holder.call('release');
          all.get(one).times.push((await taken) - releasedAt);
          await pause(PAUSE_MS);
          all.get(one).pings.push(await waiter.call('ping'));
        }
      });
    }
  }
  for (const child of children) child.kill();
  const p50 = (one) => quantile(all.get(one).times, 0.5);
  const rows = waiters.map((one) => {
    const { times: list, pings } = all.get(one);
    const ping = quantile(pings, 0.5);
    return [
      one.name,
      p50(one),
      quantile(list, 0.99),
      ping,
      times(p50(one) / ping),
      times(p50(one) / p50(ours)),
      list.length,
    ];
  });
  const head = ['', 'p50 ms', 'p99 ms', 'PING p50 ms', 'of PING', 'latchkey is faster', 'times'];
  printTable('Hand-off between two processes', head, rows);
  const best = Math.min(...waiters.filter((one) => one !== ours).map(p50));
  atMost('redis, hand-off p50, of PING', p50(ours) / quantile(all.get(ours).pings, 0.5), 2.3);
  atLeast('redis, hand-off p50, under the best peer', best / p50(ours), 20);
}
