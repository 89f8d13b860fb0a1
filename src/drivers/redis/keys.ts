/** The Redis key of a lock's holders, which stands for the lock. */
export function lockKey(name: string): string {
  // A bare name, from who uses the driver without a locker, becomes its own hash tag: all must lie in one slot.
  return name.endsWith('}') ? name : `{${name}}`;
}

/** The Redis keys of a lock, in the order of the scripts' KEYS. */
export function redisKeys(name: string): string[] {
  const lock = lockKey(name);
  return [lock, `${lock}:readers`, `${lock}:queue`, `${lock}:waiters`, `${lock}:fence`];
}

/** Who asks for what: one token may ask for many keys. */
export function askerOf({ key, token }: { key: string; token: string }): string {
  return `${token} ${lockKey(key)}`;
}
