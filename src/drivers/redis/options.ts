import { checkAddressNames, checkNoUrl, kindOf } from '../../core/check.js';
import { LockUsageError } from '../../core/errors.js';
import { backOff } from './back-off.js';

/**
 * The part of an ioredis client that Latchkey uses of a client that you lend. It is duplicated, and otherwise left
 * alone.
 */
export interface LentClient {
  readonly options: object;
  readonly status: string;
  duplicate(...args: never[]): unknown;
}

/** Whether it is a client, and not options. */
export function isClient(redis: LentClient | RedisOptions): redis is LentClient {
  return typeof redis?.duplicate === 'function';
}

/** Where Redis is: a URL, or the options of ioredis. */
export interface RedisOptions {
  /**
   * `redis://`, `rediss://`, `unix://`, `redis+sentinel://h1,h2/name` or `redis+cluster://h1,h2`. Default
   * `redis://127.0.0.1:6379`. Beside it `host`, `port`, `path` and `sentinels` are left out, and `db` beside
   * that of a Cluster.
   */
  url?: string | undefined;
  [option: string]: unknown;
}

/**
 * How our connections are: never shared with anyone, they fail at once when the server is away, and leave time-outs and
 * what is sent again to us.
 */
export const CONNECTION = {
  lazyConnect: true,
  keyPrefix: '',
  connectionName: 'latchkey',
  enableOfflineQueue: false,
  enableReadyCheck: true,
  // How long ioredis waits before it asks a server again that is loading its data.
  maxLoadingRetryTime: 100,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
  connectTimeout: 2_000,
  // With more, or null, ioredis never settles what was on its way when the connection was lost.
  maxRetriesPerRequest: 0,
  monitor: false,
  readOnly: false,
  replyMapping: 'legacy',
  stringNumbers: false,
  // ioredis arms a timer of this length even for a socket that is gone, and the process would live that long.
  disconnectTimeout: 0,
  retryStrategy: backOff,
  reconnectOnError: (error: Error) => /\bREADONLY\b/.test(error.message),
  role: 'master',
  // Follows the sentinels when they announce another primary.
  failoverDetector: true,
  // A sentinel that is silent is passed over for the next; without, it would be waited for even after the end.
  sentinelCommandTimeout: 1_000,
  sentinelRetryStrategy: backOff,
  sentinelReconnectStrategy: (times: number) => 5 * backOff(times),
};

/** How our clients of a Cluster are, beside that. */
export const CLUSTER = {
  lazyConnect: true,
  keyPrefix: '',
  enableOfflineQueue: false,
  // It would ask one node at random, which may be silent.
  enableReadyCheck: false,
  enableAutoPipelining: false,
  shardedSubscribers: false,
  scaleReads: 'master',
  clusterRetryStrategy: backOff,
  clusterNodeRetryStrategy: null,
  // Nothing is sent again behind our back when its connection is lost: it may have been done.
  retryDelayOnFailover: 0,
  retryDelayOnMoved: 0,
  retryDelayOnClusterDown: 100,
  retryDelayOnTryAgain: 100,
  maxRedirections: 16,
} as const;

/** What else ioredis takes for a Cluster as a whole, and not for each of its nodes. */
const OF_CLUSTER = [
  'natMap',
  'dnsLookup',
  'resolveSrv',
  'useSRVRecords',
  'slotsRefreshTimeout',
  'slotsRefreshInterval',
];
// So that nodes that were left out for their silence are found again.
const SLOTS_REFRESH_MS = 5_000;

const URL = "`url: 'redis://host:port'`";
const OF_NODES = "`url: 'redis+cluster://host:port,host:port'`";
const CLIENT = 'the client or its options as `redis`';

