import { beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.js';
import { systemRandom } from '../../../src/core/random.js';
import { dialler } from '../../../src/drivers/postgres/client.js';
import { Connection } from '../../../src/drivers/postgres/connection.js';
import type { Answer } from '../../../src/drivers/postgres/link.js';
import { statementsIn } from '../../../src/drivers/postgres/statements.js';
import { Sweeper } from '../../../src/drivers/postgres/sweeper.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { startPostgres } from '../../support/postgres-server.js';
import { deferred, until } from '../../support/wait.js';

const statement = { name: 'sweep', text: 'SELECT' };

let clock: FakeClock;
let asked: { at: number; since: string; amount: number }[];
let answers: (string | null | Error)[];
let sweeper: Sweeper;

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  answers = [];
  sweeper = new Sweeper(clock, statement, async (of, values) => {
    expect(of).toBe(statement);
    const [since, amount] = values as [string, number];
    asked.push({ at: clock.now(), since, amount });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return { rows: [[answer ?? null]], sentAt: 0 } satisfies Answer;
  });
});

test('each half minute some rows are swept, on from the last one, and from the first when all were', async () => {
  answers = ['aa', 'bb', null];
  sweeper.start();
  await clock.advance(29_999);
  expect(asked).toEqual([]);
  await clock.advance(4 * 30_000);
  expect(asked.map(({ at }) => at)).toEqual([30_000, 60_000, 90_000, 120_000]);
  expect(asked.slice(1).map(({ since }) => since)).toEqual(['aa', 'bb', '']);
  expect(asked.map(({ amount }) => amount)).toEqual([200, 200, 200, 200]);
});

test('where most is deleted it takes a fifth of the time, so that keys that are used once do not pile up', async () => {
  const tookMs = 25;
  let left = 10_000;
  let sweeps = 0;
  sweeper = new Sweeper(clock, statement, async () => {
    sweeps++;
    await new Promise<void>((resolve) => clock.after(tookMs, resolve));
    const deleted = Math.min(200, left);
    left -= deleted;
    return { rows: [['aa', `${deleted}`]], sentAt: 0 };
  });
  sweeper.start();
  await clock.advance(30_000 + 7_000);
  expect(left).toBe(0);
  expect(sweeps).toBeGreaterThanOrEqual(50);
  expect(sweeps).toBeLessThanOrEqual(7_000 / (5 * tookMs) + 1);
  await clock.advance(60_000);
  expect(sweeps).toBeLessThanOrEqual(54);
});

test('processes begin at different rows', async () => {
  sweeper.start();
  await clock.advance(30_000);
  const other = new Sweeper(clock, statement, async (_, [since]) => {
    asked.push({ at: clock.now(), since: since as string, amount: 0 });
    return { rows: [[null]], sentAt: 0 };
  });
  other.start();
  await clock.advance(30_000);
  const [one, , two] = asked.map(({ since }) => since);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(two).toMatch(/^[0-9a-f]{64}$/);
  expect(one).not.toBe(two);
});

test('what failed is done again at the next time', async () => {
  answers = ['aa', new Error('lost'), 'bb'];
  sweeper.start();
  await clock.advance(90_000);
  expect(asked.slice(1).map(({ since }) => since)).toEqual(['aa', 'aa']);
});

test('started again, it sweeps no more often; stopped, not at all', async () => {
  sweeper.start();
  await clock.advance(15_000);
  sweeper.start();
  expect(clock.pending).toBe(1);
  await clock.advance(45_000);
  expect(asked.map(({ at }) => at)).toEqual([45_000]);
  sweeper.stop();
  expect(clock.pending).toBe(0);
});

test('stopped or started while it sweeps, it does not start twice', async () => {
  let answer!: () => void;
  let sweeps = 0;
  const slow = new Sweeper(clock, statement, () => {
    sweeps++;
    return new Promise((resolve) => {
      answer = () => resolve({ rows: [[null]], sentAt: 0 });
    });
  });
  slow.start();
  await clock.advance(30_000);
  slow.start();
  answer();
  await clock.advance(0);
  expect(clock.pending).toBe(1);
  await clock.advance(30_000);
  expect(sweeps).toBe(2);
  slow.stop();
  answer();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});

test('idle rows are swept once in 30 s, and once in a second for as long as there are many', async () => {
  const server = await startPostgres();
  clock = new FakeClock();
  const ready = deferred();
  const events = { ready: ready.resolve, lost: () => {}, message: () => {} };
  const parts = { clock: systemClock, random: systemRandom };
  const connection = new Connection(await dialler({ url: server.url() }), parts, events);
  let sweeps = 0;
  sweeper = new Sweeper(clock, statementsIn('latchkey').sweep, async (statement, values) => {
    const answer = await connection.askAny(statement, values);
    sweeps++;
    return answer;
  });
  try {
    connection.open();
    await ready.promise;
    await server.ask(
      `INSERT INTO latchkey.lock (id, name, last) SELECT sha256(n), n, 0
      FROM (SELECT convert_to('idle' || i, 'UTF8') AS n FROM generate_series(1, 2000) i) names`,
    );
    sweeper.start();
    await advance(29_000);
    expect(sweeps).toBe(0);
    for (let seconds = 0; (await rows()) > 0; seconds++) {
      expect(seconds).toBeLessThan(60);
      await advance(1_000);
    }
    expect(sweeps).toBeGreaterThanOrEqual(10);
    // The last one began at the end, or found little.
    await advance(2_000);
    const before = sweeps;
    await advance(25_000);
    expect(sweeps - before).toBeLessThanOrEqual(1);
  } finally {
    sweeper.stop();
    connection.close();
    await server.stop();
  }

  async function rows(): Promise<number> {
    return (await server.ask('SELECT FROM latchkey.lock')).length;
  }

  async function advance(ms: number): Promise<void> {
    const due = sweeps;
    clock.advance(ms);
    await until(() => sweeps > due, 300).catch(() => {});
  }
});
