import type { AcquireRequest, Grant } from '../../lease/driver.js';

/** A hold on the server. Inside this process it may serve several requests, one after the other. */
export interface Hold {
  /** Who asked Redis for it: the first request. */
  readonly asker: string;
  /** What Redis knows it by: the token of the first request. */
  readonly token: string;
  /** Whom it serves now. */
  request: AcquireRequest;
  /** Of whom it serves now. */
  fence: number;
  /** The server has given us all fences up to this one. */
  readonly lastFence: number;
  validUntil: number;
}

// Fences that the acquiring of a writer reserves, so that the hold can be handed on inside the process.
export const FENCE_BLOCK = 64;

/**
 * Until when a time of `ttl` ms, which the server began to count after `sentAt`, has surely not ended there: 1 ms less
 * because it counts in whole ones, and a thousandth less because clocks do not tick alike.
 */
export function surelyUntil(sentAt: number, ttl: number): number {
  return sentAt + ttl - 1 - ttl / 1_000;
}

export function grantOf({ request: { key, token, mode }, fence, validUntil }: Hold): Grant {
  return { key, token, mode, fence, validUntil };
}
