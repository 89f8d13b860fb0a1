import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/wait.js';
import { CommandBed } from './support/bed.js';
import { latchkey, start, startInTerminal } from './support/command.js';

let bed: CommandBed;

beforeAll(async () => {
  bed = await CommandBed.start();
});

afterAll(() => bed.stop());

test('revokes the hold of that fence: its holder is told, and ends within the grace', async () => {
  const lease = await bed.locker.acquire('a', { ttl: '1m', autoRenew: true });
  const told = new Promise<number>((resolve) => {
    lease.signal.addEventListener('abort', () => resolve(performance.now()));
  });
  const answer = await latchkey(
    ['revoke', 'a', '--fence', `${lease.fence}`, '--grace', '6s', '--yes'],
    bed.env,
  );
  expect(answer).toMatchObject({ code: 0, stderr: '' });
  expect(answer.stdout).toMatch(
    new RegExp(`^a, fence ${lease.fence}: revoked from .*; it ends within 6s\n$`),
  );
  await told;
  expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'revoked' });
  expect(lease.held).toBe(true);
  await until(async () => (await bed.locker.inspect('a')) === null);
  expect(lease.held).toBe(false);
});

test('gives the holder 5 s unless told otherwise', async () => {
  const lease = await bed.locker.acquire('a', { ttl: '1m' });
  const { stdout } = await latchkey(['revoke', 'a', '--fence', `${lease.fence}`, '--yes'], bed.env);
  expect(stdout).toContain('it ends within 5s');
  const [holder] = (await bed.locker.inspect('a'))!.holders;
  expect(holder!.ttl).toBeGreaterThan(100);
  expect(holder!.ttl).toBeLessThanOrEqual(5_000);
  expect(await lease.release()).toBe(true);
});

test('leaves the next holder alone, and says who it is', async () => {
  const lease = await bed.locker.acquire('a', { ttl: '1m' });
  const answer = await latchkey(['revoke', 'a', '--fence', `${lease.fence - 1}`, '--yes'], bed.env);
  expect(answer).toMatchObject({ code: 1, stdout: '' });
  expect(answer.stderr).toContain(
    `no hold of a with fence ${lease.fence - 1}: it is held under ${lease.fence} now`,
  );
  expect(lease.held).toBe(true);
  await lease.release();
  const gone = await latchkey(['revoke', 'a', '--fence', `${lease.fence}`, '--yes'], bed.env);
  expect(gone.stderr).toContain('nobody holds it');
  expect(gone.code).toBe(1);
});

test('asks in a terminal, showing the holder, and does nothing without a yes', async () => {
  const lease = await bed.locker.acquire('a', { ttl: '1m', meta: { service: 'orders' } });
  const args = ['revoke', 'a', '--fence', `${lease.fence}`, '--grace', '0'];
  const no = startInTerminal(args, bed.env, 100);
  await no.wrote(/Revoke this hold, at once\? \[y\/N\]/);
  expect(no.stdout()).toContain(`orders on ${hostname()}`);
  no.child.stdin?.write('\r');
  expect((await no.answer).code).toBe(1);
  expect(lease.held).toBe(true);
  const yes = startInTerminal(args, bed.env, 100);
  await yes.wrote(/\[y\/N\]/);
  yes.child.stdin?.write('y\r');
  expect((await yes.answer).code).toBe(0);
  await until(() => !lease.held);
});

test.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s at the question is a no', async (_name, typed) => {
  const lease = await bed.locker.acquire('a', { ttl: '1m' });
  const asking = startInTerminal(['revoke', 'a', '--fence', `${lease.fence}`], bed.env, 100);
  await asking.wrote(/\[y\/N\]/);
  asking.child.stdin?.write(typed);
  expect(await asking.answer).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('nothing was revoked'),
  });
  expect(lease.held).toBe(true);
  await lease.release();
});

test('revokes all it was told to, also where nobody reads any more what it says', async () => {
  const keys = Array.from({ length: 20 }, (_, n) => `unread ${n}`);
  const options = { ttl: '1m', meta: { host: 'dead-2' } } as const;
  const leases = await Promise.all(keys.map((key) => bed.locker.acquire(key, options)));
  const revoking = start(['revoke', '--host', 'dead-2', '--yes', '--grace', '0'], bed.env);
  revoking.child.stdout?.destroy();
  expect(await revoking.answer).toMatchObject({ code: 0, stderr: '' });
  await until(() => leases.every(({ held }) => !held));
  for (const key of keys) expect(await bed.locker.inspect(key)).toBe(null);
});

const onFullDisk = process.platform === 'linux' ? test : test.skip;
onFullDisk(
  'revokes all it was told to, also where its output cannot be written, and then says so',
  async () => {
    const keys = Array.from({ length: 20 }, (_, n) => `unwritten ${n}`);
    const options = { ttl: '1m', meta: { host: 'dead-3' } } as const;
    const leases = await Promise.all(keys.map((key) => bed.locker.acquire(key, options)));
    const shell = 'exec "$0" "$@" >/dev/full';
    const words = [
      process.execPath,
      'dist/cli/main.js',
      'revoke',
      '--host',
      'dead-3',
      '--yes',
      '--grace',
      '0',
    ];
    const revoking = spawn('/bin/sh', ['-c', shell, ...words], {
      env: { ...process.env, ...bed.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let told = '';
    revoking.stderr.on('data', (text) => {
      told += text;
    });
    const [code] = await once(revoking, 'close');
    expect(code).toBe(70);
    expect(told).toMatch(/^latchkey: the output cannot be written: .*ENOSPC.*\n$/);
    await until(() => leases.every(({ held }) => !held));
    for (const key of keys) expect(await bed.locker.inspect(key)).toBe(null);
  },
);

test('needs --yes where there is nobody to ask, and the fence always', async () => {
  const lease = await bed.locker.acquire('a', { ttl: '1m' });
  expect(await latchkey(['revoke', 'a', '--fence', `${lease.fence}`], bed.env)).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('expected --yes'),
  });
  expect(await latchkey(['revoke', 'a', '--yes'], bed.env)).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('expected --fence'),
  });
  for (const args of [
    ['--fence', 'x'],
    ['--fence', '1', '--grace', 'soon'],
    ['--fence', '1', '--host', 'h'],
  ])
    expect((await latchkey(['revoke', 'a', '--yes', ...args], bed.env)).code).toBe(64);
  expect(lease.held).toBe(true);
  await lease.release();
});

test('revokes all that a host holds, readers too, and nothing of another host', async () => {
  const of = (host: string) => ({ ttl: '1m', meta: { host } }) as const;
  const dead = await bed.locker.acquire('a', of('dead-1'));
  const reader = await bed.locker.acquire('b', { ...of('dead-1'), mode: 'read' });
  const other = await bed.locker.acquire('b', { ...of('live-1'), mode: 'read' });
  const answer = await latchkey(['revoke', '--host', 'dead-1', '--yes', '--grace', '0', '--json'], bed.env);
  expect(answer.code).toBe(0);
  expect(JSON.parse(answer.stdout)).toEqual([
    { key: 'a', fence: dead.fence, revoked: true },
    { key: 'b', fence: reader.fence, revoked: true },
  ]);
  await until(() => !dead.held && !reader.held);
  expect(other.held).toBe(true);
  const again = await latchkey(['revoke', '--host', 'dead-1', '--yes'], bed.env);
  expect(again).toMatchObject({ code: 1, stderr: 'latchkey: no lock is held by host dead-1\n' });
  await other.release();
});
