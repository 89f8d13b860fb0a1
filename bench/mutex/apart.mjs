/**
 * What is measured in a process of each contender's own, 100,000 of each:
 *   memory    heap bytes a held key, and a caller who waits
 *   timeouts  callers wait 200 ms for a held key and time out: CPU µs each, from asking to the rejection; and then
 *             ms from the holder's release until the next caller is in, for who timed out must not stand in its way
 */
import { Child } from '../lib/children.mjs';
import { median } from '../lib/stats.mjs';
import { asyncLock, bare, keptMap, latchkey, verrou } from './contenders.mjs';

export const memory = () => apart('memory', [latchkey, bare, keptMap, asyncLock, verrou], 3);
export const timeouts = () => apart('timeouts', [latchkey, keptMap, asyncLock, verrou], 1);

/** @returns {Promise<Map<object, Record<string, number> | { error: string }>>} medians */
async function apart(what, contenders, rounds) {
  const all = new Map(contenders.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++) {
    for (const one of contenders) all.get(one).push(await ask(what, one));
  }
  return new Map(contenders.map((one) => [one, medians(all.get(one))]));
}

async function ask(what, { name }) {
  const child = new Child(new URL('child.mjs', import.meta.url), ['--expose-gc']);
  try {
    return await child.call(what, name);
  } catch (error) {
    return { error: `fails: ${/\w*Error: .*/.exec(error.message)?.[0] ?? error.message}` };
  } finally {
    child.kill();
  }
}

function medians(answers) {
  const failed = answers.find((answer) => answer.error);
  if (failed) return failed;
  const names = Object.keys(answers[0]);
  return Object.fromEntries(names.map((name) => [name, median(answers.map((answer) => answer[name]))]));
}
