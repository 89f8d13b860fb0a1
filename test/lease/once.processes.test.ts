import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { BACKENDS, type Backend, machineNow, startBackend, WORKER } from '../support/backends.js';
import { type Message, runSource, type Worker } from '../support/process.js';
import { sleep } from '../support/wait.js';

const FIRES = 50;
const EVERY_MS = 100;

const workers: Worker[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
});

function start(source: string, { env }: Backend): Worker {
  const worker = runSource(WORKER + source, env);
  workers.push(worker);
  return worker;
}

/** Fires every 100 ms by a clock that is off by `offset` ms; the job takes 10 ms. */
const scheduler = (offset: number, begin: number) => `
  const now = () => Date.now() + ${offset};
  for (let fire = 0; fire < ${FIRES}; fire++) {
    const at = ${begin} + fire * ${EVERY_MS};
    await sleep(Math.max(0, at - now()));
    const { ran } = await locker.once('billing', new Date(at), () => sleep(10));
    send({ fire, ran });
  }
  send({ done: true });
`;

/** Asks for the slot again and again until it has run it, and says when that was. */
const persistent = (options: object) => `
  send({ ready: true });
  for (let ran = false; !ran; await sleep(20)) {
    ({ ran } = await locker.once('billing', 1, () => send({ ranAt: machineNow() }), ${JSON.stringify(options)}));
  }
`;

/** Runs the slot until it is killed. */
const endless = (options: object) => `
  await locker.once('billing', 1, () => { send({ running: true }); return sleep(1e9); }, ${JSON.stringify(options)});
`;

describe.each(BACKENDS)('on %s', (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await startBackend(name);
  });
  afterAll(() => backend.stop());

  test('three processes whose clocks differ by 5 s run a job of 10 ms once a fire', async () => {
    const begin = Date.now() + 7_000;
    const all = [5_000, 0, -5_000].map((offset) => start(scheduler(offset, begin), backend));
    await Promise.all(all.map((worker) => worker.waitFor((message) => 'done' in message, 60_000)));
    const fires = all.map(({ messages }) => messages.filter((message) => 'fire' in message));
    expect(fires.map(({ length }) => length)).toEqual([FIRES, FIRES, FIRES]);
    const runs = fires.flat().filter(({ ran }) => ran);
    expect(runs.map(({ fire }) => fire).sort(byNumber)).toEqual([...Array(FIRES).keys()]);
  }, 90_000);

  test('a job that is killed in the middle runs again when its ttl is over, not when its slot is', async () => {
    const options = { ttl: '3s', keep: '1h' };
    const victim = start(endless(options), backend);
    await victim.waitFor((message) => 'running' in message);
    const next = start(persistent(options), backend);
    await next.waitFor((message) => 'ready' in message);
    // Renewed at least once.
    await sleep(3_100);
    expect(next.messages.some((message) => 'ranAt' in message)).toBe(false);
    const killed = machineNow();
    victim.kill('SIGKILL');
    const { ranAt } = await next.waitFor((message) => 'ranAt' in message);
    const after = Number(ranAt) - killed;
    // The last renewal was up to a third of the ttl ago.
    expect(after).toBeGreaterThan(1_700);
    expect(after).toBeLessThan(3_000 + 4_000);
    // It has run: now the slot is done.
    const late = start(`send(await locker.once('billing', 1, () => 0));`, backend);
    expect(await late.waitFor(isResult)).toMatchObject({ ran: false });
  }, 60_000);
});

const isResult = (message: Message) => 'ran' in message;
const byNumber = (a: unknown, b: unknown) => Number(a) - Number(b);
