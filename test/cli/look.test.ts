import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { EXIT } from '../../src/cli/exit.js';
import type { Lease } from '../../src/lease/lease.js';
import { until } from '../support/wait.js';
import { CommandBed } from './support/bed.js';
import { latchkey, start, startInTerminal } from './support/command.js';

let bed: CommandBed;
let order: Lease;
const stop = new AbortController();

beforeAll(async () => {
  bed = await CommandBed.start();
  order = await bed.locker.acquire('order:7', { ttl: '5m', meta: { service: 'orders', version: '1.4.0' } });
  await bed.locker.acquire('report of a name that no terminal of sixty columns has room for', {
    mode: 'read',
    ttl: '5m',
  });
  for (const job of ['first', 'second', 'third']) {
    bed.locker.acquire('order:7', { wait: 'forever', meta: { job }, signal: stop.signal }).catch(() => {});
    await until(async () =>
      (await bed.locker.inspect('order:7'))?.waiting.some(({ meta }) => meta.job === job),
    );
  }
});

afterAll(async () => {
  stop.abort();
  await bed.stop();
});

test('ls shows every lock on a line of its own, in full where nobody looks', async () => {
  const { code, stdout, stderr } = await latchkey(['ls'], bed.env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [head, first, second, end] = stdout.split('\n');
  expect(head).toMatch(/^KEY +MODE +HOLDER +FENCE +HELD +LEFT +WAITERS +LONGEST$/);
  expect(first).toContain(`orders@1.4.0 on ${hostname()}, pid ${process.pid}`);
  expect(first).toMatch(new RegExp(`^order:7 +write .* ${order.fence} +\\S+ +4m\\d\\ds +3 +\\S+$`));
  expect(second).toMatch(/^report of a name that no terminal of sixty columns has room for +read .* 0 +-$/);
  expect(end).toBe('');
});

test('ls shows the keys that a pattern means', async () => {
  const keys = async (pattern: string) =>
    JSON.parse((await latchkey(['ls', pattern, '--json'], bed.env)).stdout).map(
      ({ key }: { key: string }) => key,
    );
  expect(await keys('order:*')).toEqual(['order:7']);
  expect(await keys('*7')).toEqual(['order:7']);
  expect(await keys('order:?')).toEqual(['order:7']);
  expect(await keys('order')).toEqual([]);
  expect(await keys('order.7')).toEqual([]);
});

test('ls --json prints what list gives', async () => {
  const { code, stdout } = await latchkey(['ls', '--json'], bed.env);
  expect(code).toBe(0);
  const [info] = JSON.parse(stdout);
  expect(info).toEqual({ ...(await bed.locker.inspect('order:7')), holders: [expect.anything()] });
  expect(info.holders[0]).toMatchObject({
    fence: order.fence,
    meta: { service: 'orders', host: hostname() },
  });
});

test('inspect shows the holder and the waiters in order', async () => {
  const { code, stdout } = await latchkey(['inspect', 'order:7'], bed.env);
  expect(code).toBe(0);
  expect(stdout).toMatch(/1 holder\n\n +FENCE +HOLDER +SINCE +HELD +LEFT/);
  expect(stdout).toMatch(new RegExp(`^${order.fence} +orders@1\\.4\\.0 on `, 'm'));
  expect(stdout).toMatch(/3 waiters\n\n.*\n1 .*job=first\n2 .*job=second\n3 .*job=third\n/);
  // Nobody of the holders told more than who it is.
  expect(stdout).not.toMatch(/LEFT +META/);
  expect(stdout).toMatch(new RegExp(`\nto free it: latchkey revoke order:7 --fence ${order.fence}\n$`));
});

test('what frees a key like an option gives it after the options', async () => {
  const lease = await bed.locker.acquire('-rf');
  const { stdout } = await latchkey(['inspect', '--', '-rf'], bed.env);
  expect(stdout).toMatch(new RegExp(`\nto free it: latchkey revoke --fence ${lease.fence} -- -rf\n$`));
  expect((await latchkey(['revoke', '--yes', '--fence', `${lease.fence}`, '--', '-rf'], bed.env)).code).toBe(
    0,
  );
  await lease.release();
});

test('what frees a key is shown as a shell takes it, whatever the key is', async () => {
  const odd = "it's $HOME; a key";
  const lease = await bed.locker.acquire(odd);
  const { stdout } = await latchkey(['inspect', odd], bed.env);
  const [, words] = /^to free it: latchkey (.*)$/m.exec(stdout)!;
  const printed = execFileSync('sh', ['-c', `for word in ${words}; do echo "$word"; done`], {
    encoding: 'utf8',
  });
  expect(printed.trim().split('\n')).toEqual(['revoke', odd, '--fence', `${lease.fence}`]);
  await lease.release();
});

test('in a terminal of 80 columns, who holds and who waits are shown whole', async () => {
  const { stdout } = await startInTerminal(['inspect', 'order:7'], bed.env, 80).answer;
  const who = new RegExp(`orders@1\\.4\\.0 on ${hostname()}, pid ${process.pid} `.slice(0, 40));
  expect(stdout).toMatch(who);
});

test('inspect of a free key says so and exits with 1', async () => {
  expect(await latchkey(['inspect', 'free'], bed.env)).toMatchObject({
    code: 1,
    stdout: 'nobody holds or awaits free\n',
    stderr: '',
  });
  expect(await latchkey(['inspect', 'free', '--json'], bed.env)).toMatchObject({ code: 1, stdout: 'null\n' });
});

test('in a terminal of 60 columns no line is longer, and the key and the holder are there', async () => {
  for (const args of [['ls'], ['inspect', 'order:7']]) {
    const { stdout, code } = await startInTerminal(args, bed.env, 60).answer;
    expect(code).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told of styles
    const lines = stdout.replace(/\x1b\[\d+m/g, '').split(/\r?\n/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(40);
    expect(stdout).toMatch(/^order:7 /m);
    expect(stdout).toContain(args[0] === 'ls' ? 'report' : `${order.fence}`);
  }
});

test('styles are for terminals, and for those who want them', async () => {
  const styled = (text: string) => text.includes('\u001b[');
  expect(styled((await latchkey(['ls'], bed.env)).stdout)).toBe(false);
  expect(styled((await startInTerminal(['ls'], bed.env, 100).answer).stdout)).toBe(true);
  expect(styled((await startInTerminal(['ls'], { ...bed.env, NO_COLOR: '1' }, 100).answer).stdout)).toBe(
    false,
  );
});

test('what others named is shown without anything that a terminal obeys', async () => {
  const lease = await bed.locker.acquire('evil\u001b[2J\nkey', { meta: { service: '\u0007bell\u202e' } });
  const { stdout } = await latchkey(['ls', 'evil*'], bed.env);
  expect(stdout).toContain('evil\\u001b[2J\\u000akey');
  expect(stdout).toContain('\\u0007bell\\u202e');
  await lease.release();
});

test('JSON is shown without anything that a terminal obeys, and is the same', async () => {
  const key = 'evil\u009b2J\u202e\u007f\u200bkey';
  const lease = await bed.locker.acquire(key);
  const { stdout } = await latchkey(['ls', 'evil*', '--json'], bed.env);
  expect(stdout.trimEnd()).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(stdout)).toMatchObject([{ key }]);
  expect((await latchkey(['ls', 'evil*'], bed.env)).stdout).toContain(
    'evil\\u009b2J\\u202e\\u007f\\u200bkey ',
  );
  await lease.release();
});

test('the address and the prefix come from the file, the environment and the options, the later over the former', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-cli-'));
  const file = join(dir, 'service.toml');
  const nowhere = 'redis://127.0.0.1:1';
  const other = bed.another('other', { prefix: 'other:' });
  const lease = await other.acquire('elsewhere', { ttl: '1m' });
  try {
    // The service has settings of its own in the same file.
    await writeFile(
      file,
      `[http]\nport = 80\n[lock]\nprovider = "redis"\nredis.url = "${nowhere}"\n[lock.lockers.jobs]\nprefix = "other:"\n`,
    );
    const keys = async (args: string[], env = {}) => {
      const { code, stdout } = await latchkey(['ls', '--json', '--config', file, ...args], env);
      return code === 0 ? JSON.parse(stdout).map(({ key }: { key: string }) => key) : code;
    };
    expect(await keys([])).toBe(69);
    expect(await keys([], { LOCK_REDIS_URL: bed.server.url })).toContain('order:7');
    expect(await keys(['--url', bed.server.url], { LOCK_REDIS_URL: nowhere })).toContain('order:7');
    expect(await keys(['--url', bed.server.url, '--locker', 'jobs'])).toEqual(['elsewhere']);
    expect(await keys(['--url', bed.server.url, '--prefix', 'other:'])).toEqual(['elsewhere']);
    expect(await keys(['--url', bed.server.url, '--locker', 'nope'])).toBe(78);
  } finally {
    await lease.release();
    await rm(dir, { recursive: true });
  }
});

test('each fault is one line, with an exit code of its own', async () => {
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [['ls'], {}, 78, /memory of each process.*LOCK_PROVIDER/],
    [['ls'], { LOCK_PROVIDER: 'redis', LOCK_TTL: 'soon', LOCK_WAIT: 'x' }, 78, /LOCK_TTL.*; .*LOCK_WAIT/],
    [['ls', '--url', 'redis://:hunter2@127.0.0.1:1'], {}, 69, /127\.0\.0\.1:1/],
    [['ls', '--url', 'mysql://:hunter2@host'], {}, 78, /expected --url to begin with/],
    [['ls', '--nope'], bed.env, 64, /unknown option '--nope'/],
    [['lss'], bed.env, 64, /unknown command 'lss'/],
    [['inspect'], bed.env, 64, /missing required argument/],
    [['inspect', ''], bed.env, 64, /expected `key`/],
    [['ls', '--config', '/nowhere.toml'], bed.env, 78, /cannot be read/],
  ];
  for (const [args, env, code, message] of cases) {
    const answer = await latchkey(args, env);
    expect(answer).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
    expect(answer.stderr).toMatch(/^latchkey: .*\n$/);
    expect(answer.stderr).not.toContain('hunter2');
  }
  const { stderr } = await latchkey(['ls', '--json'], {});
  expect(JSON.parse(stderr)).toEqual({
    error: { exitCode: 78, name: 'LOCK_CONFIG', message: expect.stringContaining('memory') },
  });
});

