import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './port.js';
import { type Deferred, deferred, sleep } from './wait.js';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** An answer was swallowed: whatever came after it would be taken for it. */
  holed: boolean;
}

/**
 * A TCP proxy to a port of 127.0.0.1, for faults of the network. It lives in this process, so
 * `blockEventLoop` blocks it too.
 */
export class TcpProxy {
  readonly #links = new Set<Link>();
  readonly #listener = createServer({ allowHalfOpen: true }, (client) => this.#connect(client));
  #delay = 0;
  #gate: Deferred<void> | undefined;
  #swallow = 0;

  constructor(
    readonly port: number,
    /** Where new connections lead to. */
    public targetPort: number,
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** How many connections are open through it. */
  get connections(): number {
    return this.#links.size;
  }

  /** Holds every byte back for `ms`, each way. */
  delay(ms: number): void {
    this.#delay = ms;
  }

  /** Accepts connections and bytes and passes nothing on, either way, until `passThrough`. */
  blackhole(): void {
    this.#gate ??= deferred();
  }

  /**
   * Ends `delay`, `blackhole` and `dropReplies`. Bytes a black hole kept arrive late, as TCP has it; a
   * connection that lost an answer is reset.
   */
  passThrough(): void {
    this.#delay = 0;
    this.#swallow = 0;
    for (const link of this.#links) if (link.holed) reset(link);
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /**
   * Passes commands on and swallows what the server sends: everything until `passThrough`, or the next
   * `count` packets. A connection that lost an answer gets nothing more.
   */
  dropReplies(count = Number.POSITIVE_INFINITY): void {
    this.#swallow = count;
  }

  /** Ends the server's side of all connections; what clients still send is passed on. */
  halfClose(): void {
    for (const { client } of this.#links) client.end();
  }

  /** Breaks all connections with a RST, to the client and to the server. */
  reset(): void {
    for (const link of this.#links) reset(link);
  }

  /** Refuses new connections until `accept`; those that are open stay. */
  refuse(): void {
    this.#listener.close();
  }

  accept(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(this.port, '127.0.0.1', () => {
        this.#listener.off('error', reject);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.refuse();
    this.reset();
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  #connect(client: Socket): void {
    const server = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const link: Link = { client, server, holed: false };
    this.#links.add(link);
    this.#pump(client, server, () => true);
    this.#pump(server, client, () => this.#passesReply(link));
    for (const socket of [client, server]) {
      socket.on('error', () => reset(link));
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) this.#links.delete(link);
      });
    }
  }

  #pump(from: Socket, to: Socket, passes: () => boolean): void {
    let last = Promise.resolve();
    const inOrder = (act: () => void) => {
      const due = performance.now() + this.#delay;
      last = last.then(async () => {
        const rest = due - performance.now();
        if (rest > 0) await sleep(rest);
        while (this.#gate) await this.#gate.promise;
        act();
      });
    };
    from.on('data', (chunk) =>
      inOrder(() => {
        if (passes() && to.writable) to.write(chunk);
      }),
    );
    from.on('end', () => inOrder(() => to.end()));
  }

  #passesReply(link: Link): boolean {
    if (link.holed) return false;
    if (this.#swallow === 0) return true;
    this.#swallow -= 1;
    link.holed = true;
    return false;
  }
}

/** Starts a proxy on a free port of 127.0.0.1 that passes everything on, at first. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(await freePort(), targetPort);
  await proxy.accept();
  return proxy;
}

function reset({ client, server }: Link): void {
  for (const socket of [client, server]) {
    // Node loses a socket that is reset while it is being shut down: the process does not exit then.
    if (socket.writableEnded) socket.destroy();
    else socket.resetAndDestroy();
  }
}
