import { postgresDriver } from '../../../../src/drivers/postgres/driver.js';
import type { LentPool, PostgresOptions } from '../../../../src/drivers/postgres/options.js';
import type { LockDriver } from '../../../../src/lease/driver.js';

export * from '../../support/calls.js';

const opened: LockDriver[] = [];

/** A driver, closed by `closeAll`; connected unless `cold`. */
export async function open(postgres: LentPool | PostgresOptions, cold = false): Promise<LockDriver> {
  const driver = await postgresDriver(postgres);
  opened.push(driver);
  if (!cold) await driver.ping();
  return driver;
}

export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((driver) => driver.close()));
}
