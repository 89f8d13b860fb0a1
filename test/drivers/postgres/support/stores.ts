import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../../src/core/clock.js';
import { lockName } from '../../../../src/core/key.js';
import { systemRandom } from '../../../../src/core/random.js';
import { dialler } from '../../../../src/drivers/postgres/client.js';
import type { LentPool, PostgresOptions } from '../../../../src/drivers/postgres/options.js';
import { PostgresStore } from '../../../../src/drivers/postgres/store.js';
import type { Claim, ClaimId, Granted, Place, StoreError } from '../../../../src/engine/store.js';
import type { PostgresServer } from '../../../support/postgres-server.js';
import { until } from '../../../support/wait.js';

export interface Event {
  kind: 'ready' | 'lost' | 'granted' | 'revoked' | 'look-in';
  id?: ClaimId;
  fence?: number;
  ms?: number;
}

/** A store, and all it told. */
export interface Process {
  readonly store: PostgresStore;
  readonly events: Event[];
  /** The first event of this kind that is about this token. */
  event(kind: Event['kind'], token?: string): Promise<Event>;
}

const opened: PostgresStore[] = [];

/** A store of its own, as of another process; closed by `closeStores`. */
export async function processOn(
  postgres: LentPool | PostgresOptions,
  { cold = false } = {},
): Promise<Process> {
  const store = new PostgresStore(await dialler(postgres), { clock: systemClock, random: systemRandom });
  opened.push(store);
  const events: Event[] = [];
  store.open({
    ready: () => events.push({ kind: 'ready' }),
    lost: () => events.push({ kind: 'lost' }),
    granted: (id, { fence }) => events.push({ kind: 'granted', id, fence }),
    revoked: (id, ms) => events.push({ kind: 'revoked', id, ms }),
    lookIn: (key, ms) => events.push({ kind: 'look-in', id: { key, token: '' }, ms }),
  });
  const event = (kind: Event['kind'], token?: string) =>
    until(
      () => events.find((each) => each.kind === kind && (token === undefined || each.id?.token === token)),
      20_000,
      `${kind} ${token ?? ''} among ${JSON.stringify(events)}`,
    );
  if (!cold) await event('ready');
  return { store, events, event };
}

export async function closeStores(): Promise<void> {
  await Promise.all(opened.splice(0).map((store) => store.close()));
}

export const freshKey = (): string => lockName(`${randomUUID()}:`, 'key');

export const PLACE: Place = { vouchFor: 30_000 };

/** A writer's claim for 10 s. */
export const claimOf = (key: string, token: string, more: Partial<Claim> = {}): Claim => ({
  key,
  token,
  mode: 'write',
  limit: Number.POSITIVE_INFINITY,
  ttl: 10_000,
  meta: {},
  ...more,
});

/** A claim that must be granted at once. */
export async function take(
  { store }: Process,
  key: string,
  token: string,
  more: Partial<Claim> = {},
): Promise<Granted> {
  const answer = await store.claim(claimOf(key, token, more));
  if (!answer.granted) throw new Error(`expected ${token} to be granted ${key}`);
  return answer;
}

/** A claim that must be given a place. */
export async function queue(
  { store }: Process,
  key: string,
  token: string,
  more: Partial<Claim> = {},
  place = PLACE,
) {
  const answer = await store.claim(claimOf(key, token, more), place);
  if (answer.granted) throw new Error(`expected ${token} to wait for ${key}`);
  return answer;
}

export const faultOf = (promise: Promise<unknown>): Promise<StoreError> =>
  promise.then(
    (value) => Promise.reject(new Error(`expected a rejection, got ${JSON.stringify(value)}`)),
    (error: StoreError) => error,
  );

/** Whether at least so many sessions wait for a lock. */
export async function waitsForLocks(server: PostgresServer, many: number): Promise<boolean> {
  const rows = await server.ask(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
  return rows.length >= many;
}
