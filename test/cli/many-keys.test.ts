import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CommandBed } from './support/bed.js';
import { start, startInTerminal } from './support/command.js';

const FOREIGN = 1_000_000;

let bed: CommandBed;

beforeAll(async () => {
  bed = await CommandBed.start();
  const script = "for i = ARGV[1], ARGV[2] do redis.call('SET', 'session:' .. i, 'of another') end";
  await bed.server.ask(async (client) => {
    for (let from = 1; from < FOREIGN; from += 50_000)
      await client.eval(script, 0, `${from}`, `${from + 49_999}`);
  });
  await bed.locker.acquire('order:7', { ttl: '10m' });
}, 60_000);

afterAll(() => bed.stop());

/** The processor time that the server has used, in ms: not that of the clock, for others use this machine. */
async function serverTime(): Promise<number> {
  const info = await bed.server.ask((client) => client.info('cpu'));
  const field = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)![1]);
  return (field('used_cpu_user') + field('used_cpu_sys')) * 1_000;
}

async function scans(): Promise<number> {
  return (await bed.server.commandStats()).scan ?? 0;
}

test('ls and doctor over a million keys of others leave the server to others nine tenths of the time', async () => {
  for (const args of [['ls', '--json'], ['doctor']]) {
    const [used, scanned, began] = [await serverTime(), await scans(), performance.now()];
    const running = start(args, bed.env);
    const { code, stdout, stderr } = await running.answer;
    const seconds = (performance.now() - began) / 1_000;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(args[0] === 'ls' ? '"key":"order:7"' : '1 locks, all expire');
    // All keys were looked at, and none of them cost a command of its own.
    expect((await scans()) - scanned).toBeGreaterThan(FOREIGN / 1_000);
    expect((await scans()) - scanned).toBeLessThan(FOREIGN / 100);
    const each = ((await serverTime()) - used) / seconds;
    expect(each).toBeLessThan(100);
    expect(each).toBeGreaterThan(1);
  }
}, 300_000);

test('ls says in a terminal how far it is, and leaves no trace of it', async () => {
  const running = startInTerminal(['ls'], bed.env, 100);
  await running.wrote(/looked at [\d,]+ of about 1,000,001 keys, \d+ %/);
  const { code, stdout } = await running.answer;
  expect(code).toBe(0);
  const shares = [...stdout.matchAll(/looked at ([\d,]+) of about 1,000,001 keys, (\d+) %/g)];
  expect(shares.length).toBeGreaterThan(5);
  const seen = shares.map(([, keys]) => Number(keys!.replaceAll(',', '')));
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen[0]).toBeLessThan(FOREIGN / 2);
  expect(seen.at(-1)).toBeGreaterThan(FOREIGN / 2);
  for (const [, keys, share] of shares)
    expect(Number(share)).toBe(Math.floor(Number(keys!.replaceAll(',', '')) / 10_000.01));
  // What follows the last of them is the erased line, and the table.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told what to do
  expect(stdout.slice(shares.at(-1)!.index)).toMatch(/ %\x1b\[K\x1b\[G\x1b\[K\S*KEY /);
}, 300_000);

test('watch shows how far its first look is, and a Ctrl-C in the middle of it ends it at once', async () => {
  const watching = startInTerminal(['watch'], bed.env, 100);
  await watching.wrote(/looked at [\d,]+ of about/);
  const asked = await scans();
  watching.child.stdin?.write('\u0003');
  expect((await watching.answer).code).toBe(0);
  expect((await scans()) - asked).toBeLessThan(FOREIGN / 2_000);
}, 60_000);

test('nothing is said of it in a pipe', async () => {
  const running = start(['ls', 'order:*'], bed.env);
  const { code, stdout, stderr } = await running.answer;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toContain('looked at');
}, 300_000);
