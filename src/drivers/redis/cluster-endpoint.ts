import type { Cluster, Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.js';
import type { Endpoint, EndpointEvents } from './endpoint.js';
import { Silence } from './silence.js';
import { slotOf } from './slot.js';
import { takeSocketErrors } from './socket-errors.js';
import { checkInfo, probe, UnfitError } from './start-checks.js';
import { Subscriber } from './subscriber.js';
import { within } from './within.js';

// How often each node is asked whether it is still there, for commands to one say nothing of the others.
const BEAT_MS = 1_000;
// How long a node may take to answer before it is left out: of the checks at the start, and of `ping`.
const CHECK_MS = 500;
const PING_MS = 1_000;
const UNFIT_MS = 500;

/** A Cluster. A node that is silent is disconnected; the others go on. Messages come over a connection of their own. */
export class ClusterEndpoint implements Endpoint {
  readonly client: Cluster;
  readonly countsSubscribers = false;
  readonly messageAsOf = -Infinity;
  readonly #clock: Clock;
  readonly #channel: string;
  readonly #subscriber: Subscriber;
  readonly #silences = new Map<Redis, Silence>();
  readonly #checked = new WeakSet<Redis>();
  #lastListened: string | undefined;
  #events!: EndpointEvents;
  #ready = false;
  #closed = false;
  #fault: Error | undefined;
  #connection = 0;
  #nextBeat: Timer | undefined;
  #unfit: Timer | undefined;

  constructor(clock: Clock, client: Cluster, channel: string) {
    this.client = client;
    this.#clock = clock;
    this.#channel = channel;
    this.#endRefreshing();
    this.#subscriber = new Subscriber(clock, channel, {
      dial: () => this.#dialSubscriber(),
      message: (text) => this.#events.message(text),
      subscribed: () => this.#subscribed(),
      failed: (error) => this.#failed(error),
    });
  }

  get ready(): boolean {
    return this.#ready;
  }

  get fault(): Error | undefined {
    return this.#fault;
  }

  open(events: EndpointEvents): void {
    this.#events = events;
    const { client } = this;
    client.on('error', (error: Error) => this.#failed(error));
    client.on('node error', (error: Error, address: string) => {
      this.#failed(new Error(`${address}: ${error.message}`, { cause: error }));
    });
    client.on('ready', () => void this.#prepare());
    client.on('close', () => this.#lose());
    client.on('+node', takeSocketErrors);
    client.on('-node', (node: Redis) => {
      this.#silences.get(node)?.stop();
      this.#silences.delete(node);
      const listening = this.#subscriber.client;
      if (listening && addressOf(listening) === addressOf(node)) this.#subscriber.start();
    });
    client.connect().catch(() => {});
    this.#beat();
  }

  sending(): number {
    return this.#clock.now();
  }

  answered(): void {}

  /** One node says nothing about the others. */
  unwritable(): void {}

  serverOf(key: string): string {
    return this.client.slots[slotOf(key)]?.[0] ?? '';
  }

  primaries(): readonly Redis[] {
    return this.client.nodes('master');
  }

  /** @throws Error that names the nodes which do not answer */
  async ping(): Promise<void> {
    // One that was silent and is disconnected is known again when the others have named it.
    const refreshed = new Promise<void>((resolve) => this.client.refreshSlotsCache(() => resolve()));
    const asked = this.primaries();
    const [silent] = await Promise.all([this.#silentOf(asked), within(this.#clock, PING_MS, refreshed)]);
    const known = new Set(asked.map(addressOf));
    const others = this.primaries().filter((node) => !known.has(addressOf(node)));
    silent.push(...(await this.#silentOf(others)));
    if (silent.length > 0) throw new Error(`no answer from ${silent.join(', ')}`);
  }

  close(): void {
    this.#closed = true;
    this.#lose();
    this.#fault = new Error('closed');
    this.#nextBeat?.cancel();
    for (const silence of this.#silences.values()) silence.stop();
    this.client.disconnect();
  }

  /** A client of ioredis that is disconnected while it refreshes its slots goes on doing so, and keeps the process alive. */
  #endRefreshing(): void {
    const { client } = this;
    const refresh = client.refreshSlotsCache.bind(client);
    client.refreshSlotsCache = (done) => refresh((error) => !this.#closed && done?.(error));
  }

  async #silentOf(nodes: readonly Redis[]): Promise<string[]> {
    const answer = (node: Redis) =>
      node.ping().then(
        () => true,
        () => false,
      );
    const answers = await Promise.all(nodes.map((node) => within(this.#clock, PING_MS, answer(node))));
    return nodes.filter((_, i) => !answers[i]).map(addressOf);
  }

  #failed(error: Error): void {
    this.#fault = error;
    if (!this.#ready) this.#events.lost();
  }

  #lose(): void {
    this.#connection++;
    this.#unfit?.cancel();
    this.#subscriber.stop();
    this.#ready = false;
    this.#events.lost();
  }

  /** The slots are known. Some nodes at least must do, and none may be unfit. */
  async #prepare(): Promise<void> {
    const connection = this.#connection;
    if (this.#closed) return;
    const checks = this.primaries().map((node) =>
      within(this.#clock, CHECK_MS, this.#check(node)).catch((error: Error) => error),
    );
    const answers = await Promise.all(checks);
    if (connection !== this.#connection) return;
    const unfit = answers.find((answer) => answer instanceof UnfitError);
    if (!unfit && answers.includes(true)) return this.#subscriber.start();
    const fault = unfit ?? answers.find((answer) => answer instanceof Error);
    this.#failed((fault as Error | undefined) ?? new Error(`no node answered within ${CHECK_MS} ms`));
    this.#unfit = this.#clock.after(UNFIT_MS, () => void this.#prepare());
  }

  async #check(node: Redis): Promise<true> {
    const [info] = await Promise.all([node.info().catch(() => ''), probe(node, this.#channel, false)]);
    checkInfo(String(info), addressOf(node));
    this.#checked.add(node);
    return true;
  }

  #beat(): void {
    for (const node of this.primaries()) {
      if (node.status === 'wait') continue;
      const silence = this.#silences.get(node) ?? this.#watch(node);
      const answered = () => silence.answered();
      silence.asked();
      const answer = this.#checked.has(node) ? node.ping() : this.#check(node);
      (answer as Promise<unknown>).then(answered, answered);
    }
    this.#nextBeat = this.#clock.after(BEAT_MS, () => this.#beat());
    this.#nextBeat.keepAlive(false);
  }

  #watch(node: Redis): Silence {
    const silence = new Silence(this.#clock, (ms) => {
      this.#failed(new Error(`${addressOf(node)}: no answer within ${ms} ms`));
      node.disconnect();
    });
    this.#silences.set(node, silence);
    return silence;
  }

  #dialSubscriber(): Redis | undefined {
    const nodes = this.primaries().filter(({ status }) => status === 'ready');
    const others = nodes.filter((node) => addressOf(node) !== this.#lastListened);
    const choice = others.length > 0 ? others : nodes;
    const node = choice[Math.floor(Math.random() * choice.length)];
    this.#lastListened = node && addressOf(node);
    return node?.duplicate({ lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false });
  }

  #subscribed(): void {
    this.#ready = true;
    this.#fault = undefined;
    this.#events.ready();
  }
}

const addressOf = ({ options: { host, port } }: Redis) => `${host}:${port}`;
