import { expect, test } from '@jest/globals';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';

const request = (token: string, wait = 600_000) => {
  const how = { mode: 'write', ttl: 10_000, retryInterval: 100, meta: {} } as const;
  return { key: 'lock:{a}', token, wait, ...how };
};

test('the server ends a hold early that was handed on: the place of whom it serves keeps nobody out', async () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const connect = () => queuedDriver(server.connect(), { clock, random: Math.random });
  const [ours, theirs] = [connect(), connect()];
  const answered = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(10);
    return asked;
  };
  const first = await answered(ours.acquire(request('first')));
  const [second, third] = [ours.acquire(request('second')), ours.acquire(request('third'))];
  await clock.advance(10);
  // The second is granted with a run of one behind it.
  await answered(ours.release(first!));
  await ours.release((await second)!);
  const grant = await third;
  const rival = theirs.acquire(request('rival'));
  await clock.advance(10);

  server.stepClock(11_000);
  await clock.advance(5_000);
  expect(await answered(ours.release(grant!))).toBe(false);
  expect(await answered(Promise.race([rival, null]))).toMatchObject({ token: 'rival' });
  const closed = Promise.all([ours.close(), theirs.close()]);
  await clock.advance(5_000);
  await closed;
});
