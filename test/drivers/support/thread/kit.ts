import { afterEach, expect } from '@jest/globals';
import type { Locker } from '../../../../src/lease/locker.js';
import type { Worker } from '../../../support/process.js';
import { type DriverName, threadChild } from './child.js';

/** A backend whose leases a thread can renew. */
export interface ThreadBackend {
  readonly driver: DriverName;
  /** What a bundle must have beside it, below `dist/drivers`. */
  readonly workerFile: string;
  /** How many leases are tried under a block: so many keys in each process, so often. */
  readonly trials: { readonly processes: number; readonly keys: number; readonly rounds: number };
  /** Of the server; only while a test runs. */
  readonly url: () => string;
  /** A locker of this process, which competes with those of the children. */
  readonly rival: () => Locker;
  /** Removes the hold of this key behind its holder's back. */
  readonly steal: (key: string) => Promise<unknown>;
}

/** Child processes of the tests of one file. */
export class Children {
  readonly #driver: DriverName;
  readonly #url: () => string;
  readonly #workers: Worker[] = [];

  /** They are killed after each test. */
  constructor(driver: DriverName, url: () => string) {
    this.#driver = driver;
    this.#url = url;
    afterEach(async () => {
      const workers = this.#workers.splice(0);
      for (const worker of workers) worker.kill('SIGKILL');
      await Promise.all(workers.map(({ exited }) => exited));
    });
  }

  /** Runs this source after that of `threadChild`. */
  start(source: string, env: Readonly<Record<string, string>> = {}): Worker {
    return this.adopt(threadChild(this.#driver, source, { URL: this.#url(), ...env }));
  }

  adopt(worker: Worker): Worker {
    this.#workers.push(worker);
    return worker;
  }
}

/** Resolves when the process has ended by itself. */
export async function finished(worker: Worker): Promise<void> {
  const exit = await worker.exited;
  const errors = exit.code === 0 ? '' : worker.stderr();
  expect({ ...exit, errors }).toEqual({ code: 0, signal: null, errors: '' });
}
