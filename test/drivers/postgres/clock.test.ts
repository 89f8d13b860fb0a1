import { startPostgres } from '../../support/postgres-server.js';
import { clockSuite } from '../support/clock-suite.js';
import { closeAll, open } from './support/rig.js';

clockSuite(async (env) => {
  // The package that starts the server hands on the environment of this process.
  Object.assign(process.env, env);
  const server = await startPostgres();
  for (const name of Object.keys(env)) delete process.env[name];
  return {
    open: () => open({ url: server.url() }),
    now: async () => {
      const [row] = await server.ask<{ ms: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
      );
      return row!.ms;
    },
    stop: () => server.stop(),
  };
}, closeAll);
