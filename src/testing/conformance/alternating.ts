import type { LockDriver } from '../../lease/driver.js';

/**
 * One driver made of two on one backend. Tokens go to the two in turn, and each stays with its driver. What holds for one
 * driver must hold for this one too.
 */
export function alternating(one: LockDriver, other: LockDriver): LockDriver {
  const drivers = [one, other];
  const byToken = new Map<string, LockDriver>();
  let turn = 0;
  const next = () => drivers[turn++ % 2]!;
  const of = ({ token }: { token: string }) => {
    const driver = byToken.get(token) ?? next();
    byToken.set(token, driver);
    return driver;
  };
  return {
    acquire: (request) => of(request).acquire(request),
    extend: (grant, ttl) => of(grant).extend(grant, ttl),
    release: (grant, keepFor) => of(grant).release(grant, keepFor),
    inspect: (key) => next().inspect(key),
    ...(one.list && { list: (prefix) => next().list!(prefix) }),
    ...(one.revoke && { revoke: (key, fence, grace) => next().revoke!(key, fence, grace) }),
    ping: async () => void (await Promise.all(drivers.map((driver) => driver.ping()))),
    close: async () => void (await Promise.all(drivers.map((driver) => driver.close()))),
  };
}
