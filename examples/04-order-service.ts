/**
 * An order service behind HTTP: one request at a time for each order, different orders side by side. It fires a few
 * requests at itself and ends.
 *
 *     node build/examples/04-order-service.js
 *     LOCK_PROVIDER=redis node build/examples/04-order-service.js
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { injectable } from 'inversify';
import { createApp, currentLease, lockProvider, type Provider, WithLock } from 'latchkey';

const running = new Map<string, number>();
let mostOfOne = 0;
let mostOfAll = 0;

@injectable()
class Orders {
  @WithLock('order:{0.id}', { ttl: '5s', wait: '2s' })
  async pay(order: { id: string }): Promise<string> {
    running.set(order.id, (running.get(order.id) ?? 0) + 1);
    mostOfOne = Math.max(mostOfOne, running.get(order.id)!);
    mostOfAll = Math.max(
      mostOfAll,
      [...running.values()].reduce((a, b) => a + b),
    );
    await sleep(50);
    running.set(order.id, running.get(order.id)! - 1);
    return `order ${order.id} paid under fence ${currentLease()?.fence}\n`;
  }
}

// Installed after the locks, so it stops before them: no request is left without its lock.
const http = createServer(async (request, response) => {
  try {
    response.end(await app.get(Orders).pay({ id: request.url!.slice(1) }));
  } catch (error) {
    response.writeHead(503).end(`${(error as Error).message}\n`);
  }
});
const web: Provider = {
  name: 'web',
  register: ({ container }) => void container.bind(Orders).toSelf(),
  start: async () => void (await once(http.listen(0, '127.0.0.1'), 'listening')),
  stop: async () => void (await once(http.close(), 'close')),
};

const app = await createApp().install(lockProvider, web).start();
const { port } = http.address() as AddressInfo;

const orders = ['7', '8', '7', '8', '7'];
const answers = await Promise.all(
  orders.map(async (id) => (await fetch(`http://127.0.0.1:${port}/${id}`, { method: 'POST' })).text()),
);
process.stdout.write(answers.join(''));

await app.stop();
console.log(`Of one order at most ${mostOfOne} at once, of all orders ${mostOfAll}.`);
