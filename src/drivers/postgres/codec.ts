import type { ClaimId, Granted, Refused, RenewalAnswer } from '../../engine/store.js';
import type { LockInfo, LockMode } from '../../lease/driver.js';
import type { Answer } from './link.js';

/** A lock's name, as it is stored: text of PostgreSQL holds no NUL, and not every database is in UTF-8. */
export const nameOf = (key: string): Buffer => Buffer.from(key);

/** A token, as it is stored and sent: ASCII without spaces. */
export const tokenOf = encodeURIComponent;

export const modeOf = (mode: LockMode): 'w' | 'r' => (mode === 'write' ? 'w' : 'r');

/** Meta data, as they are stored: JSON in ASCII. */
export function metaOf(meta: Readonly<Record<string, string>>): string {
  return JSON.stringify(meta).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Reads the answer to a claim. */
export function readClaim({ rows, sentAt }: Answer): Granted | Refused {
  const [verdict, ...words] = rows[0]![0]!.split(' ');
  if (verdict === 'refused') {
    const [left, before, kept] = words;
    return { granted: false, left: Number(left), before: Number(before), kept: kept === 'true' };
  }
  const [fence, ttl, run] = words;
  const tokens = run ? run.split(',').map(decodeURIComponent) : [];
  return { granted: true, fence: Number(fence), ttl: Number(ttl), asOf: sentAt, run: tokens };
}

/** Reads the answers to renewals; `undefined` for one whose row somebody else has locked. */
export function readRenewals({ rows }: Answer): (RenewalAnswer | undefined)[] {
  const texts = rows[0]![0]!.slice(1, -1).split(',');
  return texts.map((text) => {
    const value = Number(text);
    if (value >= 0) return { revoked: value };
    return value === -1 ? 'renewed' : value === -2 ? 'lost' : undefined;
  });
}

/** A message to this process. */
export type Message =
  | { readonly kind: 'granted'; readonly id: ClaimId; readonly fence: number; readonly run: string[] }
  | { readonly kind: 'revoked'; readonly id: ClaimId; readonly grace: number }
  | { readonly kind: 'look-in'; readonly id: ClaimId; readonly ms: number };

/** Reads a notification: `granted|revoked|look-in <number> <token> <name> <run>`; `undefined` for another. */
export function readMessage(payload: string): Message | undefined {
  try {
    return messageOf(payload);
  } catch {
    // Anybody may send messages, also such whose percent signs are no code.
    return undefined;
  }
}

function messageOf(payload: string): Message | undefined {
  const [, kind, number, token, name, run] = /^(\S+) (\d+) (\S*) ([\w+/=\n]*) (\S*)$/.exec(payload) ?? [];
  const id = { key: Buffer.from(name ?? '', 'base64').toString(), token: decodeURIComponent(token ?? '') };
  if (kind === 'granted') {
    const tokens = run!.split(',').slice(0, -1).map(decodeURIComponent);
    return { kind, id, fence: Number(number), run: tokens };
  }
  if (kind === 'revoked') return { kind, id, grace: Number(number) };
  if (kind === 'look-in') return { kind, id, ms: Number(number) };
  return undefined;
}

interface StoredInfo {
  holders: {
    mode: 'w' | 'r';
    fence: number;
    meta: string;
    most: number | null;
    ttl: number;
    since: number;
  }[];
  waiters: number;
  waiting: { mode: 'w' | 'r'; meta: string; since: number }[];
  rests: number | null;
}

/** Reads what the database tells of a lock. */
export function readInfo(key: string, text: string | null | undefined): LockInfo | null {
  if (!text) return null;
  const { holders, waiters, waiting, rests } = JSON.parse(text) as StoredInfo;
  const mode = (holders[0] ?? waiting[0])?.mode === 'r' ? 'read' : 'write';
  const limits = holders.flatMap(({ most }) => most ?? []);
  return {
    key,
    mode,
    ...(limits.length > 0 && { limit: limits.reduce((least, limit) => Math.min(least, limit)) }),
    waiters,
    holders: holders.map(({ fence, ttl, since, meta }) => ({ fence, ttl, since, meta: JSON.parse(meta) })),
    waiting: waiting.map(({ mode, since, meta }) => ({
      mode: mode === 'r' ? 'read' : 'write',
      since,
      meta: JSON.parse(meta),
    })),
    ...(rests !== null && { restsUntil: rests }),
  };
}
