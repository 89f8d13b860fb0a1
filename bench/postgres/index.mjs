/** Part `postgres`: leases through a PostgreSQL of our own, beside the peers and beside the bare limit. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { guard } from '../../dist/drivers/postgres/index.js';
import { Child } from '../lib/children.mjs';
import { LockRegistry, postgresDriver } from '../lib/latchkey.mjs';
import { interleave, timed } from '../lib/rounds.mjs';
import { quantile, sum } from '../lib/stats.mjs';
import { printTable, progress, times } from '../lib/table.mjs';
import { atLeast, atMost } from '../lib/targets.mjs';
import { contenders } from './contenders.mjs';
import { Server } from './server.mjs';

const MEASURES = { free, local, guarded, handOff, processes };
const all = Object.entries(contenders).map(([id, one]) => ({ id, ...one }));
const [ours, bare] = all;
const waiters = all.filter((one) => one !== bare);

/** @param {{ only?: string }} options `only` names one measure */
export async function run({ only }) {
  if (only && !MEASURES[only])
    throw new Error(`expected postgres:<${Object.keys(MEASURES).join('|')}>, got postgres:${only}`);
  for (const sync of ['on', 'off']) {
    const server = await Server.start(sync);
    const where = `synchronous_commit ${sync}`;
    for (const [name, measure] of Object.entries(MEASURES)) {
      if (only === undefined || only === name) await measure(server, where);
    }
    await server.stop();
  }
}

async function sessionsOf(list, { url }) {
  return new Map(await Promise.all(list.map(async (one) => [one, await one.connect(url)])));
}

const closeAll = (sessions) => Promise.all([...sessions.values()].map((session) => session.close()));

async function holds(session, key, count) {
  for (let i = 0; i < count; i++) await (await session.acquire(key))();
}

/** Keys that nobody else wants: µs a hold, one after the other; holds a second of 64 callers with a key each. */
async function free(server, where) {
  progress(`postgres: free keys, ${where}`);
  const sessions = await sessionsOf(all, server);
  const sequential = await interleave(all, async (one) => {
    const ms = await timed(() => holds(sessions.get(one), `sequential-${one.id}`, 300));
    return (ms * 1e3) / 300;
  });
  const concurrent = await interleave(all, async (one) => {
    const keys = Array.from({ length: 64 }, (_, i) => `concurrent-${one.id}-${i}`);
    const ms = await timed(() => Promise.all(keys.map((key) => holds(sessions.get(one), key, 20))));
    return (64 * 20 * 1e3) / ms;
  });
  await closeAll(sessions);
  const us = (one) => sequential.get(one).value;
  const rate = (one) => concurrent.get(one).value;
  printTable(
    `Free keys, one process, ${where}`,
    ['', 'sequential µs', 'of the limit', '64 callers, holds/s', 'of the limit'],
    all.map((one) => [
      one.name,
      us(one),
      times(us(one) / us(bare)),
      rate(one),
      times(rate(one) / rate(bare)),
    ]),
  );
  if (where.endsWith('on')) {
    atLeast('postgres, sequential, of the bare limit', us(bare) / us(ours), 0.8);
    atLeast('postgres, 64 concurrent, of the bare limit', rate(ours) / rate(bare), 0.8);
  }
}

/** 64 callers of one process that want one key: holds a second. */
async function local(server, where) {
  progress(`postgres: one key, ${where}`);
  const list = waiters.filter(({ id }) => id !== 'verrou');
  const sessions = await sessionsOf(list, server);
  const rates = await interleave(list, async (one) => {
    const callers = Array.from({ length: 64 }, () => holds(sessions.get(one), `local-${one.id}`, 10));
    const ms = await timed(() => Promise.all(callers));
    return (64 * 10 * 1e3) / ms;
  });
  await closeAll(sessions);
  printTable(
    `64 callers of one process, one key, ${where}`,
    ['', 'holds/s'],
    list.map((one) => [one.name, rates.get(one).value]),
    'verrou is left out: it polls.',
  );
}

