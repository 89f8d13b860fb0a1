import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { LockBackendError } from '../../../../src/core/errors.js';
import { ask, open, reasonOf, take } from '../support/rig.js';
import { redis, server, stageForAll } from '../support/stage.js';
import { renewAll, StoredLock } from '../support/stored.js';

const OTHER = 'LATCHKEY the lock is stored in the format of another release';

stageForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

test('the generated scripts are those of the folder lua', async () => {
  const root = join(import.meta.dirname, '../../../..');
  await promisify(execFile)(process.execPath, ['scripts/generate-lua.mjs', '--check'], { cwd: root });
});

describe.each([
  ['0.1', { 'some-token': '1795287974321 {"host":"h"}' }],
  ['a later one', { v: '3', f: '1', h: '9795287974321 1 0 1 p t {}', c: '1 9795287974321 9795287974321 1' }],
])('a lock of another release, %s', (_, fields) => {
  beforeEach(async () => {
    await redis.hset(lock.key, fields);
  });

  test('is refused by each script, and nothing is changed', async () => {
    const runs = [
      () => lock.claim('t'),
      () => lock.place('u', { mode: 'r' }),
      () => lock.free('t'),
      () => lock.free('t', { keep: 5 }),
      () => lock.leave(['t']),
      () => lock.revoke(1),
      () => lock.read(),
    ];
    for (const run of runs) await expect(run()).rejects.toThrow(OTHER);
    expect(await lock.fields()).toEqual(fields);
    expect(await lock.life()).toBe(-1);
  });

  test('loses no other hold in a batch of renewals', async () => {
    const other = new StoredLock(redis);
    await other.claim('mine');
    const answers = await renewAll(redis, [
      [lock, 't', 'r', 5_000, 1],
      [lock, 't', 'w', 5_000, 1],
      [other, 'mine', 'w', 5_000, 1],
    ]);
    expect(answers[2]).toBe(1);
    if ('v' in fields) expect(answers.slice(0, 2)).toEqual([OTHER, OTHER]);
    else expect(answers.slice(0, 2)).toEqual([0, 0]);
    expect(await lock.fields()).toEqual(fields);
  });

  test('is a LockBackendError that says so, and no contention', async () => {
    const driver = await open(server.url);
    for (const asked of [
      ask(driver, lock.key),
      ask(driver, lock.key, { wait: 500 }),
      driver.inspect(lock.key),
    ]) {
      const error = await reasonOf(asked);
      expect(error).toBeInstanceOf(LockBackendError);
      expect(error.message).toContain('stored in the format of another release');
    }
  });
});

test('a key of another type is an error for each script', async () => {
  await redis.set(lock.key, 'text');
  await expect(lock.claim('t')).rejects.toThrow('WRONGTYPE');
  await expect(lock.free('t')).rejects.toThrow('WRONGTYPE');
  await expect(lock.read()).rejects.toThrow('WRONGTYPE');
  const other = new StoredLock(redis);
  await other.claim('mine');
  const answers = await renewAll(redis, [
    [lock, 't', 'w', 5_000, 1],
    [other, 'mine', 'w', 5_000, 1],
  ]);
  expect(answers).toEqual([expect.stringContaining('WRONGTYPE'), 1]);
});

test('a renewal of a hold on a key of another type fails alone', async () => {
  const driver = await open(server.url);
  const grants = [];
  for (let i = 0; i < 20; i++) grants.push(await take(driver, `${lock.key}${i}`));
  await redis.set(grants[7]!.key, 'planted');
  const extended = await driver.extendMany!(grants.map((grant) => ({ grant, ttl: 20_000 })));
  expect(extended[7]).toBeInstanceOf(LockBackendError);
  extended.splice(7, 1);
  for (const [i, answer] of extended.entries())
    expect(answer).toMatchObject({ token: grants[i < 7 ? i : i + 1]!.token });
});
