import { beforeEach, expect, test } from '@jest/globals';
import { Poller } from '../../../src/drivers/postgres/poller.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const statement = { name: 'poll', text: 'SELECT' };

let clock: FakeClock;
let asked: { at: number; names: string[]; tokens: string[] }[];
/** What each question is answered with, the place among those asked about and the fence. */
let answers: ([number, number][] | Error)[];
let granted: [string, string, number][];
let poller: Poller;

beforeEach(() => {
  clock = new FakeClock();
  [asked, answers, granted] = [[], [], []];
  poller = new Poller(
    clock,
    statement,
    async (of, values) => {
      expect(of).toBe(statement);
      const [names, tokens] = values as [Buffer[], string[]];
      asked.push({ at: clock.now(), names: names.map(String), tokens });
      const answer = answers.shift() ?? [];
      if (answer instanceof Error) throw answer;
      return { rows: answer.map((pair) => pair.map(String)), sentAt: 0 };
    },
    ({ key, token }, fence) => granted.push([key, token, fence]),
  );
});

test('asks for all its places every 100 ms, and tells which were granted, and under which fence', async () => {
  answers = [[], [[2, 77]]];
  poller.add({ key: 'a', token: 't 1' });
  poller.add({ key: 'b', token: 'u' });
  await clock.advance(99);
  expect(asked).toEqual([]);
  await clock.advance(1);
  expect(granted).toEqual([]);
  await clock.advance(100);
  expect(asked).toEqual([100, 200].map((at) => ({ at, names: ['a', 'b'], tokens: ['t%201', 'u'] })));
  expect(granted).toEqual([['b', 'u', 77]]);
});

test('asks no more when it has no place, and again when it has one', async () => {
  poller.add({ key: 'a', token: 't' });
  poller.drop({ key: 'a', token: 't' });
  await clock.advance(1_000);
  expect(asked).toEqual([]);
  expect(clock.pending).toBe(0);
  poller.add({ key: 'b', token: 't' });
  await clock.advance(100);
  expect(asked).toEqual([{ at: 1_100, names: ['b'], tokens: ['t'] }]);
});

test('of one token the place of one key is dropped', async () => {
  poller.add({ key: 'a', token: 't' });
  poller.add({ key: 'b', token: 't' });
  poller.drop({ key: 'a', token: 't' });
  await clock.advance(100);
  expect(asked[0]).toMatchObject({ names: ['b'], tokens: ['t'] });
});

test('a grant of a place that was given up meanwhile is not told', async () => {
  let answer!: (rows: string[][]) => void;
  const slow = new Poller(
    clock,
    statement,
    () =>
      new Promise((resolve) => {
        answer = (rows) => resolve({ rows, sentAt: 0 });
      }),
    ({ key, token }, fence) => granted.push([key, token, fence]),
  );
  slow.add({ key: 'a', token: 't' });
  slow.add({ key: 'b', token: 'u' });
  await clock.advance(100);
  slow.drop({ key: 'a', token: 't' });
  answer([
    ['1', '7'],
    ['2', '8'],
  ]);
  await clock.advance(0);
  expect(granted).toEqual([['b', 'u', 8]]);
});

test('what failed is asked again', async () => {
  answers = [new Error('lost'), [[1, 5]]];
  poller.add({ key: 'a', token: 't' });
  await clock.advance(200);
  expect(granted).toEqual([['a', 't', 5]]);
});

test('a thousand places are asked about at once', async () => {
  answers = [[[1_000, 1]], [[2, 2]]];
  for (let i = 0; i < 1_002; i++) poller.add({ key: `k${i}`, token: 't' });
  await clock.advance(100);
  expect(asked.map(({ names }) => names.length)).toEqual([1_000, 2]);
  expect(granted).toEqual([
    ['k999', 't', 1],
    ['k1001', 't', 2],
  ]);
});

test('stopped, it has no places and asks nothing', async () => {
  poller.add({ key: 'a', token: 't' });
  poller.stop();
  expect(clock.pending).toBe(0);
  await clock.advance(1_000);
  expect(asked).toEqual([]);
});
