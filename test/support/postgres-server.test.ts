import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from './postgres-server.js';
import { sleep } from './wait.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

test('a server is there, and keeps what was committed when it is killed', async () => {
  await server.ask('CREATE TABLE kept AS SELECT 1 AS n');
  await server.restart();
  expect(await server.ask('SELECT n FROM kept')).toEqual([{ n: 1 }]);
});

test('a paused server answers nobody until it is resumed', async () => {
  server.pause();
  let answered = false;
  const answer = server.ask('SELECT 1 AS n').then((rows) => {
    answered = true;
    return rows;
  });
  await sleep(200);
  expect(answered).toBe(false);
  server.resume();
  expect(await answer).toEqual([{ n: 1 }]);
});
