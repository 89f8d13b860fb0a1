import { startRedis } from '../../support/redis-server.js';
import { clockSuite } from '../support/clock-suite.js';
import { closeAll, open } from './support/rig.js';

clockSuite(async (env) => {
  const server = await startRedis({ env });
  return {
    open: () => open(server.url),
    now: async () => Number((await server.ask((client) => client.time()))[0]) * 1_000,
    stop: () => server.stop(),
  };
}, closeAll);
