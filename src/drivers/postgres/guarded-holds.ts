import type { Grant } from '../../lease/driver.js';

/** What a guard needs to know of a hold. */
export interface GuardableHold {
  readonly schema: string;
  readonly key: string;
  readonly fence: number;
  guarded: boolean;
}

/** By token: the holds of all drivers of this process. */
const holds = new Map<string, GuardableHold[]>();

/** The holds of a lease; none where another driver gave it. */
export function holdsOf(token: string): readonly GuardableHold[] {
  return holds.get(token) ?? [];
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
    const others = holdsOf(token).filter((hold) => hold.key !== key);
    holds.set(token, [...others, { schema: this.#schema, key, fence, guarded: false }]);
    return grant;
  }

  /**
   * The grant, as it is to be released. One that was guarded counts as used under all its fences, so that it is not handed
   * on inside this process: the server alone knows whether the guarding transaction has ended.
   */
  remove(grant: Grant): Grant {
    const mine = holdsOf(grant.token);
    const hold = mine.find(({ key }) => key === grant.key);
    if (mine.length > 1)
      holds.set(
        grant.token,
        mine.filter((each) => each !== hold),
      );
    else if (hold) holds.delete(grant.token);
    return hold?.guarded ? { ...grant, fence: Math.max(grant.fence, hold.fence + FENCES_PER_CLAIM) } : grant;
  }
}

/** How many fences a writer's claim reserves after its own. */
export const FENCES_PER_CLAIM = 63;
