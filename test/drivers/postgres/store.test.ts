import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import {
  claimOf,
  closeStores,
  faultOf,
  freshKey,
  PLACE,
  type Process,
  processOn,
  queue,
  take,
  waitsForLocks,
} from './support/stores.js';

let server: PostgresServer;
let one: Process;
let two: Process;
let key: string;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  [one, two] = await Promise.all([processOn({ url: server.url() }), processOn({ url: server.url() })]);
  key = freshKey();
});
afterEach(closeStores);

test('times are told to the ms in a role that has fewer digits shown', async () => {
  const options = '?options=-c%20extra_float_digits%3D-15';
  const strange = await processOn({ url: server.url() + options });
  await take(strange, key, 'a', { ttl: 26_000 });
  const before = Date.now();
  await sleep(50);
  const again = await take(strange, key, 'a', { ttl: 26_000 });
  const refused = await strange.store.claim(claimOf(key, 'b'));
  const [holder] = (await strange.store.read(key))!.holders;
  await strange.store.revoke(key, again.fence, 5_400);
  const [revoked] = await strange.store.renew([{ key, token: 'a', mode: 'write', ttl: 26_000, sequence: 1 }]);
  const told = { again: again.ttl, holder: holder!.ttl, refused: refused.granted ? 0 : refused.left };
  for (const left of Object.values(told)) {
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThan(26_000);
  }
  expect(Math.abs(holder!.since! - before)).toBeLessThan(5_000);
  expect((revoked as { revoked: number }).revoked).toBeLessThanOrEqual(5_400);
  expect((revoked as { revoked: number }).revoked).toBeGreaterThan(1_000);
});

test('a free key is granted with the time that was asked for, and refused to others until it is freed', async () => {
  const before = performance.now();
  const granted = await take(one, key, 'a', { ttl: 20_000 });
  expect(granted).toMatchObject({ ttl: 20_000, run: [] });
  expect(granted.asOf).toBeGreaterThanOrEqual(before);
  expect(granted.asOf).toBeLessThanOrEqual(performance.now());
  const refused = await two.store.claim(claimOf(key, 'b'));
  expect(refused).toMatchObject({ granted: false, before: 0, kept: false });
  if (!refused.granted) {
    expect(refused.left).toBeGreaterThan(15_000);
    expect(refused.left).toBeLessThanOrEqual(20_000);
  }
  expect(await one.store.free({ key, token: 'a' }, { mode: 'write' })).toBe('freed');
  expect(await one.store.free({ key, token: 'a' }, { mode: 'write' })).toBe('not-held');
  await take(two, key, 'b');
});

test('a claim that is made again is granted again under its fence, with the time that is left', async () => {
  const { fence } = await take(one, key, 'a', { ttl: 20_000 });
  await sleep(50);
  const again = await take(one, key, 'a', { ttl: 20_000 });
  expect(again.fence).toBe(fence);
  expect(again.ttl).toBeLessThanOrEqual(19_960);
  expect(again.ttl).toBeGreaterThan(15_000);
});

test('a fence is the microseconds of the server or the next after the last, and a writer has 63 more', async () => {
  const micros = Date.now() * 1_000;
  const { fence } = await take(one, key, 'a');
  expect(Math.abs(fence - micros)).toBeLessThan(5_000_000);
  await one.store.free({ key, token: 'a' }, { mode: 'write', usedFence: fence + 10_000_000_000 });
  const next = await take(two, key, 'b');
  expect(next.fence).toBe(fence + 10_000_000_001);
  await two.store.free({ key, token: 'b' }, { mode: 'write' });
  const third = await take(two, key, 'c');
  expect(third.fence).toBe(next.fence + 64);
  const usedFence = third.fence + 10_000_000_000;
  await two.store.free({ key, token: 'c' }, { mode: 'write', usedFence, served: ['d'] });
  expect((await take(two, key, 'e')).fence).toBe(usedFence + 1);
});

