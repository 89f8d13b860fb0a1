import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that nobody listens on at the moment, and neither on the port 10000 above it,
 * which a cluster node takes for its bus.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    // Below the ephemeral range, so that no outgoing connection takes it while a server restarts.
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
