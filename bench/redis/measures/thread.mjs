/** What renewal in a worker thread costs, and what a busy event loop adds to a release. */
import { median, quantile, sum } from '../../lib/stats.mjs';
import { printTable, progress } from '../../lib/table.mjs';
import { fork } from '../children.mjs';
import { load } from '../contenders.mjs';

const LEASES = 10_000;
const TTL = 15_000;
const STARTS = 5;
const RELEASES = 60;
const BLOCKS = [0, 10, 50];

export async function thread({ server, url }) {
  const both = [await load('latchkey'), await load('thread')];
  const rows = [];
  for (const one of both) {
    progress(`redis: thread, ${one.name}`);
    const starts = [];
    for (let i = 0; i < STARTS; i++) {
      const [child] = fork(1);
      starts.push(await child.call('first', one.id, url));
      child.kill();
    }
    const [child] = fork(1);
    await child.call('connect', one.id, url);
    await child.call('keep', LEASES, TTL);
    await server.reset();
    const { cpu, busy, held } = await child.call('keepFor', one.renewsEvery(TTL));
    const calls = await server.commands();
    child.kill();
    await server.flush();
    const sent = sum(one.sends.map((name) => calls.get(name) ?? 0));
    const of = (what) => median(starts.map((start) => start[what]));
    rows.push([one.name, of('ms'), of('mib'), cpu, busy, sent, held]);
  }
  const head = [
    '',
    'first lease ms',
    'adds MiB',
    'client CPU ms',
    'main loop busy ms',
    'commands',
    'still held',
  ];
  const leases = LEASES.toLocaleString('en-US');
  printTable(`Renewal in a worker thread: the first lease, and renewing ${leases} of 15 s once`, head, rows);
  await releases(url);
}

async function releases(url) {
  const [holder, next] = fork(2);
  await Promise.all([holder.call('connect', 'thread', url), next.call('connect', 'latchkey', url)]);
  const rows = [];
  for (const block of BLOCKS) {
    progress(`redis: thread, releases of a loop blocked for ${block} ms at a time`);
    const [taken, resolved] = [[], []];
    for (let i = 0; i < RELEASES; i++) {
      const key = `busy-${block}-${i}`;
      await holder.call('hold', key);
      const held = next.call('take', key);
      await next.call('ping');
      const { at, until } = await holder.call('releaseBusily', block);
      taken.push((await held) - at);
      resolved.push(until - at);
    }
    const of = (times) => [median(times), quantile(times, 0.99)];
    rows.push([block === 0 ? 'idle' : `blocked for ${block} ms at a time`, ...of(taken), ...of(resolved)]);
  }
  holder.kill();
  next.kill();
  const head = [
    'the event loop is',
    'the next one holds, p50 ms',
    'p99',
    'release() resolves, p50 ms',
    'p99',
  ];
  printTable('A release by a busy event loop', head, rows);
}