/** How other clients and services call what says where Redis is. ioredis ignores it. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['uri', 'connectionstring', 'connectionurl', 'connectionuri', 'redisurl', 'redisuri', 'dsn']
      .concat(['address', 'endpoint', 'server'])
      .map((name) => [name, URL]),
  ),
  ...Object.fromEntries(
    [
      'nodes',
      'clusternodes',
      'startupnodes',
      'rootnodes',
      'cluster',
      'hosts',
      'servers',
      'addresses',
      'endpoints',
    ].map((name) => [name, OF_NODES]),
  ),
  ...Object.fromEntries(['client', 'connection', 'redis', 'config', 'options'].map((name) => [name, CLIENT])),
  socket: '`host` and `port`',
  hostname: '`host`',
  socketpath: '`path`',
  unixsocket: '`path`',
  mastername: '`name`',
  sentinelname: '`name`',
  database: '`db`',
  pass: '`password`',
};

/** @throws LockUsageError for a name that is nearly one of ours, or that says where Redis is and is not of ioredis */
export function checkAddress(redis: LentClient | RedisOptions): void {
  if (!isClient(redis)) checkAddressNames('redis', redis, ['url', ...ADDRESS], INSTEAD);
}

/** The options of ioredis that say where Redis is. */
export const ADDRESS = ['host', 'port', 'path', 'sentinels'];

// ioredis would take what it cannot read for database 0.
const NUMBERS: Readonly<Record<string, number>> = { db: Number.MAX_SAFE_INTEGER, port: 65_535 };

/** @throws LockUsageError for a number of a database or a port that is none */
export function checkNumbers(options: Readonly<Record<string, unknown>>): void {
  for (const [name, most] of Object.entries(NUMBERS)) {
    const value = options[name] ?? 0;
    const whole = typeof value === 'string' ? /^\d+$/.test(value) : Number.isInteger(value);
    if (whole && Number(value) >= 0 && Number(value) <= most) continue;
    throw new LockUsageError(`redis.${name}`, value, `a whole number from 0 to ${most}`);
  }
}

/** @throws LockUsageError for an option that the driver sets itself, and for one that is not what it should be */
export function checkOptions(options: Readonly<Record<string, unknown>>): void {
  const { redisOptions, ...others } = options;
  if (typeof redisOptions === 'object' && redisOptions !== null) {
    checkOptions(redisOptions as Record<string, unknown>);
    checkNoAddress(redisOptions as Record<string, unknown>);
  }
  checkNumbers(options);
  for (const name of ['host', 'path']) checkNoUrl(`redis.${name}`, options[name]);
  if (Array.isArray(options.sentinels))
    for (const [at, sentinel] of options.sentinels.entries())
      checkNoUrl(`redis.sentinels[${at}].host`, sentinel?.host);
  const own: Readonly<Record<string, unknown>> = { ...CLUSTER, ...CONNECTION };
  for (const [name, value] of Object.entries(others)) {
    if (!Object.hasOwn(own, name) || value === undefined || value === own[name]) continue;
    const instead = name === 'keyPrefix' ? ': set `prefix` of the locker instead' : '';
    throw new LockUsageError(`redis.${name}`, value, `left out, since the driver sets it itself${instead}`);
  }
}

/** @throws LockUsageError: for each node of a Cluster, ioredis ignores an address */
function checkNoAddress(ofNodes: Readonly<Record<string, unknown>>): void {
  const name = ['url', ...ADDRESS].find((each) => ofNodes[each] !== undefined && ofNodes[each] !== null);
  if (name === undefined) return;
  const instead = `left out, and ${OF_NODES} beside \`redisOptions\` in its place`;
  throw new LockUsageError(`redis.redisOptions.${name}`, kindOf(ofNodes[name]), instead);
}

/** The options of a Cluster: those for the whole, and under `redisOptions` those for each node. */
export function clusterOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { redisOptions, ...others } = options;
  const whole: Record<string, unknown> = { slotsRefreshInterval: SLOTS_REFRESH_MS };
  const node: Record<string, unknown> = { ...(redisOptions as object | undefined) };
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) (OF_CLUSTER.includes(name) ? whole : node)[name] = value;
  }
  return { ...whole, ...CLUSTER, redisOptions: { ...node, ...CONNECTION } };
}
