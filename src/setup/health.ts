import type { DriverStatus, LockRegistry } from '../registry.js';
import { withoutLogin } from '../text/without-login.js';

/** Whether each driver in use serves, by names such as `lock.redis`. Never rejects. */
export async function lockHealth(registry: LockRegistry): Promise<Record<string, DriverStatus>> {
  const drivers = await registry.ping();
  return Object.fromEntries([...drivers].map(([driver, status]) => [`lock.${withoutLogin(driver)}`, status]));
}
