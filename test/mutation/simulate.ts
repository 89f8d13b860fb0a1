import { planOf } from '../sim/scenarios.js';
import { simulate } from '../sim/simulation.js';

// Ends with 1, and the judge, at the first seed of those from `first` to `last` in which a judge finds something.
const [first, last] = process.argv.slice(2).map(Number);

for (let seed = first!; seed <= last!; seed++) {
  const { violations } = await simulate(planOf(seed));
  if (violations[0]) {
    process.stdout.write(violations[0].judge);
    process.exit(1);
  }
}
process.exit(0);
