/** One process keeps 10,000 leases alive: what a renewal of all of them costs. Peers that do not renew are left out. */
import { sum } from '../../lib/stats.mjs';
import { printTable, progress } from '../../lib/table.mjs';
import { fork } from '../children.mjs';

const LEASES = 10_000;
const TTL = 6_000;
const RENEWALS = 1;

export async function renewal({ waiters, server, url }) {
  const rows = [];
  for (const one of waiters.filter(({ renewsEvery }) => renewsEvery)) {
    progress(`redis: renewal, ${one.name}`);
    const [child] = fork(1);
    await child.call('connect', one.id, url);
    await child.call('keep', LEASES, TTL);
    await server.reset();
    const { cpu, held } = await child.call('keepFor', one.renewsEvery(TTL) * RENEWALS);
    const [calls, bytes] = [await server.commands(), await server.bytes()];
    child.kill();
    await server.flush();
    const sent = sum(one.sends.map((name) => calls.get(name) ?? 0));
    const every = `${(one.renewsEvery(TTL) / 1_000).toFixed(1)} s`;
    rows.push([one.name, every, sent / RENEWALS, bytes / RENEWALS / 1_024, cpu / RENEWALS, held]);
  }
  const head = ['', 'every', 'commands', 'KiB both ways', 'client CPU ms', 'still held'];
  printTable(`Renewing ${LEASES.toLocaleString('en-US')} leases of 6 s, once`, head, rows);
}
