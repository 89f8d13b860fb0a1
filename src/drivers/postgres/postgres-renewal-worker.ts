import { systemRandom } from '../../core/random.js';
import { serveRenewals } from '../../engine/thread/serve-renewals.js';
import { dialler } from './client.js';
import type { PostgresOptions } from './options.js';
import { RenewalStore } from './renewal-store.js';

await serveRenewals(async (postgres, clock) => {
  const dialled = await dialler(postgres as PostgresOptions);
  return new RenewalStore(dialled, { clock, random: systemRandom });
});
