import { LockConfigError } from '../../core/errors.js';

interface Host {
  host: string;
  port: number;
}

/** Where Redis is, in the words of ioredis. */
export type Address =
  | { kind: 'server'; options: Record<string, unknown> }
  | { kind: 'cluster'; nodes: Host[]; options: Record<string, unknown> };

const EXPECTED =
  'redis://host:port, rediss://host:port, unix:///path, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port';

/**
 * Reads a URL: `redis://host:6379/db`, `rediss://`, `unix:///path`, `redis+sentinel://h1:26379,h2:26379/name/db`, or
 * `redis+cluster://h1:7000,h2:7000`, each with `user:password@` before the hosts if need be, and options of ioredis after a
 * question mark: those whose value is a number, a word or a boolean.
 * @throws LockConfigError, which does not show the URL: a password may stand in it.
 */
export function parseAddress(url: string): Address {
  const match =
    /^(redis|rediss|unix|redis\+sentinel|redis\+cluster):\/\/(?:([^/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(
      url,
    );
  if (!match) throw unreadable();
  const [, scheme = '', userinfo, authority = '', path = '', query = ''] = match;
  const kind = scheme.toLowerCase();
  // The hosts first: where the rest of a password is taken for a query, they are wrong.
  const hosts = kind === 'unix' || authority === '' ? [] : parseHosts(authority);
  const options = { ...parseQuery(query), ...parseLogin(userinfo) };
  if (kind === 'unix')
    return { kind: 'server', options: { ...options, path: decode(`${authority}${path}`) } };
  if (kind === 'redis+cluster') {
    if (hosts.length === 0) throw unreadable();
    if (path.length > 1 || 'db' in options) throw wrongDatabase();
    return { kind: 'cluster', nodes: hosts.map((host) => ({ port: 6379, ...host })), options };
  }
  if (kind === 'redis+sentinel') {
    const [, name, ...db] = path.split('/');
    if (hosts.length === 0) throw unreadable();
    if (!name) throw new LockConfigError(`expected the Redis URL to name the primary: ${EXPECTED}`);
    const sentinels = hosts.map((host) => ({ port: 26379, ...host }));
    return {
      kind: 'server',
      options: { ...options, sentinels, name: decode(name), ...parseDatabase(db.join('/')) },
    };
  }
  if (hosts.length > 1) throw unreadable();
  const [{ host = '127.0.0.1', port = 6379 } = {}] = hosts;
  const tls = kind === 'rediss' && { tls: {} };
  return { kind: 'server', options: { ...tls, ...options, host, port, ...parseDatabase(path.slice(1)) } };
}

const unreadable = () => new LockConfigError(`expected the Redis URL to be ${EXPECTED}`);

const wrongDatabase = () =>
  new LockConfigError('expected the database in the Redis URL to be a number; a Cluster has none');

// ioredis would take what it cannot read for database 0.
function parseDatabase(text: string): { db?: number } {
  if (!/^\d*$/.test(text)) throw wrongDatabase();
  return text === '' ? {} : { db: Number(text) };
}

function parseLogin(userinfo: string | undefined): { username?: string; password?: string } {
  if (!userinfo) return {};
  const [username, ...rest] = userinfo.split(':');
  const password = decode(rest.join(':'));
  return { ...(username && { username: decode(username) }), ...(password && { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new LockConfigError('expected the login in the Redis URL to be percent-encoded');
  }
}

function parseHosts(authority: string): { host: string; port?: number }[] {
  return authority.split(',').map((text) => {
    const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text) ?? [];
    if (host === undefined || Number(port ?? 0) > 65_535) throw unreadable();
    return { host: host.replace(/^\[|\]$/g, ''), ...(port !== undefined && { port: Number(port) }) };
  });
}

const whole = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined);
const yesOrNo = (text: string) => (text === 'true' ? true : text === 'false' ? false : undefined);
const word = (text: string) => (text === '' ? undefined : text);

/** The options of ioredis that may stand in a URL, and how they are read. */
const IN_QUERY: Readonly<Record<string, (text: string) => unknown>> = {
  db: whole,
  family: whole,
  keepAlive: whole,
  protocol: whole,
  username: word,
  password: word,
  sentinelUsername: word,
  sentinelPassword: word,
  noDelay: yesOrNo,
  disableClientInfo: yesOrNo,
  enableTLSForSentinelMode: yesOrNo,
  updateSentinels: yesOrNo,
  slotsRefreshTimeout: whole,
  slotsRefreshInterval: whole,
  useSRVRecords: yesOrNo,
};

function parseQuery(query: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    if (!Object.hasOwn(IN_QUERY, name)) {
      // Not its name: what was meant for a password may stand there.
      const names = Object.keys(IN_QUERY).join(', ');
      throw new LockConfigError(`expected the query of the Redis URL to have no other options than ${names}`);
    }
    const value = IN_QUERY[name]!(text);
    if (value === undefined)
      throw new LockConfigError(
        `expected ${name} in the Redis URL to be ${EXPECTED_VALUE.get(IN_QUERY[name]!)}`,
      );
    options[name] = value;
  }
  return options;
}

const EXPECTED_VALUE = new Map<unknown, string>([
  [whole, 'a whole number'],
  [yesOrNo, 'true or false'],
  [word, 'text that is not empty'],
]);
