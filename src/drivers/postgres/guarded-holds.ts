import type { Grant } from '../../lease/driver.js';

/** What a guard needs to know of a hold. */
export interface GuardableHold {
  readonly schema: string;
  readonly key: string;
  readonly fence: number;
  guarded: boolean;
}

/** By token and by key: the holds of all drivers of this process. */
const holds = new Map<string, Map<string, GuardableHold>>();

/** The holds of a lease; none where another driver gave it. */
export function holdsOf(token: string): readonly GuardableHold[] {
  return [...(holds.get(token)?.values() ?? [])];
}

/** The holds of one driver, as guards find them. */
export class GuardedHolds {
  readonly #schema: string;

  constructor(schema: string) {
    this.#schema = schema;
  }

  add(grant: Grant | null): Grant | null {
    if (!grant) return null;
    const { key, token, fence } = grant;
    const mine = holds.get(token) ?? new Map<string, GuardableHold>();
    mine.set(key, { schema: this.#schema, key, fence, guarded: false });
    holds.set(token, mine);
    return grant;
  }

  /**
   * The grant, as it is to be released. One that was guarded counts as used under all its fences, so that it is not handed
   * on inside this process: the server alone knows whether the guarding transaction has ended.
   */
  remove(grant: Grant): Grant {
    const { key, token } = grant;
    const mine = holds.get(token);
    const hold = mine?.get(key);
    mine?.delete(key);
    if (mine?.size === 0) holds.delete(token);
    return hold?.guarded ? { ...grant, fence: Math.max(grant.fence, hold.fence + FENCES_PER_CLAIM) } : grant;
  }
}

/** How many fences a writer's claim reserves after its own. */
export const FENCES_PER_CLAIM = 63;
