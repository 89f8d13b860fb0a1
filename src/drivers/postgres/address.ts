/** Options of `pg` that an address may say, too. */
interface Place {
  user?: unknown;
  password?: unknown;
  host?: unknown;
  port?: unknown;
  database?: unknown;
}

/** Where to connect to: an address, and the password and the database where it has none. */
export interface Completed {
  readonly connectionString: string;
  /** Text, or a function that gives it. */
  readonly password?: unknown;
  readonly database?: string;
}

/** The address, and from the options what it leaves open: `pg` itself takes nothing from them that it could say. */
export function completed(address: string, { user, password, host, port, database }: Place): Completed {
  // What is behind a # says nothing, and what is added there would not, either.
  const [clean = ''] = encoded(address).split('#');
  const known = read(clean);
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
  const joined = added.length > 0 ? `${clean.includes('?') ? '&' : '?'}${added.join('&')}` : '';
  return {
    connectionString: clean + joined,
    ...(!says('password', url.password) && { password }),
    // Not in the address: `pg` reads some characters there in another way than it writes them.
    ...(url.pathname.length <= 1 && typeof database === 'string' && { database }),
  };
}

/** As `pg` reads an address with a space, or a percent sign that is no code: what is added to it is not to be encoded twice. */
function encoded(address: string): string {
  const isOdd = / |%(?![a-f0-9]{2})/i.test(address);
  return isOdd ? encodeURI(address).replace(/%25(\d\d)/g, '%$1') : address;
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
