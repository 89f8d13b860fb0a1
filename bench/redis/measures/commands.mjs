/**
 * Commands that clients send the server a hold of 5 ms, while 1 to 1,000 others wait for the key over connections of
 * their own in four processes. Commands that scripts run do not count.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sum } from '../../lib/stats.mjs';
import { figure, printTable, progress } from '../../lib/table.mjs';
import { atMost } from '../../lib/targets.mjs';
import { fork } from '../children.mjs';

const LENGTHS = [1, 10, 100, 1_000];
const MS = 1_600;
const WORK_MS = 5;

export async function commands(context) {
  const rows = [];
  for (const one of context.waiters) {
    const row = [one.name];
    for (const waiting of LENGTHS) {
      progress(`redis: commands, ${one.name}, ${waiting} waiting`);
      const a = await measure(context, one, waiting);
      row.push(`${a.holds > 0 ? figure(a.commands / a.holds) : '-'}  (${figure((a.holds * 2_000) / MS)})`);
      if (one === context.ours)
        atMost(`redis, commands a hold, ${waiting} waiting`, a.commands / a.holds, 2.05, '');
    }
    rows.push(row);
  }
  const head = ['', ...LENGTHS.map((length) => `${length.toLocaleString('en-US')} waiting`)];
  printTable('Client commands a hold of 5 ms (and holds/s)', head, rows);
}

/** In the second half of the time, when all are in line. */
async function measure({ server, url }, one, waiting) {
  const sessions = waiting + 1;
  const children = fork(Math.min(4, sessions));
  const shares = children.map((_, i) => Math.floor((sessions + i) / children.length));
  await Promise.all(children.map((child, i) => child.call('connect', one.id, url, shares[i])));
  const counting = children.map((child) => child.call('count', `commands-${one.id}-${waiting}`, WORK_MS, MS));
  await sleep(MS / 2);
  await server.reset();
  await sleep(MS / 2);
  const calls = await server.commands();
  const answers = await Promise.all(counting);
  for (const child of children) child.kill();
  return {
    holds: sum(answers.map(([before, after]) => after - before)),
    commands: sum(one.sends.map((name) => calls.get(name) ?? 0)),
  };
}
