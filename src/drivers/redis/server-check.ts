const warned = new Set<string>();

/**
 * Reads the answer to INFO. An eviction policy that may evict a lock is a process warning, once a server.
 * @throws Error for a server that cannot serve: older than 6.2, or a replica. It says what is wrong, not where.
 */
export function checkServer(info: string, address: string): void {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  const version = field('redis_version');
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version && (major < 6 || (major === 6 && minor < 2))) {
    throw new Error(`it is version ${version}, and 6.2 or later is needed`);
  }
  if (field('role') === 'slave') {
    throw new Error('it is a replica, and locks need the primary');
  }
  const policy = field('maxmemory_policy');
  if (policy && policy !== 'noeviction' && !warned.has(address)) {
    warned.add(address);
    process.emitWarning(
      `Redis at ${address} may evict locks: maxmemory-policy is ${policy}, use noeviction`,
      {
        code: 'LATCHKEY_EVICTION',
      },
    );
  }
}
