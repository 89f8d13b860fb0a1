import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sleep, until } from '../support/wait.js';
import { CommandBed } from './support/bed.js';
import { start, startInTerminal } from './support/command.js';

let bed: CommandBed;

beforeAll(async () => {
  bed = await CommandBed.start();
});

afterAll(() => bed.stop());

const ESC = '\u001b';
const ENTER = `${ESC}[?1049h`;
const LEAVE = `${ESC}[?1049l`;
const HIDE = `${ESC}[?25l`;
const SHOW = `${ESC}[?25h`;

/** The screens that were painted, without styles. */
function screens(output: string): string[] {
  const painted = output.split(`${ESC}[1;1H`).slice(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told what to do
  return painted.map((text) => text.replace(/\x1b\[[?\d;]*[A-Za-z]/g, ''));
}

test('repaints in place, the longest wait first, and shows what changed', async () => {
  const long = await bed.locker.acquire('z-long', { ttl: '1m' });
  const free = await bed.locker.acquire('a-free', { ttl: '1m' });
  const waiting = bed.locker.acquire('z-long', { wait: '1m' });
  await until(async () => (await bed.locker.inspect('z-long'))?.waiters === 1);
  const watching = startInTerminal(['watch', '--interval', '200ms'], bed.env, 100);
  await watching.wrote(/z-long.*a-free/s);
  expect(watching.stdout().split('\n')[0]).toContain(ENTER);
  const fresh = await bed.locker.acquire('m-new', { ttl: '1m' });
  await watching.wrote(/m-new .* new/);
  await long.release();
  const next = await waiting;
  await watching.wrote(/z-long .* holder/);
  await free.release();
  await watching.wrote(/a-free .* free/);
  await until(() => !screens(watching.stdout()).at(-1)!.includes('a-free'));
  watching.child.stdin?.write('\u0003');
  const { code, stdout } = await watching.answer;
  expect(code).toBe(0);
  expect(stdout.split(ENTER)).toHaveLength(2);
  expect(stdout.split(HIDE)).toHaveLength(2);
  // Nothing is written after the terminal is as it was.
  expect(stdout.trimEnd().endsWith(SHOW + LEAVE)).toBe(true);
  const [first] = screens(stdout);
  expect(first).toMatch(/UTC {2}2 locks, 1 waiters/);
  expect(screens(stdout).length).toBeGreaterThan(4);
  for (const screen of screens(stdout)) {
    const lines = screen.split(/\r?\n/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  }
  await fresh.release();
  await next.release();
});

test('in a terminal of 60 columns and few lines no line is longer, and none too many', async () => {
  const keys = Array.from({ length: 40 }, (_, n) => `a key of some length, number ${n}`);
  const leases = await Promise.all(keys.map((key) => bed.locker.acquire(key, { ttl: '1m' })));
  const watching = startInTerminal(['watch', '--interval', '200ms'], bed.env, 60);
  await watching.wrote(/and \d+ more/);
  watching.child.stdin?.write('\u0003');
  const { code, stdout } = await watching.answer;
  expect(code).toBe(0);
  const lines = screens(stdout)[0]!.split(/\r?\n/);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(40);
  // The terminal has 30 lines.
  expect(lines.length).toBeLessThanOrEqual(30);
  expect(lines.length).toBeGreaterThan(25);
  for (const lease of leases) await lease.release();
});

test('says in place that the backend is away, and goes on when it is back', async () => {
  const watching = startInTerminal(['watch', '--interval', '200ms'], bed.env, 80);
  await watching.wrote(/0 locks/);
  bed.server.pause();
  await watching.wrote(/the backend does not answer/);
  bed.server.resume();
  const away = screens(watching.stdout()).length;
  await until(() =>
    screens(watching.stdout())
      .slice(away)
      .some((screen) => screen.includes('0 locks')),
  );
  watching.child.stdin?.write('\u0003');
  expect((await watching.answer).code).toBe(0);
});

test('in a pipe it prints one look after the other, as JSON where asked, until a signal', async () => {
  const lease = await bed.locker.acquire('piped', { ttl: '1m' });
  const watching = start(['watch', 'pip*', '--json', '--interval', '100ms'], bed.env);
  await watching.wrote(/\n.*\n/);
  watching.child.kill('SIGTERM');
  const { code, stdout } = await watching.answer;
  expect(code).toBe(143);
  for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject([{ key: 'piped' }]);
  const plain = start(['watch', '--interval', '100ms'], bed.env);
  await plain.wrote(/piped.*piped/s);
  plain.child.kill('SIGINT');
  expect(await plain.answer).toMatchObject({ code: 0 });
  expect(plain.stdout()).not.toContain(ESC);
  await lease.release();
});

test('a look that is due in weeks is not taken at once', async () => {
  const watching = start(['watch', '--json', '--interval', '30d'], bed.env);
  await watching.wrote(/\n/);
  await sleep(1_000);
  watching.child.kill('SIGINT');
  expect(await watching.answer).toMatchObject({ code: 0, stderr: '', stdout: '[]\n' });
});

test('many looks take no more memory than a few', async () => {
  const meta = { filler: 'x'.repeat(4_000) };
  const keys = Array.from({ length: 400 }, (_, n) => `large:${n}`);
  const leases = await Promise.all(keys.map((key) => bed.locker.acquire(key, { ttl: '5m', meta })));
  // Each look reads 1.6 MB, so 30 would not fit in.
  const env = { ...bed.env, NODE_OPTIONS: '--max-old-space-size=40' };
  const watching = start(['watch', 'large:*', '--interval', '100ms'], env);
  const looks = () => watching.stdout().split(' UTC ').length - 1;
  const ended = watching.answer.then(() => true);
  await until(() => looks() >= 30 || Promise.race([ended, sleep(1).then(() => false)]), 150_000);
  watching.child.kill('SIGINT');
  const { code } = await watching.answer;
  expect({ code, enough: looks() >= 30 }).toEqual({ code: 0, enough: true });
  for (const lease of leases) await lease.release();
});