test('whoever frees hands over to the first place, which is told, and has its own time from then', async () => {
  const { fence } = await take(one, key, 'a');
  expect(await queue(two, key, 'b', { ttl: 20_000 })).toMatchObject({ before: 0, kept: false });
  expect(await queue(one, key, 'c')).toMatchObject({ before: 1, kept: false });
  expect(await queue(two, key, 'b', { ttl: 20_000 })).toMatchObject({ before: 0, kept: true });
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  const told = await two.event('granted', 'b');
  expect(told.id).toEqual({ key, token: 'b' });
  expect(told.fence).toBeGreaterThan(fence + 63);
  const granted = await two.store.claim(claimOf(key, 'b', { ttl: 20_000 }), PLACE);
  expect(granted).toMatchObject({ granted: true, fence: told.fence });
  if (granted.granted) expect(granted.ttl).toBeLessThanOrEqual(20_000);
  // Nobody frees it, and c looks in.
  await two.store.renew([{ key, token: 'b', mode: 'write', ttl: 50, sequence: 1 }]);
  await sleep(60);
  expect(await one.store.claim(claimOf(key, 'c'), PLACE)).toMatchObject({ granted: true });
});

test('a claim that waits for a row which somebody else has locked has its place from when it came', async () => {
  await take(one, key, 'a');
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  let answered = 0;
  const asked = (process: Process, token: string) =>
    queue(process, key, token, { meta: { token } }).then(() => answered++);
  const first = ['b', 'c', 'd', 'e'].map((token) => asked(one, token));
  await until(async () => answered > 0 || (await waitsForLocks(server, 1)), 5_000, 'the first claim to wait');
  const later = asked(two, 'f');
  await until(async () => answered > 0 || (await waitsForLocks(server, 2)), 5_000, 'the later claim to wait');
  await sleep(20);
  await stranger.query('COMMIT');
  await Promise.all([...first, later]);
  const waiting = (await two.store.read(key))!.waiting.map(({ meta }) => meta.token);
  expect(waiting.filter((token) => token !== 'f')).toEqual(['b', 'c', 'd', 'e']);
  expect(waiting.indexOf('b')).toBeLessThan(waiting.indexOf('f'));
});

test('of many claims for a row which somebody else has locked, the first alone holds up other keys', async () => {
  const single = await processOn({ url: server.url(), connections: 1 });
  await take(one, key, 'a', { ttl: 30_000 });
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  const started = performance.now();
  const watch = stopwatch();
  const many = Array.from({ length: 60 }, (_, i) => queue(single, key, `w${i}`));
  await take(single, freshKey(), 'other');
  const heldUp = performance.now() - started;
  const ran = watch.stop();
  await stranger.query('COMMIT');
  await Promise.all(many);
  // Each alone would wait for 50 ms.
  expect(heldUp).toBeGreaterThan(45);
  expect(ran).toBeLessThan(2_000);
  expect((await one.store.read(key))?.waiters).toBe(60);
});

test('a try is refused where a row is locked, and fails where the table is', async () => {
  await take(one, key, 'a');
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  expect(await two.store.claim(claimOf(key, 'b'))).toMatchObject({ granted: false, left: 200 });
  await stranger.query('LOCK TABLE latchkey.lock');
  expect(await faultOf(two.store.claim(claimOf(key, 'b')))).toMatchObject({ outcome: 'passing' });
  await stranger.query('COMMIT');
});

/** The key is handed to b of two; then a claim of another process is on its way, which does not end. */
async function handedOverAmongClaims(): Promise<{ end(): Promise<void> }> {
  await take(one, key, 'a', { ttl: 20_000 });
  await queue(two, key, 'b', { ttl: 20_000 });
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT pg_advisory_xact_lock(latchkey.turn_of(sha256($1)))', [Buffer.from(key)]);
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  return stranger;
}

