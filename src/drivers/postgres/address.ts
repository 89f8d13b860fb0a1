/** Options of `pg` that an address may say, too. */
interface Place {
  user?: unknown;
  password?: unknown;
  host?: unknown;
  port?: unknown;
  database?: unknown;
}

/** Where to connect to: an address, and the password where it has none. */
export interface Completed {
  readonly connectionString: string;
  /** Text, or a function that gives it. */
  readonly password?: unknown;
}

/** The address, and from the options what it leaves open: `pg` itself takes nothing from them that it could say. */
export function completed(address: string, { user, password, host, port, database }: Place): Completed {
  const known = read(address);
  if (!known) return { connectionString: address };
  const { url, hostname } = known;
  const says = (name: string, value: string) => value !== '' || url.searchParams.has(name);
  const open: [string, unknown][] = [];
  if (!says('user', url.username)) open.push(['user', user]);
  // The port is that of the host.
  if (!says('host', hostname)) {
    open.push(['host', host]);
    if (!says('port', url.port)) open.push(['port', port]);
  }
  const added = open
    .filter(([, value]) => typeof value === 'string' || typeof value === 'number')
    .map(([name, value]) => `${name}=${encodeURIComponent(value as string)}`);
  const [base = '', ...query] = address.split('?');
  const named = url.pathname.length > 1 || typeof database !== 'string';
  const path = named ? base : `${base.replace(/\/$/, '')}/${encodeURI(database)}`;
  const params = [...query, ...added].join('&');
  const connectionString = params ? `${path}?${params}` : path;
  return says('password', url.password) ? { connectionString } : { connectionString, password };
}

function read(address: string): { url: URL; hostname: string } | undefined {
  try {
    if (URL.canParse(address)) {
      const url = new URL(address);
      return { url, hostname: url.hostname };
    }
    // A login before no host is no URL, but `pg` takes it.
    return { url: new URL(address.replace('@/', '@none/')), hostname: '' };
  } catch {
    return undefined;
  }
}
