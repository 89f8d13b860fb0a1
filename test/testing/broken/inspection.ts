import type { LockDriver, LockInfo } from '../../../src/lease/driver.js';
import { type Broken, broken, Lists } from './broken.js';

const FIELDS = 'inspecting a held key shows its mode, fence, time left and metadata, but no token';
const WAITING = 'inspecting shows the waiters in order, with mode, since and metadata, but no token';
const HUNDRED = 'inspecting shows the first hundred waiters, and counts all';
const SINCE = 'inspecting shows when a hold began, however often it is extended';
const SIGNS = 'listing takes the prefix as it is, whatever signs are in it';

export const inspection: Broken[] = [
  broken('shows keys that are free', 'inspecting a free key answers null', (right) => ({
    inspect: async (key) =>
      (await right.inspect(key)) ?? { key, mode: 'write', waiters: 0, holders: [], waiting: [] },
  })),
  broken('shows no metadata', FIELDS, (right) => showing(right, (info) => withHolders(info, { meta: {} }))),
  broken('shows the token', FIELDS, (right) => {
    const tokens = new Map<string, string>();
    return {
      async acquire(request) {
        tokens.set(request.key, request.token);
        return right.acquire(request);
      },
      ...showing(right, (info) => Object.assign(info, { owner: tokens.get(info.key) })),
    };
  }),
  broken(
    'shows one reader of many',
    'inspecting shows every reader, and after an extension its new time',
    (right) => showing(right, (info) => ({ ...info, holders: info.holders.slice(0, 1) })),
  ),
  broken('shows since when a hold was extended', SINCE, (right) => {
    let extended = 0;
    return {
      async extend(grant, ttl) {
        extended = Date.now();
        return right.extend(grant, ttl);
      },
      ...showing(right, (info) => (extended ? withHolders(info, { since: extended }) : info)),
    };
  }),
  broken('shows a time of its own for since', SINCE, (right) =>
    showing(right, (info) => ({
      ...info,
      holders: info.holders.map((holder) => ({ ...holder, since: holder.since - Date.now() })),
    })),
  ),
  broken(
    'counts the writers that wait only',
    'inspecting counts all waiters, writers and readers',
    (right) => {
      const readers = new Lists<string>();
      return {
        async acquire(request) {
          if (request.mode === 'write' || request.wait === 0) return right.acquire(request);
          const waiting = readers.of(request.key);
          waiting.push(request.token);
          return right.acquire(request).finally(() => waiting.pop());
        },
        ...showing(right, (info) => ({
          ...info,
          waiters: Math.max(0, info.waiters - readers.of(info.key).length),
        })),
      };
    },
  ),
  broken('shows those who wait last first', WAITING, (right) =>
    showing(right, (info) => ({ ...info, waiting: info.waiting.reverse() })),
  ),
  broken('shows all who wait as writers', WAITING, (right) =>
    showing(right, (info) => ({
      ...info,
      waiting: info.waiting.map((each) => ({ ...each, mode: 'write' })),
    })),
  ),
  broken('shows all who wait since now', WAITING, (right) =>
    showing(right, (info) => ({
      ...info,
      waiting: info.waiting.map((each) => ({ ...each, since: Date.now() })),
    })),
  ),
  broken('shows ten of those who wait', HUNDRED, (right) =>
    showing(right, (info) => ({ ...info, waiting: info.waiting.slice(0, 10) })),
  ),
  broken('counts those whom it shows', HUNDRED, (right) =>
    showing(right, (info) => ({ ...info, waiters: info.waiting.length })),
  ),
  broken('lists idle keys', 'listing shows no key that is idle', (right) => {
    const known = new Set<string>();
    return {
      async acquire(request) {
        known.add(request.key);
        return right.acquire(request);
      },
      async *list(prefix) {
        for (const key of known)
          if (key.startsWith(prefix)) yield { key, mode: 'write', waiters: 0, holders: [], waiting: [] };
      },
    };
  }),
  broken(
    'lists no key that rests',
    'listing shows the keys that are held, awaited or rest, as inspecting them does',
    (right) => listing(right, (infos) => infos.filter(({ restsUntil }) => restsUntil === undefined)),
  ),
  broken(
    'lists keys without who waits',
    'listing shows the keys that are held, awaited or rest, as inspecting them does',
    (right) => listing(right, (infos) => infos.map((info) => ({ ...info, waiters: 0, waiting: [] }))),
  ),
  broken('lists without regard to the case', SIGNS, (right) => matching(right, (prefix) => [prefix, 'i'])),
  broken('lists by a pattern', SIGNS, (right) =>
    matching(right, (prefix) => [prefix.replaceAll('*', '.*'), '']),
  ),
  broken('lists a key twice', 'listing shows each of many keys once, and can be ended early', (right) =>
    listing(right, (infos) => [...infos, ...infos.slice(0, 1)]),
  ),
];

function showing(right: LockDriver, change: (info: LockInfo) => LockInfo): Pick<LockDriver, 'inspect'> {
  return {
    async inspect(key) {
      const info = await right.inspect(key);
      return info && change(info);
    },
  };
}

function withHolders(info: LockInfo, fields: Partial<LockInfo['holders'][number]>): LockInfo {
  return { ...info, holders: info.holders.map((holder) => ({ ...holder, ...fields })) };
}

function listing(right: LockDriver, change: (infos: LockInfo[]) => LockInfo[]): Partial<LockDriver> {
  return {
    async *list(prefix) {
      const infos: LockInfo[] = [];
      for await (const info of right.list!(prefix)) infos.push(info);
      yield* change(infos);
    },
  };
}

/** Takes the prefix for a regular expression. */
function matching(right: LockDriver, pattern: (prefix: string) => [string, string]): Partial<LockDriver> {
  return {
    async *list(prefix) {
      const [source, flags] = pattern(prefix.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
      for await (const info of right.list!(''))
        if (new RegExp(`^${source}`, flags).test(info.key)) yield info;
    },
  };
}