test('an address in the wrong place is told without its password', async () => {
  const url = 'redis://app:s3c@ret@redis.internal:6379';
  for (const [args, env, code] of [
    [['ls', `--ulr=${url}`], {}, EXIT.usage],
    [[url, 'ls'], {}, EXIT.usage],
    [['ls', '--locker', url], {}, EXIT.config],
    [['run', 'order:7', '--limit', url, '--', 'true'], {}, EXIT.usage],
    [['ls'], { LOCK_PROVIDER: url }, EXIT.config],
    [['ls'], { LOCK_TTL: url }, EXIT.config],
  ] as const) {
    const answer = await latchkey(args, { ...bed.env, ...env });
    expect(answer).toMatchObject({ code, stderr: expect.stringContaining('://…@redis.internal') });
    expect(answer.stderr).not.toMatch(/s3c|ret@|app/);
  }
});

test('the documented exit codes are those of the command', async () => {
  const text = await readFile(join(process.cwd(), 'docs/operations.md'), 'utf8');
  const table = text.slice(text.indexOf('### Exit codes'), text.indexOf('### `latchkey run`'));
  const documented = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, codes]) =>
    codes!.split(',').map(Number),
  );
  expect(documented).toEqual([...new Set(Object.values(EXIT))].sort((a, b) => a - b));
});