test('who was handed the lock is granted it, though a claim of another process is on its way', async () => {
  const stranger = await handedOverAmongClaims();
  const { fence } = await two.event('granted', 'b');
  const granted = await two.store.claim(claimOf(key, 'b', { ttl: 20_000 }), PLACE);
  const newcomer = await queue(two, key, 'c');
  await stranger.end();
  expect(newcomer).toMatchObject({ left: 200, kept: false });
  expect(granted).toMatchObject({ granted: true, fence, run: [] });
  if (!granted.granted) return;
  expect(granted.ttl).toBeGreaterThan(10_000);
  expect(granted.ttl).toBeLessThanOrEqual(20_000);
});

test('where there is a standby, who was handed the lock is asked for it again before those behind it', async () => {
  await server.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await server.ask("ALTER SYSTEM SET synchronous_commit = 'local'");
  await server.ask('SELECT pg_reload_conf()');
  try {
    await until(
      async () => (await server.ask('SHOW synchronous_standby_names'))[0]!.synchronous_standby_names,
    );
    [one, two] = await Promise.all([processOn({ url: server.url() }), processOn({ url: server.url() })]);
    const stranger = await handedOverAmongClaims();
    await two.event('granted', 'b');
    const again = await queue(two, key, 'b');
    await stranger.end();
    expect(again).toMatchObject({ left: 200, before: 0, kept: true });
  } finally {
    await server.ask('ALTER SYSTEM RESET ALL');
    await server.ask('SELECT pg_reload_conf()');
  }
});

test('a claim is answered by what was committed while it waited, whatever isolation becomes the default', async () => {
  await take(one, key, 'a');
  await server.ask("ALTER SYSTEM SET default_transaction_isolation = 'serializable'");
  await server.ask('SELECT pg_reload_conf()');
  const stranger = await server.client();
  await until(async () => {
    const { rows } = await stranger.query('SHOW default_transaction_isolation');
    return rows[0].default_transaction_isolation === 'serializable';
  });
  await stranger.query('BEGIN');
  await stranger.query('UPDATE latchkey.lock SET last = last + 1 WHERE name = $1', [Buffer.from(key)]);
  const waiting = queue(two, key, 'b');
  await sleep(20);
  await stranger.query('COMMIT');
  const answer = await waiting.catch((fault) => fault);
  await stranger.query('ALTER SYSTEM RESET default_transaction_isolation');
  await stranger.query('SELECT pg_reload_conf()');
  expect(answer).toMatchObject({ granted: false });
});

test('a try gets nothing while somebody waits that fits', async () => {
  await take(one, key, 'a', { ttl: 20_000 });
  await queue(two, key, 'b');
  await one.store.renew([{ key, token: 'a', mode: 'write', ttl: 50, sequence: 1 }]);
  await sleep(60);
  expect(await one.store.claim(claimOf(key, 'c'))).toMatchObject({ granted: false });
  await two.event('granted', 'b');
});

test('a run is the places right behind, of the same process and of writers, and freeing takes who was served', async () => {
  await take(one, key, 'a');
  for (const token of ['b', 'c', 'd']) await queue(two, key, token);
  await queue(one, key, 'e');
  await queue(two, key, 'f');
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  const { fence } = await two.event('granted', 'b');
  const granted = await two.store.claim(claimOf(key, 'b'), PLACE);
  expect(granted).toMatchObject({ granted: true, run: ['c', 'd'] });
  await two.store.free({ key, token: 'b' }, { mode: 'write', served: ['c'], usedFence: fence! + 1 });
  expect((await two.event('granted', 'd')).fence).toBeGreaterThan(fence! + 63);
  await two.store.free({ key, token: 'd' }, { mode: 'write' });
  await one.event('granted', 'e');
  expect(two.events.filter(({ kind }) => kind === 'granted').map(({ id }) => id?.token)).toEqual(['b', 'd']);
});

test('a run ends at a reader, and has 63 tokens at most', async () => {
  await take(one, key, 'a');
  for (let i = 0; i < 70; i++) await queue(two, key, `w${i}`);
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  await two.event('granted', 'w0');
  const many = await two.store.claim(claimOf(key, 'w0'), PLACE);
  expect(many.granted && many.run).toEqual(Array.from({ length: 63 }, (_, i) => `w${i + 1}`));

  const other = freshKey();
  await take(one, other, 'a');
  await queue(two, other, 'b');
  await queue(two, other, 'c');
  await queue(two, other, 'r', { mode: 'read' });
  await queue(two, other, 'd');
  await one.store.free({ key: other, token: 'a' }, { mode: 'write' });
  await two.event('granted', 'b');
  const few = await two.store.claim(claimOf(other, 'b'), PLACE);
  expect(few.granted && few.run).toEqual(['c']);
});

