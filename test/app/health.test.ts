import { expect, test } from '@jest/globals';
import { healthOf } from '../../src/app/health.js';

test('one that resolves is up and one that rejects is down, by its name, with the time it took', async () => {
  const health = await healthOf([
    { name: 'a', async health() {} },
    { name: 'b', health: () => Promise.reject(new Error('gone')) },
    { name: 'silent' },
  ]);
  expect(health).toEqual({
    a: { status: 'up', latencyMs: expect.any(Number) },
    b: { status: 'down', latencyMs: expect.any(Number), error: 'gone' },
  });
});

test('one may tell its own state', async () => {
  const up = { status: 'up' as const, latencyMs: 3 };
  expect(await healthOf([{ name: 'a', health: async () => up }])).toEqual({ a: up });
  expect(await healthOf([{ name: 'a', health: async () => ({ status: up }) }])).toEqual({ status: up });
});

test('a health that throws at once is down', async () => {
  const health = () => {
    throw 'text';
  };
  expect((await healthOf([{ name: 'a', health }])).a).toMatchObject({ status: 'down', error: 'text' });
});

test('a health that rejects with what has no text form is down', async () => {
  for (const thrown of [Object.create(null), { toString: () => null }, Symbol('s'), null]) {
    const health = () => Promise.reject(thrown);
    expect((await healthOf([{ name: 'a', health }])).a).toMatchObject({
      status: 'down',
      error: expect.any(String),
    });
  }
});

test('records are merged, and of two of one name the worse stands', async () => {
  const up = { status: 'up' as const };
  const down = { status: 'down' as const, error: 'x' };
  const health = await healthOf([
    { name: 'a', health: async () => ({ one: up, two: down, three: up }) },
    { name: 'b', health: async () => ({ one: down, two: up }) },
  ]);
  expect(health).toEqual({ one: down, two: down, three: up });
});

test('all are asked at once', async () => {
  const asked: string[] = [];
  let answer = () => {};
  const gate = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const part = (name: string) => ({
    name,
    health: () => {
      asked.push(name);
      return gate;
    },
  });
  const health = healthOf([part('a'), part('b')]);
  expect(asked).toEqual(['a', 'b']);
  answer();
  await health;
});