/** A transaction of one UPDATE: ms alone, with a `SELECT 1` before it, and with a guard. */
async function guarded({ url }, where) {
  progress(`postgres: guard, ${where}`);
  const registry = new LockRegistry().registerDriver('postgres', () => postgresDriver({ url }));
  const locker = registry.registerLocker('bench', { driver: 'postgres' }).mustOf('bench');
  const lease = await locker.acquire('guarded', { ttl: '5m' });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('CREATE TABLE written AS SELECT 0 AS n');
  const kinds = [
    ['alone', () => {}],
    ['with SELECT 1', () => client.query('SELECT $1::int', [1])],
    ['with guard', () => guard(client, lease)],
  ];
  const results = await interleave(kinds, async ([, first]) => {
    const ms = await timed(async () => {
      for (let i = 0; i < 100; i++) {
        await client.query('BEGIN');
        await first();
        await client.query('UPDATE written SET n = n + 1');
        await client.query('COMMIT');
      }
    });
    await client.query('VACUUM written');
    return ms / 100;
  });
  await client.end();
  await lease.release();
  await registry.close();
  printTable(
    `A transaction of one UPDATE, ${where}`,
    ['', 'ms'],
    kinds.map((kind) => [kind[0], results.get(kind).value]),
  );
}

/** One process holds, another waits, the first releases: ms until the other holds, beside one commit and one SELECT 1. */
async function handOff({ url }, where) {
  progress(`postgres: hand-off, ${where}`);
  const results = new Map(waiters.map((one) => [one, { times: [], commits: [] }]));
  for (const one of [...waiters, ...waiters]) {
    const children = fork(2);
    await connect(children, one, url);
    const [holder, waiter] = children;
    // The same before both: what has not run for a while runs slower. A peer that polls is met at any moment of its pause.
    const pause = () => sleep(20 + Math.random() * (one === ours ? 10 : 250));
    const end = performance.now() + 2_000;
    for (let i = 0; performance.now() < end; i++) {
      const key = `hand-off-${one.id}-${i % 4}`;
      await holder.call('hold', key);
      const taken = waiter.call('take', key);
      await pause();
      const releasedAt = await holder.call('release');
      results.get(one).times.push((await taken) - releasedAt);
      await pause();
      results.get(one).commits.push(await waiter.call('commit'));
    }
    await close(children);
  }
  const p50 = (one) => quantile(results.get(one).times, 0.5);
  const commit = (one) => quantile(results.get(one).commits, 0.5);
  printTable(
    `Hand-off between two processes, ${where}`,
    ['', 'p50 ms', 'p99 ms', 'commit and SELECT 1, p50 ms', 'of that', 'times'],
    waiters.map((one) => {
      const { times: list } = results.get(one);
      return [
        one.name,
        p50(one),
        quantile(list, 0.99),
        commit(one),
        times(p50(one) / commit(one)),
        list.length,
      ];
    }),
  );
  atMost(`postgres, hand-off p50, of a commit and a SELECT 1, ${where}`, p50(ours) / commit(ours), 2.5);
}

/** 16 processes that all want one key and work for 5 ms under it, with few callers and with many. */
async function processes(server, where) {
  progress(`postgres: 16 processes, ${where}`);
  const rows = [];
  const perHold = [];
  for (const [one, callers] of [[ours, 1], [ours, 60], ...waiters.slice(1).map((one) => [one, 1])]) {
    const children = fork(16);
    await connect(children, one, server.url);
    await sleep(1_500);
    const before = await server.transactions();
    const end = Number(process.hrtime.bigint()) / 1e6 + 4_000;
    const answers = await Promise.all(
      children.map((child) => child.call('contend', `processes-${one.id}-${callers}`, callers, 5, end)),
    );
    await sleep(1_500);
    const done = sum(answers.map(({ holds }) => holds));
    const least = Math.min(...answers.map(({ holds }) => holds));
    const commits = ((await server.transactions()) - before) / done;
    if (one === ours) perHold.push(commits);
    const share = sum(answers.map(({ work }) => work)) / 4_000;
    rows.push([`${one.name}, ${16 * callers} callers`, done / 4, times(share), least, commits]);
    await close(children);
  }
  printTable(
    `16 processes, one key, 5 ms of work, ${where}`,
    ['', 'holds/s', 'of the time held', 'fewest of a process', 'transactions a hold'],
    rows,
    'Transactions include those that only read, and the claims of those who still wait at the end.',
  );
}

const fork = (count) => Array.from({ length: count }, () => new Child(new URL('child.mjs', import.meta.url)));
const connect = (children, one, url) =>
  Promise.all(children.map((child) => child.call('connect', one.id, url)));

async function close(children) {
  await Promise.all(children.map((child) => child.call('close')));
  for (const child of children) child.kill();
}
