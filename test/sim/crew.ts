import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Batch, Result } from './worker.js';

// A worker is asked so often that the progress is seen, and so seldom that it costs nothing.
const BATCH = 50;

export interface CrewOptions {
  /** The first. */
  readonly seed: number;
  /** How many. */
  readonly seeds: number;
  /** ms after which no batch begins. */
  readonly time: number;
  readonly scenario?: string | undefined;
  /** Where the workers' code is. */
  readonly worker?: string;
  /** What came of each seed; true: it is enough. */
  readonly onResult: (result: Result) => boolean;
}

/** Runs seeds on all processors. */
export async function runCrew(options: CrewOptions): Promise<void> {
  const { seed, seeds, time, scenario, onResult } = options;
  const worker = options.worker ?? fileURLToPath(new URL('./worker.js', import.meta.url));
  const started = performance.now();
  let next = 0;
  let enough = false;
  const take = (): Batch | undefined => {
    if (enough || next >= seeds || performance.now() - started > time) return undefined;
    const batch = { seed: seed + next, seeds: Math.min(BATCH, seeds - next), scenario };
    next += BATCH;
    return batch;
  };
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(worker);
      const go = () => {
        const batch = take();
        if (batch) child.send(batch);
        else child.disconnect();
      };
      child.on('message', (results: Result[]) => {
        for (const result of results) enough = onResult(result) || enough;
        go();
      });
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      go();
    });
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), Math.ceil(seeds / BATCH)) }, work));
}
