import type { Redis } from 'ioredis';

/** ioredis listens for one error of a socket. Where TLS is broken, a write gives a second one, which would end the process. */
export function takeSocketErrors(client: Redis): void {
  client.on('connect', () => void client.stream.on('error', () => {}));
}
