/** The Redis keys of a lock, in the order of the scripts' KEYS. */
export function redisKeys(name: string): string[] {
  // A bare name, from who uses the driver without a locker, becomes its own hash tag: all must lie in one slot.
  const lock = name.endsWith('}') ? name : `{${name}}`;
  return [lock, `${lock}:readers`, `${lock}:queue`, `${lock}:waiters`, `${lock}:fence`];
}