test('readers enter together, a writer waits for all of them, and later readers for the writer', async () => {
  const first = await take(one, key, 'r1', { mode: 'read' });
  const second = await take(two, key, 'r2', { mode: 'read' });
  expect(second.fence).toBeGreaterThan(first.fence);
  expect(second.run).toEqual([]);
  await queue(two, key, 'w');
  await queue(one, key, 'r3', { mode: 'read' });
  await queue(one, key, 'r4', { mode: 'read' });
  expect(await one.store.claim(claimOf(key, 'r5', { mode: 'read' }))).toMatchObject({ granted: false });
  await one.store.free({ key, token: 'r1' }, { mode: 'read' });
  await sleep(50);
  expect(two.events.filter(({ kind }) => kind === 'granted')).toEqual([]);
  await two.store.free({ key, token: 'r2' }, { mode: 'read' });
  await two.event('granted', 'w');
  await two.store.free({ key, token: 'w' }, { mode: 'write' });
  await one.event('granted', 'r3');
  await one.event('granted', 'r4');
});

test('a reader with a limit enters while fewer than its own limit are inside', async () => {
  await take(one, key, 'a', { mode: 'read', limit: 2 });
  await take(one, key, 'b', { mode: 'read', limit: 2 });
  await queue(two, key, 'c', { mode: 'read', limit: 2 });
  // A larger limit would fit, and does not overtake.
  await queue(two, key, 'd', { mode: 'read', limit: 5 });
  await one.store.free({ key, token: 'a' }, { mode: 'read' });
  await two.event('granted', 'c');
  await two.event('granted', 'd');
  const info = await one.store.read(key);
  expect(info).toMatchObject({ mode: 'read', limit: 2, waiters: 0 });
  expect(info?.holders).toHaveLength(3);
});

test('each reader has its own expiry', async () => {
  await take(one, key, 'short', { mode: 'read', ttl: 150 });
  await take(two, key, 'long', { mode: 'read', ttl: 600 });
  const refused = await one.store.claim(claimOf(key, 'w'), PLACE);
  expect(!refused.granted && refused.left).toBeGreaterThan(400);
  await sleep(200);
  expect(await one.store.claim(claimOf(key, 'w'), PLACE)).toMatchObject({ granted: false });
  await sleep(450);
  expect(await one.store.claim(claimOf(key, 'w'), PLACE)).toMatchObject({ granted: true });
});

test('leaving takes places and holds, and a claim that comes after it is refused', async () => {
  await take(one, key, 'a');
  await queue(one, key, 'b');
  await queue(two, key, 'c');
  await one.store.leave(key, ['b', 'late', 'a'], true);
  await two.event('granted', 'c');
  expect(await one.store.claim(claimOf(key, 'late'), PLACE)).toEqual({
    granted: false,
    left: 0,
    before: 0,
    kept: false,
  });
  await two.store.free({ key, token: 'c' }, { mode: 'write' });
  expect(await one.store.claim(claimOf(key, 'late'))).toMatchObject({ granted: false, left: 0 });
  expect(await one.store.read(key)).toBe(null);
  await server.ask(`UPDATE latchkey.departed SET until = until - interval '60 s'`);
  await take(one, key, 'late');
});

