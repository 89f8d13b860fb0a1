/** What is asked of an ioredis client that is lent to us: it is duplicated, and otherwise left alone. */
export interface LentClient {
  readonly options: object;
  readonly status: string;
  duplicate(...args: never[]): unknown;
}

/** Where Redis is: a URL, or the options of ioredis. */
export interface RedisOptions {
  /** `redis://`, `rediss://`, `redis+sentinel://h1,h2/name` or `redis+cluster://h1,h2`. Default `redis://127.0.0.1:6379`. */
  url?: string | undefined;
  [option: string]: unknown;
}