test('a reader that has read enough ends it without a word', async () => {
  const run = start(['ls'], bed.env);
  run.child.stdout?.destroy();
  expect(await run.answer).toMatchObject({ code: 0, signal: null, stderr: '' });
});

test.each([
  ['the help', ['--help'], 0],
  ['a watch', ['watch', '--interval', '100ms'], 0],
  ['a key that nobody holds', ['inspect', 'nobody'], 1],
])('%s that nobody reads keeps its exit code', async (_name, args, code) => {
  const run = start(args, bed.env);
  run.child.stdout?.destroy();
  expect(await run.answer).toMatchObject({ code, signal: null, stderr: '' });
});

test('an error that nobody reads keeps its exit code', async () => {
  const run = start(['run', 'order:7', '--wait', '0', '--', 'true'], bed.env);
  run.child.stderr?.destroy();
  expect((await run.answer).code).toBe(EXIT.notObtained);
});

const onFullDisk = process.platform === 'linux' ? test : test.skip;
onFullDisk('output that cannot be written is told in one line', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [join(process.cwd(), 'dist/cli/main.js'), 'ls'], {
    env: { ...process.env, ...bed.env },
    stdio: ['ignore', full, 'pipe'],
  });
  let stderr = '';
  child.stderr!.on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  closeSync(full);
  expect({ code, stderr }).toEqual({
    code: EXIT.fault,
    stderr: expect.stringMatching(/^latchkey: the output cannot be written: .*ENOSPC.*\n$/),
  });
});

test('postgres-schema prints the SQL, for a schema and a role', async () => {
  const { code, stdout } = await latchkey(['postgres-schema', '--schema', 'locks', '--role', 'app']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^BEGIN;\n\nCREATE SCHEMA "locks";/);
  expect(stdout).toContain('GRANT USAGE ON SCHEMA "locks" TO "app";');
  expect(stdout).toMatch(/COMMIT;\n$/);
});

test('postgres-schema takes the schema of the settings, and prints JSON', async () => {
  const env = { LOCK_POSTGRES_SCHEMA: 'locks' };
  const [set, asked, json] = await Promise.all([
    latchkey(['postgres-schema'], env),
    latchkey(['postgres-schema', '--schema', 'others'], env),
    latchkey(['postgres-schema', '--json'], env),
  ]);
  expect(set.stdout).toMatch(/^BEGIN;\n\nCREATE SCHEMA "locks";/);
  expect(asked.stdout).toMatch(/^BEGIN;\n\nCREATE SCHEMA "others";/);
  expect(JSON.parse(json.stdout)).toEqual({ schema: 'locks', sql: set.stdout.trimEnd() });
});