test('a key rests after its hold, and the first place is told when to look in', async () => {
  await take(one, key, 'a');
  await queue(two, key, 'b');
  await one.store.free({ key, token: 'a' }, { mode: 'write', keepFor: 20_000 });
  const told = await two.event('look-in');
  expect(told).toMatchObject({ id: { key }, ms: expect.any(Number) });
  expect(told.ms).toBeGreaterThan(15_000);
  expect(told.ms).toBeLessThanOrEqual(20_000);
  const early = await two.store.claim(claimOf(key, 'b'), PLACE);
  expect(early).toMatchObject({ granted: false, kept: true });
  if (!early.granted) {
    expect(early.left).toBeGreaterThan(15_000);
    expect(early.left).toBeLessThanOrEqual(20_000);
  }
  const info = await one.store.read(key);
  expect(info!.restsUntil! - Date.now()).toBeGreaterThan(15_000);
  expect(info!.restsUntil! - Date.now()).toBeLessThanOrEqual(20_050);
  await server.ask(`UPDATE latchkey.lock SET rests = rests - interval '20 s' WHERE name = $1`, [
    Buffer.from(key),
  ]);
  expect(await two.store.claim(claimOf(key, 'b'), PLACE)).toMatchObject({ granted: true });
});

test('a renewal sets the time left, and an old one changes nothing', async () => {
  await take(one, key, 'a', { ttl: 10_000 });
  const renewal = { key, token: 'a', mode: 'write' as const, ttl: 30_000, sequence: 2 };
  expect(await one.store.renew([renewal])).toEqual(['renewed']);
  expect(await one.store.renew([{ ...renewal, ttl: 100, sequence: 1 }])).toEqual(['renewed']);
  const left = (await one.store.read(key))?.holders[0]?.ttl;
  expect(left).toBeGreaterThan(20_000);
  expect(left).toBeLessThanOrEqual(30_000);
  expect(await one.store.renew([{ ...renewal, ttl: 50, sequence: 3 }])).toEqual(['renewed']);
  await sleep(60);
  expect(await one.store.renew([{ ...renewal, sequence: 4 }])).toEqual(['lost']);
});

test('renewals of many keys, readers and writers, are answered each for itself', async () => {
  const keys = Array.from({ length: 20 }, freshKey);
  for (const [i, each] of keys.entries()) {
    if (i % 3 === 0) await take(one, each, 'a', { ttl: 15_000 });
    if (i % 3 === 1) await take(one, each, 'a', { ttl: 15_000, mode: 'read' });
  }
  const batch = keys.map((each, i) => ({
    key: each,
    token: 'a',
    mode: i % 3 === 1 ? ('read' as const) : ('write' as const),
    ttl: 60_000,
    sequence: 1,
  }));
  expect(await one.store.renew(batch)).toEqual(keys.map((_, i) => (i % 3 === 2 ? 'lost' : 'renewed')));
  for (const [i, each] of keys.entries()) {
    const ttl = (await one.store.read(each))?.holders[0]?.ttl;
    if (i % 3 !== 2) expect(ttl).toBeGreaterThan(50_000);
  }
});

test('a revoked hold is told to its process, renewed no more, and handed over when its grace is over', async () => {
  const { fence } = await take(one, key, 'a', { ttl: 20_000 });
  await queue(two, key, 'b');
  expect(await two.store.revoke(key, fence + 1, 9_000)).toBe(false);
  expect(await two.store.revoke(key, fence, 9_000)).toBe(true);
  expect(await one.event('revoked', 'a')).toMatchObject({ id: { key, token: 'a' }, ms: 9_000 });
  const [answer] = await one.store.renew([{ key, token: 'a', mode: 'write', ttl: 20_000, sequence: 1 }]);
  expect(answer).toHaveProperty('revoked');
  const left = (answer as { revoked: number }).revoked;
  expect(left).toBeGreaterThan(4_000);
  expect(left).toBeLessThanOrEqual(9_000);
  await two.event('look-in');
  expect(await two.store.revoke(key, fence, 400)).toBe(true);
  await sleep(410);
  expect(await two.store.claim(claimOf(key, 'b'), PLACE)).toMatchObject({ granted: true });
  expect(await one.store.renew([{ key, token: 'a', mode: 'write', ttl: 9, sequence: 2 }])).toEqual([
    { revoked: 0 },
  ]);
});

