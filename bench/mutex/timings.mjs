/**
 * What a hold costs in one process:
 *   uncontended   ns to lock and unlock one of 1,000 free keys, awaited
 *   contended     ns a hold when 1,000 callers ask for one key at once
 *   freePermits   ns to take and give back one of 5 permits of a key, awaited
 *   busyPermits   ns a hold when 1,000 callers ask for the 5 permits of one key at once
 *   readers       holds a ms when 190 readers and 10 writers ask for one key at once, and work for 1 ms
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { interleave, timed } from '../lib/rounds.mjs';
import { semaphores } from './contenders/semaphores.mjs';
import { contenders } from './contenders.mjs';

const KEYS = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);
const PASSES = 100;
const CALLERS = 1_000;
const BURSTS = 50;
const READERS = 200;
// Without parameters: async-lock takes one for a callback.
const work = () => sleep(1);

export const uncontended = () =>
  interleave(contenders, async (one) => {
    const ms = await timed(() => one.uncontended(KEYS, PASSES));
    return (ms * 1e6) / (KEYS.length * PASSES);
  });

export const contended = () =>
  interleave(
    contenders.filter((one) => !one.polls),
    async (one) => {
      const ms = await timed(async () => {
        for (let burst = 0; burst < BURSTS; burst++) {
          const callers = [];
          for (let i = 0; i < CALLERS; i++) callers.push(one.write('key'));
          await Promise.all(callers);
        }
      });
      return (ms * 1e6) / (CALLERS * BURSTS);
    },
  );

export const freePermits = () =>
  interleave(semaphores, async (one) => {
    const ms = await timed(() => one.uncontended(KEYS, PASSES));
    return (ms * 1e6) / (KEYS.length * PASSES);
  });

export const busyPermits = () =>
  interleave(semaphores, async (one) => {
    const ms = await timed(async () => {
      for (let burst = 0; burst < BURSTS; burst++) {
        const callers = [];
        for (let i = 0; i < CALLERS; i++) callers.push(one.caller('key'));
        await Promise.all(callers);
      }
    });
    return (ms * 1e6) / (CALLERS * BURSTS);
  });

export const readers = () =>
  interleave(
    contenders.filter((one) => !one.polls),
    async (one) => {
      const ms = await timed(async () => {
        const callers = [];
        for (let i = 0; i < READERS; i++)
          callers.push(i % 20 === 0 ? one.write('key', work) : one.read('key', work));
        await Promise.all(callers);
      });
      return READERS / ms;
    },
    { rounds: 5 },
  );
