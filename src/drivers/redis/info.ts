import type { LockInfo } from '../../lease/driver.js';
import type { Hold } from './hold.js';

type Reply = [holders: string[], readers: string[], left: number, waiters: number, now: number];

/** Reads the answer of the inspecting script; `own` finds what this process holds, and may have handed on since. */
export function readInfo(
  key: string,
  reply: unknown,
  own: (token: string) => Hold | undefined,
): LockInfo | null {
  const [holders, readers, left, waiters, now] = reply as Reply;
  const expiries = new Map(pairs(readers));
  const info: LockInfo = { key, mode: 'write', waiters, holders: [], waiting: [] };
  for (const [token, record] of pairs(holders)) {
    const [, mode, fence, meta] = /^(.)(\d+) (.*)$/s.exec(record) ?? [];
    if (mode === 'r') info.mode = 'read';
    const ttl = mode === 'r' ? Number(expiries.get(token) ?? 0) - now : left;
    const hold = own(token);
    if (ttl <= 0) continue;
    info.holders.push({
      ttl,
      since: 0,
      fence: hold?.fence ?? Number(fence),
      meta: hold ? { ...hold.request.meta } : JSON.parse(meta ?? '{}'),
    });
  }
  return info.holders.length > 0 ? info : null;
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}
