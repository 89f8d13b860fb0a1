import type { TcpProxy } from '../support/proxy.js';
import type { Fault } from './faults.js';
import type { Dial } from './setting.js';

/** Servers, and the proxies through which the workers reach them. */
export interface Topology {
  readonly dial: Dial;
  readonly proxies: readonly TcpProxy[];
  /** Whether all locks are on one server. */
  readonly whole: boolean;
  /** Faults that not every topology has. */
  readonly faults: readonly Fault[];
  /** What could not be injected here, and why. */
  readonly missing: readonly string[];
  /** What the servers that hold locks now have stored. */
  look(): Promise<Stored>;
  stop(): Promise<void>;
}

export interface Stored {
  /** Locks that are held or awaited, and whatever listens for a process, in words. */
  readonly busy: readonly string[];
  /** How many locks are remembered that are neither. */
  readonly idle: number;
}
