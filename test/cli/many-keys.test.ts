import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sleep, until } from '../support/wait.js';
import { CommandBed } from './support/bed.js';
import { start, startInTerminal } from './support/command.js';

const FOREIGN = 1_000_000;
// A tenth of each second is meant, and test/drivers/redis/scan.test.ts has the exact rests. Here a slow machine takes
// longer for each step, and its other commands count, too; without rests it is several times as much.
const GENTLE = 200;

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

/** Begins to measure; the answer ends it: the server's time in ms a second of the clock, and how often it was asked. */
async function measure(): Promise<() => Promise<{ share: number; steps: number }>> {
  const [used, asked, began] = [await serverTime(), await scans(), performance.now()];
  return async () => {
    const seconds = (performance.now() - began) / 1_000;
    return { share: ((await serverTime()) - used) / seconds, steps: (await scans()) - asked };
  };
}

test('ls over a million keys of others leaves the server to others nine tenths of the time, and says how far it is', async () => {
  const measured = await measure();
  const running = startInTerminal(['ls'], bed.env, 100);
  await running.wrote(/looked at [\d,]+ of about 1,000,001 keys, \d+ %/);
  const { code, stdout } = await running.answer;
  const { share, steps } = await measured();
  expect(code).toBe(0);
  expect(share).toBeLessThan(GENTLE);
  expect(share).toBeGreaterThan(1);
  // All keys were looked at, and none of them cost a command of its own.
  expect(steps).toBeGreaterThan(FOREIGN / 1_000);
  expect(steps).toBeLessThan(FOREIGN / 100);

  const told = [...stdout.matchAll(/looked at ([\d,]+) of about 1,000,001 keys, (\d+) %/g)];
  const seen = told.map(([, keys]) => Number(keys!.replaceAll(',', '')));
  expect(seen.length).toBeGreaterThan(5);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen[0]).toBeLessThan(FOREIGN / 2);
  expect(seen.at(-1)).toBeGreaterThan(FOREIGN / 2);
  for (const [at, [, , percent]] of told.entries())
    expect(Number(percent)).toBe(Math.floor(seen[at]! / 10_000.01));
  // What follows the last of them is the erased line, and the table.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told what to do
  expect(stdout.slice(told.at(-1)!.index)).toMatch(/ %\x1b\[K\x1b\[G\x1b\[K\S*KEY .*order:7 /s);
}, 300_000);

test.each([
  ['ls', []],
  ['ls', ['--json']],
  ['doctor', []],
])(
  '%s %s in a pipe is as gentle, and says nothing of that',
  async (command, options) => {
    const running = start([command, ...options], bed.env);
    const before = await scans();
    await until(async () => (await scans()) > before, 20_000);
    const measured = await measure();
    // Each question makes the server work, too.
    do await sleep(500);
    while ((await scans()) - before <= 400);
    const { share } = await measured();
    running.child.kill();
    expect(share).toBeLessThan(GENTLE);
    expect(share).toBeGreaterThan(1);
    expect(await running.answer).toMatchObject({ stdout: '', stderr: '' });
  },
  120_000,
);

test('watch shows how far its first look is, and a Ctrl-C in the middle of it ends it at once', async () => {
  const watching = startInTerminal(['watch'], bed.env, 100);
  await watching.wrote(/looked at [\d,]+ of about/);
  const asked = await scans();
  watching.child.stdin?.write('\u0003');
  expect((await watching.answer).code).toBe(0);
  expect((await scans()) - asked).toBeLessThan(FOREIGN / 2_000);
}, 60_000);
