import { LockConfigError } from '../../core/errors.js';

interface Host {
  host: string;
  port: number;
}

/** Where Redis is, in the words of ioredis. */
export type Address =
  | { kind: 'url'; url: string }
  | { kind: 'unix'; options: { path: string; username?: string; password?: string } }
  | {
      kind: 'sentinel';
      options: { sentinels: Host[]; name: string; username?: string; password?: string; db?: number };
    }
  | { kind: 'cluster'; nodes: Host[]; options: { username?: string; password?: string } };

const EXPECTED =
  'redis://host:port, rediss://host:port, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port';

/**
 * Reads a URL: `redis://`, `rediss://`, `unix://`, `redis+sentinel://h1:26379,h2:26379/name[/db]`, or
 * `redis+cluster://h1:7000,h2:7000`, each with `user:password@` before the hosts if need be.
 * @throws LockConfigError, which does not show the URL: a password may stand in it.
 */
export function parseAddress(url: string): Address {
  const match =
    /^(redis|rediss|unix|redis\+sentinel|redis\+cluster):\/\/(?:([^/?]*)@)?([^/?]*)(?:\/([^?]*))?/.exec(url);
  if (!match) throw new LockConfigError(`expected the Redis URL to be ${EXPECTED}`);
  const [, scheme, userinfo, authority = '', path = ''] = match;
  const login = parseLogin(userinfo);
  if (scheme === 'unix') return { kind: 'unix', options: { path: `${authority}/${path}`, ...login } };
  const [name, ...rest] = scheme === 'redis+sentinel' ? path.split('/') : ['', path];
  const db = rest.join('/');
  // ioredis would take what it cannot read for database 0.
  if (!/^\d*$/.test(db) || (db && scheme === 'redis+cluster'))
    throw new LockConfigError('expected the database in the Redis URL to be a number; a Cluster has none');
  if (scheme === 'redis' || scheme === 'rediss') return { kind: 'url', url };
  if (scheme === 'redis+cluster')
    return { kind: 'cluster', nodes: parseHosts(authority, 6379), options: login };
  if (!name) throw new LockConfigError(`expected the Redis URL to name the primary: ${EXPECTED}`);
  const sentinels = parseHosts(authority, 26379);
  return { kind: 'sentinel', options: { sentinels, name, ...login, ...(db && { db: Number(db) }) } };
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

function parseHosts(authority: string, defaultPort: number): Host[] {
  const hosts = authority.split(',').map((text) => {
    const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text) ?? [];
    return { host: host?.replace(/^\[|\]$/g, '') ?? '', port: Number(port ?? defaultPort) };
  });
  if (hosts.some(({ host }) => host === ''))
    throw new LockConfigError(`expected the Redis URL to be ${EXPECTED}`);
  return hosts;
}