test('a hold that is revoked without grace is handed over at once; of readers, just the one', async () => {
  const { fence } = await take(one, key, 'a');
  await queue(two, key, 'b', { mode: 'read' });
  await queue(two, key, 'c', { mode: 'read' });
  expect(await two.store.revoke(key, fence, 0)).toBe(true);
  const reader = (await two.event('granted', 'b')).fence!;
  await two.event('granted', 'c');
  expect(await one.store.revoke(key, reader, 0)).toBe(true);
  await two.event('revoked', 'b');
  expect((await one.store.read(key))?.holders).toHaveLength(1);
  expect(await one.store.revoke(key, reader, 0)).toBe(false);
});

test('a process that is gone is skipped at once, keeps its places for 3 s, and loses them then', async () => {
  await take(one, key, 'a');
  const gone = await processOn({ url: server.url() });
  await queue(gone, key, 'dead');
  await queue(two, key, 'b');
  await gone.store.close();
  await until(async () => (await sessions()) === 2, 5_000, 'its session to be gone');
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  await two.event('granted', 'b');
  expect((await one.store.read(key))?.waiters).toBe(1);
  await server.ask(`UPDATE latchkey.stamp SET missed = missed - interval '3.1 s'`);
  await two.store.free({ key, token: 'b' }, { mode: 'write' });
  expect(await one.store.read(key)).toBe(null);

  async function sessions(): Promise<number> {
    const rows = await server.ask(`SELECT FROM pg_locks WHERE locktype = 'advisory'`);
    return rows.length;
  }
});

