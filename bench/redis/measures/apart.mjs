/**
 * Where the time goes, of holds of free keys and of a hand-off; every contender in a process of its own. CPU is that of
 * the client's process, and of the server. A hand-off, by one clock of the machine:
 *   written   from the call of release until its command is written to the socket
 *   arrived   until the waiter's process reads the message: two passages, two wake-ups, and the script between them
 *   held      until its acquire has resolved
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../lib/stats.mjs';
import { printTable, progress, times } from '../../lib/table.mjs';
import { connected, fork } from '../children.mjs';
import { load } from '../contenders.mjs';

const ROUNDS = 5;
const HOLDS = 3_000;
const CALLERS = 64;
const HAND_OFFS = 60;

const pause = () => sleep(20 + Math.random() * 10);

export async function apart({ server, url, bare, ours }) {
  const rows = [];
  for (const one of [bare, await load('scripts'), ours]) {
    progress(`redis: apart, ${one.name}`);
    const [child] = fork(1);
    const figures = await connected([child], one, url, async () => [
      ...(await spent(server, child, 1)),
      ...(await spent(server, child, CALLERS)),
    ]);
    child.kill();
    rows.push([one.name, ...figures]);
  }
  const head = [
    '',
    'one caller: µs',
    'client CPU',
    'server CPU',
    '64 callers: µs',
    'client CPU',
    'server CPU',
  ];
  printTable('Where the time of a hold of a free key goes, µs: the best of 5 rounds each', head, rows);
  await handOffsApart({ url, ours });
}

/** µs a hold: of the wall clock, of the client's CPU, of the server's. */
async function spent(server, child, callers) {
  const rounds = [];
  const holds = HOLDS * (callers > 1 ? 5 : 1);
  for (let round = 0; round < ROUNDS; round++) {
    const before = await server.cpu();
    const { ms, cpu } = await child.call('spend', 'apart', callers, holds);
    rounds.push([ms, cpu, (await server.cpu()) - before].map((each) => (each * 1e3) / holds));
  }
  return [0, 1, 2].map((column) => Math.min(...rounds.map((round) => round[column])));
}

/** In turns, so that both meet the same machine. */
async function handOffsApart(context) {
  progress('redis: apart, hand-off');
  const contenders = [await load('message'), context.ours];
  const stages = new Map(contenders.map((one) => [one, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of contenders) stages.get(one).push(...(await handOffs(one, context.url)));
  }
  const p50 = (one, name) =>
    quantile(
      stages.get(one).map((each) => each[name]),
      0.5,
    );
  const rows = contenders.map((one) => [
    one.name,
    ...['written', 'arrived', 'held', 'all', 'ping'].map((name) => p50(one, name) * 1e3),
    times(p50(one, 'all') / p50(one, 'ping')),
  ]);
  const head = ['', 'written', 'arrived', 'held', 'all', 'a PING, there and back', 'of PING'];
  printTable('Where the time of a hand-off goes, p50 µs', head, rows);
}

/** The stages of each hand-off, in ms. */
async function handOffs(one, url) {
  const children = fork(2);
  await Promise.all(children.map((child) => child.call('watch')));
  const seen = [];
  await connected(children, one, url, async ([holder, waiter]) => {
    for (let i = 0; i < HAND_OFFS; i++) {
      const key = `apart-${i % 4}`;
      await holder.call('hold', key);
      const taken = waiter.call('take', key);
      await pause();
      const released = await holder.call('release');
      const { written } = await holder.call('seen', released);
      const held = await taken;
      const { read } = await waiter.call('seen', released);
      await pause();
      const ping = await waiter.call('ping');
      seen.push({
        written: written - released,
        arrived: read - written,
        held: held - read,
        all: held - released,
        ping,
      });
    }
  });
  for (const child of children) child.kill();
  return seen;
}
