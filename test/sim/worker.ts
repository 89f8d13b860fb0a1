import { planOf } from './scenarios.js';
import { simulate } from './simulation.js';

/** Seeds to run: `seed`, `seed + 1` and so on. */
export interface Batch {
  readonly seed: number;
  readonly seeds: number;
  readonly scenario?: string | undefined;
}

/** What came of one seed. */
export interface Result {
  readonly seed: number;
  readonly scenario: string;
  readonly lasted: number;
  readonly requests: number;
  readonly granted: number;
  readonly judge?: string;
}

export async function runBatch({ seed, seeds, scenario }: Batch): Promise<Result[]> {
  const results: Result[] = [];
  for (let each = seed; each < seed + seeds; each++) {
    const { plan, lasted, requests, granted, violations } = await simulate(planOf(each, scenario));
    const [first] = violations;
    const found = first && { judge: first.judge };
    results.push({ seed: each, scenario: plan.scenario, lasted, requests, granted, ...found });
  }
  return results;
}

process.on('message', (batch: Batch) => {
  void runBatch(batch).then((results) => process.send?.(results));
});
