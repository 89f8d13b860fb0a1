import { postgresDriver } from '../../../../src/drivers/postgres/driver.js';
import type { LentPool, PostgresOptions } from '../../../../src/drivers/postgres/options.js';
import type { LockDriver } from '../../../../src/lease/driver.js';
import { until } from '../../../support/wait.js';
import { connected } from '../../support/calls.js';

export * from '../../support/calls.js';

const opened: LockDriver[] = [];

/** A driver, closed by `closeAll`; connected unless `cold`. */
export async function open(postgres: LentPool | PostgresOptions, cold = false): Promise<LockDriver> {
  const driver = await postgresDriver(postgres);
  opened.push(driver);
  if (!cold) await connected(driver);
  return driver;
}

/** Resolves when the driver is connected again. */
export async function back(driver: LockDriver): Promise<void> {
  await until(() => driver.ping().then(() => true), 20_000, 'the connection');
}

export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((driver) => driver.close()));
}