test('a process that reconnects is there again although others look all the time whether it lives', async () => {
  await take(one, key, 'a');
  await queue(two, key, 'b');
  const [place] = await server.ask<{ process: string }>(
    'SELECT process FROM latchkey.place WHERE id = sha256($1)',
    [Buffer.from(key)],
  );
  const { process } = place!;
  const [inbox] = await server.ask<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE (classid::int8 << 32 | objid::int8) = $1`,
    [process],
  );
  const lookers = await Promise.all(Array.from({ length: 4 }, () => server.client()));
  let looking = true;
  // Each begins to look before the others have ended, as transactions do that wait for the disk.
  const looks = lookers.map(async (client, i) => {
    while (looking) {
      await client.query('BEGIN');
      const { rows } = await client.query('SELECT pg_try_advisory_xact_lock_shared($1) AS gone', [process]);
      if (rows[0].gone) await sleep(80 + 30 * i);
      await client.query('COMMIT');
    }
  });
  await server.ask('SELECT pg_terminate_backend($1)', [inbox!.pid]);
  await two.event('lost');
  try {
    await until(
      () => two.events.filter(({ kind }) => kind === 'ready').length === 2,
      5_000,
      'it to be ready',
    );
  } finally {
    looking = false;
    await Promise.all(looks);
  }
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  await two.event('granted', 'b');
});

test('a process whose vouching is over is dropped, and one look vouches for all its places', async () => {
  await take(one, key, 'a', { ttl: 30_000 });
  await queue(two, key, 'b', {}, { vouchFor: 200 });
  await queue(two, key, 'c', {}, { vouchFor: 200 });
  await sleep(120);
  await queue(two, key, 'c', {}, { vouchFor: 2_000 });
  await sleep(120);
  await one.store.free({ key, token: 'a' }, { mode: 'write' });
  await two.event('granted', 'b');

  const other = freshKey();
  await take(one, other, 'a');
  await queue(two, other, 'stopped', {}, { vouchFor: 50 });
  await sleep(80);
  await one.store.free({ key: other, token: 'a' }, { mode: 'write' });
  expect(await one.store.read(other)).toBe(null);
});

test('reading tells holders and waiters in their order, and the meta data of each', async () => {
  const since = Date.now();
  const { fence } = await take(one, key, 'a', { ttl: 4_000, meta: { host: 'höst\0', pid: '1' } });
  await queue(two, key, 'b', { meta: { n: '2' } });
  await queue(one, key, 'c', { mode: 'read', meta: { n: '3' } });
  const info = (await two.store.read(key))!;
  expect(info).toMatchObject({
    key,
    mode: 'write',
    waiters: 2,
    holders: [{ fence, meta: { host: 'höst\0', pid: '1' } }],
    waiting: [
      { mode: 'write', meta: { n: '2' } },
      { mode: 'read', meta: { n: '3' } },
    ],
  });
  expect(info).not.toHaveProperty('limit');
  expect(info).not.toHaveProperty('restsUntil');
  for (const at of [info.holders[0]!.since, info.waiting[0]!.since])
    expect(Math.abs(at - since)).toBeLessThan(2_000);
  expect(info.holders[0]!.ttl).toBeLessThanOrEqual(4_000);
});

test('a list has what is held or awaited or rests under a prefix, over many pages', async () => {
  const prefix = `list-${Math.random()}:`;
  await server.ask(
    `INSERT INTO latchkey.lock (id, name, last) SELECT sha256(n), n, 0
    FROM (SELECT convert_to('idle' || i, 'UTF8') AS n FROM generate_series(1, 2500) i) names`,
  );
  await take(one, `${prefix}{a}`, 'a');
  await take(one, `${prefix}{b}`, 'b', { mode: 'read', limit: 3 });
  await take(one, `${prefix}{c}`, 'c');
  await one.store.free({ key: `${prefix}{c}`, token: 'c' }, { mode: 'write', keepFor: 5_000 });
  await take(one, `${prefix}{freed}`, 'd');
  await one.store.free({ key: `${prefix}{freed}`, token: 'd' }, { mode: 'write' });
  await take(one, `other-${prefix}{a}`, 'a');
  const found = [];
  for await (const info of two.store.list(prefix)) found.push(info.key);
  expect(found.sort()).toEqual(['a', 'b', 'c'].map((name) => `${prefix}{${name}}`));
});

test('a key of any text is its own: NUL, long ones, quotes', async () => {
  const keys = [
    '\0',
    '\0\0',
    "'",
    '"',
    'x'.repeat(2_048),
    `${'x'.repeat(2_047)}y`,
    'ä',
    'ä'.normalize('NFD'),
  ];
  for (const each of keys) await take(one, key + each, 'a');
  await queue(two, `${key}${keys[4]}`, 'b');
  await one.store.free({ key: `${key}${keys[4]}`, token: 'a' }, { mode: 'write' });
  expect((await two.event('granted', 'b')).id?.key).toBe(`${key}${keys[4]}`);
  await queue(two, `${key}\0`, 'n');
  await one.store.free({ key: `${key}\0`, token: 'a' }, { mode: 'write' });
  expect((await two.event('granted', 'n')).id?.key).toBe(`${key}\0`);
});

test('rows that were idle for a day are swept, and no others', async () => {
  const old = `now() - interval '25 hours'`;
  const micros = `(extract(epoch FROM ${old}) * 1000000)::int8`;
  const [idle, held, awaited] = [freshKey(), freshKey(), freshKey()];
  for (const each of [idle, held, awaited, key]) {
    await take(one, each, 'a');
    if (each !== held) await one.store.free({ key: each, token: 'a' }, { mode: 'write' });
  }
  await queue(two, held, 'w');
  await server.ask(`UPDATE latchkey.lock SET last = ${micros} WHERE name <> $1`, [Buffer.from(key)]);
  await server.ask(
    `INSERT INTO latchkey.departed VALUES ('\\x00', 'old', ${old}), ('\\x00', 'new', now() + interval '9 s')`,
  );
  const rows = () => server.ask<{ name: Buffer }>('SELECT name FROM latchkey.lock');
  const before = (await rows()).length;
  await server.ask(`SELECT latchkey.sweep('\\x', 100000)`);
  const names = (await rows()).map(({ name }) => name.toString());
  expect(before - names.length).toBeGreaterThanOrEqual(2);
  expect(names).toContain(held);
  expect(names).toContain(key);
  expect(names).not.toContain(idle);
  expect(await server.ask(`SELECT token FROM latchkey.departed WHERE id = '\\x00'`)).toEqual([
    { token: 'new' },
  ]);
});
