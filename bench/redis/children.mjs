/** Child processes of the Redis benchmarks. */
import { Child } from '../lib/children.mjs';

export const fork = (count) =>
  Array.from({ length: count }, () => new Child(new URL('child.mjs', import.meta.url)));

/** Runs `fn` with children that are connected for `contender`. */
export async function connected(children, contender, url, fn, sessions = 1) {
  await Promise.all(children.map((child) => child.call('connect', contender.id, url, sessions)));
  const result = await fn(children);
  await Promise.all(children.map((child) => child.call('close')));
  return result;
}

export const machineNow = () => Number(process.hrtime.bigint()) / 1e6;
