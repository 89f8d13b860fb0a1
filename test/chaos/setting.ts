import { lockName } from 'latchkey';

/** How a worker reaches the backend: what the driver takes, as JSON. `natMap` leads past the proxies' backs. */
export type Dial =
  | { kind: 'single'; url: string }
  | { kind: 'sentinel'; sentinels: Address[]; name: string; natMap: Record<string, Address> }
  | { kind: 'cluster'; nodes: Address[]; natMap: Record<string, Address> }
  | { kind: 'postgres'; url: string; listenUrl: string };

export interface Address {
  host: string;
  port: number;
}

/** What a worker is told at its start. */
export interface WorkerSetting {
  readonly name: string;
  readonly seed: number;
  readonly renewIn: 'main' | 'thread';
  readonly dial: Dial;
  readonly journal: string;
}

/** The lockers of a worker: name, which is also the prefix, and keys. */
export const LOCKERS: Readonly<Record<string, readonly string[]>> = {
  jobs: ['hot', 'mail', 'report', 'with {braces}'],
  orders: ['hot', '17', '18', '19'],
};

/** No hold lasts longer than this without being renewed, nor much longer than the other with. */
export const LONGEST_TTL = 1_200;
export const LONGEST_HOLD = 2_500;

/** Where a thread renews, no hold outlives a block of the event loop that is longer. */
export const MAX_BLOCK = 3_000;

export const fullName = (locker: string, key: string) => lockName(`${locker}:`, key);

/** Every lock there is, by its full name. */
export const ALL_KEYS = Object.entries(LOCKERS).flatMap(([locker, keys]) =>
  keys.map((key) => fullName(locker, key)),
);
