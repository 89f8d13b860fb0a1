import type {
  Claim,
  ClaimId,
  Freeing,
  Granted,
  Place,
  Refused,
  Renewal,
  RenewalAnswer,
} from '../../engine/store.js';
import type { LockInfo, LockMode } from '../../lease/driver.js';

/**
 * How the claims, answers and messages of a store are written, as lua/*.lua read and write them. What is stored bears the
 * version of this format; see lua/lib/state.lua.
 */

/** Tokens and process ids stand between spaces and commas. */
export function encodeToken(token: string): string {
  return /[\s,%]|^-/.test(token) ? token.replace(/[\s,%]|^-/g, escaped) : token;
}

export function decodeToken(text: string): string {
  return text.includes('%') ? decodeURIComponent(text) : text;
}

const escaped = (char: string) => (char === '-' ? '%2D' : encodeURIComponent(char));

const modeOf = (mode: LockMode) => (mode === 'write' ? 'w' : 'r');

/** ARGV of claim.lua. */
export function encodeClaim(
  { mode, limit, ttl, token, meta }: Claim,
  place: Place | undefined,
  process: string,
  counted: boolean,
): string[] {
  const tail = `${process} ${encodeToken(token)} ${JSON.stringify(meta)}`;
  const most = limit === Infinity ? 0 : limit;
  return [modeOf(mode), `${ttl}`, tail, `${most} ${place?.vouchFor ?? 0} ${counted ? 1 : 0}`];
}

type ClaimReply =
  | number
  | [1, fence: number, left: number, run: string, more?: 1]
  | [0, left: number, before: number, kept: number, more?: 1];

export function decodeClaim(reply: unknown, ttl: number, asOf: number): Granted | Refused {
  const answer = reply as ClaimReply;
  if (typeof answer === 'number') return { granted: true, fence: answer, ttl, asOf, run: NOBODY };
  if (answer[0] === 1)
    return { granted: true, fence: answer[1], ttl: answer[2], asOf, run: decodeRun(answer[3]) };
  return { granted: false, left: answer[1], before: answer[2], kept: answer[3] === 1 };
}

/** Whether a claim has left some of the queue to be handed the lock. */
export function leavesMore(reply: unknown): boolean {
  const answer = reply as ClaimReply;
  return typeof answer !== 'number' && answer[4] === 1;
}

const NOBODY: readonly string[] = [];

function decodeRun(text: string): readonly string[] {
  return text === '' ? NOBODY : text.split(',').map(decodeToken);
}

/** ARGV of free.lua. */
export function encodeFreeing(token: string, how: Freeing, counted: boolean): string[] {
  const { mode, served = [], usedFence = 0, keepFor = 0, late = false } = how;
  const plain = `${modeOf(mode)} ${counted ? 1 : 0}`;
  const more = usedFence > 0 || keepFor > 0 || late || served.length > 0;
  const args = more ? `${plain} ${Math.ceil(keepFor)} ${usedFence} ${late ? 1 : 0}` : plain;
  return [encodeToken(token), args, ...served.map(encodeToken)];
}

/** Of one hold, ARGV of renew.lua. */
export function encodeRenewal({ token, mode, ttl, sequence, serves }: Renewal): string[] {
  const served = serves ? `${serves.fence} ${JSON.stringify(serves.meta)}` : '';
  return [encodeToken(token), modeOf(mode), `${ttl}`, `${sequence}`, served];
}

export function decodeRenewal(answer: number): RenewalAnswer {
  if (answer === 1) return 'renewed';
  return answer === 0 ? 'lost' : { revoked: -1 - answer };
}

export type Message =
  | {
      readonly kind: 'granted';
      readonly id: ClaimId;
      readonly fence: number;
      readonly run: readonly string[];
    }
  | { readonly kind: 'revoked'; readonly id: ClaimId; readonly grace: number }
  | { readonly kind: 'look'; readonly key: string; readonly ms: number };

/** A message of queue.lua or revoke.lua; undefined for anything else. */
export function decodeMessage(text: string): Message | undefined {
  try {
    return messageOf(text);
  } catch {
    // Anybody may publish messages, also such whose percent signs are no code.
    return undefined;
  }
}

function messageOf(text: string): Message | undefined {
  const granted = /^granted (\d+) (\S+) (\S*) (.*)$/s.exec(text);
  if (granted) {
    const [, fence, token, run, key] = granted;
    const id = { key: key!, token: decodeToken(token!) };
    return { kind: 'granted', id, fence: Number(fence), run: decodeRun(run!) };
  }
  const revoked = /^revoked (\d+) (\S+) (.*)$/s.exec(text);
  if (revoked) {
    const [, grace, token, key] = revoked;
    return { kind: 'revoked', id: { key: key!, token: decodeToken(token!) }, grace: Number(grace) };
  }
  const look = /^look (\d+) (.*)$/s.exec(text);
  return look ? { kind: 'look', key: look[2]!, ms: Number(look[1]) } : undefined;
}

type ReadReply = [now: number, hold: string, shared: string[], waiters: number, places: string[]];

/** The answer of read.lua; null where nobody holds or awaits the lock and it does not rest. */
export function decodeInfo(key: string, reply: unknown): LockInfo | null {
  const [now, hold, shared, waiters, places] = reply as ReadReply;
  const info: LockInfo = { key, mode: 'write', waiters, holders: [], waiting: [] };
  const [, ends, fence, since, token, meta] = /^(\d+) (\d+) \w+ (\d+) \S+ (\S+) (.*)$/s.exec(hold) ?? [];
  if (ends && Number(ends) > now) {
    if (token === '-') info.restsUntil = Number(ends);
    else info.holders.push(holder(ends, fence!, since!, meta!, now));
  }
  for (let i = 0; i < shared.length; i += 2) {
    const [, ends, fence, since, limit, meta] = /^(\d+) (\d+) \w+ (\d+) (\d+) \S+ (.*)$/s.exec(
      shared[i + 1]!,
    )!;
    if (Number(ends) <= now) continue;
    if (shared[i]!.startsWith('-')) {
      info.restsUntil = Math.max(info.restsUntil ?? 0, Number(ends));
      continue;
    }
    info.mode = 'read';
    if (limit !== '0') info.limit = Math.min(info.limit ?? Infinity, Number(limit));
    info.holders.push(holder(ends!, fence!, since!, meta!, now));
  }
  for (const place of places) {
    const [, mode, since, meta] = /^\S+ (\w) \d+ \d+ (\d+) \S+ (.*)$/s.exec(place)!;
    info.waiting.push({
      mode: mode === 'w' ? 'write' : 'read',
      since: Number(since),
      meta: JSON.parse(meta!),
    });
  }
  if (info.holders.length > 0) return info;
  info.mode = info.waiting[0]?.mode ?? info.mode;
  return waiters === 0 && info.restsUntil === undefined ? null : info;
}

function holder(ends: string, fence: string, since: string, meta: string, now: number) {
  return { fence: Number(fence), ttl: Number(ends) - now, since: Number(since), meta: JSON.parse(meta) };
}
