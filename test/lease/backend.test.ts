import { expect, test } from '@jest/globals';
import { LockBackendError, LockLostError } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import { Backend } from '../../src/lease/backend.js';
import type { Extension, Grant, LockDriver } from '../../src/lease/driver.js';
import { LiveHolds } from '../../src/lease/live-holds.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { runSource } from '../support/process.js';
import { sleep } from '../support/wait.js';

function lockerOn(broken: Partial<LockDriver>) {
  const memory = memoryDriver();
  const bound = Object.fromEntries(
    (['acquire', 'extend', 'release', 'inspect', 'ping', 'close'] as const).map((name) => [
      name,
      (memory[name] as (...args: unknown[]) => unknown).bind(memory),
    ]),
  );
  const driver = { ...bound, ...broken } as LockDriver;
  return new LockRegistry()
    .registerDriver('broken', driver)
    .registerLocker('jobs', { driver: 'broken' })
    .mustOf('jobs');
}

const socket = new Error('socket hang up');

test.each([
  ['rejects', async () => Promise.reject(socket)],
  [
    'throws at once',
    () => {
      throw socket;
    },
  ],
])('a driver that %s with an error of its own is an outage, with that as its cause', async (_how, fail) => {
  const acquiring = lockerOn({ acquire: fail }).acquire('k');
  await expect(acquiring).rejects.toBeInstanceOf(LockBackendError);
  await expect(acquiring).rejects.toMatchObject({ cause: socket });
  await expect(lockerOn({ inspect: fail }).inspect('k')).rejects.toBeInstanceOf(LockBackendError);
  const lease = await lockerOn({ extend: fail, release: fail }).acquire('k');
  await expect(lease.refresh()).rejects.toBeInstanceOf(LockBackendError);
  await expect(lease.release()).rejects.toBeInstanceOf(LockBackendError);
});

test.each([[Object.create(null)], [Symbol('s')], [null], [undefined]])(
  'a driver that rejects with what is no error is an outage all the same: %#',
  async (thrown) => {
    const fail = () => Promise.reject(thrown);
    await expect(lockerOn({ acquire: fail }).acquire('k')).rejects.toBeInstanceOf(LockBackendError);
    await expect(lockerOn({ inspect: fail }).inspect('k')).rejects.toBeInstanceOf(LockBackendError);
  },
);

test('a driver that throws from a renewal breaks nothing but the lease', async () => {
  const extend = () => {
    throw socket;
  };
  const working = lockerOn({ extend }).with('k', () => sleep(1_300), { ttl: 1_000 });
  await expect(working).rejects.toBeInstanceOf(LockLostError);
  await expect(working).rejects.toMatchObject({ reason: 'backend', cause: { cause: socket } });
});

test('the reason of the signal comes through as it is', async () => {
  const locker = lockerOn({});
  await locker.acquire('k');
  const controller = new AbortController();
  const waiting = locker.acquire('k', { signal: controller.signal });
  controller.abort('enough');
  await expect(waiting).rejects.toBe('enough');
});

test.each([
  ['fewer answers than extensions', async () => [null]],
  ['no answers', async () => undefined],
])('a batch that gives %s is a fault of its own', async (_, extendMany) => {
  const clock = new FakeClock();
  const backend = new Backend(
    'broken',
    Object.assign(memoryDriver({ clock }), { extendMany: extendMany as never }),
    clock,
    new LiveHolds(),
  );
  const grant: Grant = { key: 'k', token: 't', mode: 'write', fence: 1, validUntil: 0 };
  const answers = await backend.extend([
    { grant, ttl: 1 },
    { grant, ttl: 1 },
  ]);
  expect(answers).toHaveLength(2);
  expect(answers[1]).toBeInstanceOf(LockBackendError);
});

test('one hold is extended by itself, several in a batch where the driver has that', async () => {
  const clock = new FakeClock();
  const calls: (string | number)[] = [];
  const driver: LockDriver = Object.assign(memoryDriver({ clock }), {
    extend: async (grant: Grant) => {
      calls.push(grant.key);
      return grant;
    },
    extendMany: async (extensions: readonly Extension[]) => {
      calls.push(extensions.length);
      return extensions.map(({ grant }) => grant);
    },
  });
  const backend = new Backend('both', driver, clock, new LiveHolds());
  const extensions = ['a', 'b'].map((key) => ({
    grant: { key, token: 't', mode: 'write', fence: 1, validUntil: 0 } as const,
    ttl: 1,
  }));
  expect(await backend.extend(extensions.slice(0, 1))).toEqual([extensions[0]!.grant]);
  expect(await backend.extend(extensions)).toEqual(extensions.map(({ grant }) => grant));
  expect(calls).toEqual(['a', 2]);
});

test('a with keeps the process alive until it is told of the loss', async () => {
  const child = runSource(`
    import { LockRegistry } from 'latchkey';
    const lost = (lease) => new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    const options = { ttl: 200, maxHold: 150 };
    await new LockRegistry().mustOf().with('k', lost, options).catch(({ reason }) => send({ reason }));
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ reason: 'maxHold' }]);
});

test('a with that has ended keeps the process alive no more, though another lease is renewed', async () => {
  const child = runSource(`
    import { LockRegistry } from 'latchkey';
    const locker = new LockRegistry().mustOf();
    await locker.acquire('renewed', { ttl: 60_000, autoRenew: true });
    await locker.with('k', () => {});
    await locker.with('k', () => Promise.reject('its own')).catch((reason) => send({ reason }));
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ reason: 'its own' }]);
});
