import type { Cluster, Redis } from 'ioredis';

/** An ioredis client of ours. */
export type Client = Redis | Cluster;

export interface EndpointEvents {
  /** Commands may be sent and messages come, for the first time or again: messages may have been missed. */
  ready(): void;
  /** No commands may be sent; told again when connecting fails for another reason. What is on its way may have been done. */
  lost(): void;
  /** Of the channel of this process. */
  message(text: string): void;
}

/** The servers behind an address. It connects by itself, and again, for as long as it is open. */
export interface Endpoint {
  readonly client: Client;
  readonly ready: boolean;
  /** Why it is not ready. */
  readonly fault: Error | undefined;
  /** Whether the servers can tell how many subscribe to a channel. */
  readonly countsSubscribers: boolean;
  /**
   * `clock.now()` of before the server did what a message that came just now tells of; -Infinity where that cannot be
   * said.
   */
  readonly messageAsOf: number;
  open(events: EndpointEvents): void;
  /** A command goes out: now, by `clock.now()`. */
  sending(): number;
  /** It was answered; `asOf` is when it was sent, -Infinity where it failed. */
  answered(asOf: number): void;
  /** A command could not be written. */
  unwritable(): void;
  /** Which server keeps the key, as far as is known. */
  serverOf(key: string): string;
  /** One client for each server that holds keys. */
  primaries(): readonly Redis[];
  /** @throws Error where a server does not answer */
  ping(): Promise<void>;
  close(): void;
}
