import { type Check, ok, warning } from './check.js';

const ASKED = 5;
const SLOW_MS = 20;
const FAR_APART_MS = 1_000;
const ANSWER_MS = 2_000;

/** No answer came in time. */
export class SilentError extends Error {}

/** @throws SilentError when there is no answer within 2 s */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SilentError(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long the server takes to answer. @throws what `ask` throws */
export async function latencyOf(ask: () => Promise<unknown>): Promise<Check> {
  const times: number[] = [];
  for (let i = 0; i < ASKED; i++) {
    const sent = performance.now();
    await ask();
    times.push(performance.now() - sent);
  }
  const median = times.sort((a, b) => a - b)[Math.floor(ASKED / 2)]!;
  const found = `answers in ${median.toFixed(1)} ms`;
  if (median < SLOW_MS) return ok('reach', found);
  return warning('reach', found, 'every acquisition and hand-over takes that long: run nearer to it');
}

/** How far the server's clock, told as ms since 1970, is from ours. @throws what `timeThere` throws */
export async function offsetOf(timeThere: () => Promise<number>): Promise<Check> {
  const sent = Date.now();
  const there = await timeThere();
  const offset = Math.round(there - (sent + Date.now()) / 2);
  const found = `the server is ${Math.abs(offset)} ms ${offset < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(offset) < FAR_APART_MS) return ok('clock', found);
  return warning(
    'clock',
    found,
    'locks do not mind, but the ages shown here are off: synchronize the clocks',
  );
}
