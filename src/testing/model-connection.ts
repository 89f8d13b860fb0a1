import type { Clock } from '../core/clock.js';
import { type Outcome, StoreError } from '../engine/store.js';
import { ModelLane } from './model-lane.js';
import type { ModelMessage } from './model-lock.js';
import type { ModelReceiver, ModelServer } from './model-server.js';

/** What a connection does to what passes; may be changed at any time. */
export interface ModelLink {
  /**
   * ms that the next call, answer or message takes. What comes over one connection keeps its order; messages have one of their
   * own where the store is not `ordered`. Default 0.
   */
  latency: (what: 'call' | 'answer' | 'message') => number;
  /** The copies of the next message that arrive, each so many ms late; `[]`: it is lost. Default `[0]`. */
  message: () => readonly number[];
  /**
   * How much of what has arrived over a connection is read at once, at most. Of that, messages are told before anybody learns of an
   * answer. Default 1.
   */
  reads: () => number;
}

export interface ModelStoreOptions {
  readonly process: string;
  readonly clock: Clock;
  readonly toServer: Clock;
  readonly toProcess: Clock;
  readonly ordered: boolean;
  readonly link: ModelLink;
}

/** One connection, from when it is made until it is lost. Its faults come on command. */
export class ModelConnection implements ModelReceiver {
  ready = false;
  readonly #server: ModelServer;
  readonly #options: ModelStoreOptions;
  readonly #onMessage: (key: string, message: ModelMessage, asOf: number) => void;
  readonly #toServer: ModelLane;
  readonly #toProcess: ModelLane;
  readonly #messages: ModelLane;
  readonly #pending = new Set<(error: StoreError) => void>();
  /** When that call was sent whose answer the server sent last. */
  #answeredSentAt = -Infinity;

  constructor(
    server: ModelServer,
    options: ModelStoreOptions,
    onMessage: (key: string, message: ModelMessage, asOf: number) => void,
  ) {
    this.#server = server;
    this.#options = options;
    this.#onMessage = onMessage;
    const { ordered, toServer, toProcess, link } = options;
    const reads = () => link.reads();
    this.#toServer = new ModelLane(toServer, { receiverBlockedUntil: () => server.blockedUntil });
    this.#toProcess = new ModelLane(toProcess, { reads });
    this.#messages = ordered ? this.#toProcess : new ModelLane(toProcess, { reads });
  }

  open(ready: () => void): void {
    const { clock, link } = this.#options;
    const sentAt = clock.now();
    this.#toServer.send(link.latency('call'), () => {
      this.#server.subscribe(this.#options.process, this);
      this.#answeredSentAt = sentAt;
      this.#toProcess.send(link.latency('answer'), () => {
        this.ready = true;
        ready();
      });
    });
  }

  call<T>(what: string, run: () => T): Promise<T> {
    const { clock, link } = this.#options;
    const sentAt = clock.now();
    return new Promise((resolve, reject) => {
      this.#pending.add(reject);
      this.#toServer.send(link.latency('call'), () => {
        const { refusal } = this.#server;
        const answer = refusal ? refused(what, refusal) : run();
        this.#answeredSentAt = sentAt;
        this.#toProcess.send(link.latency('answer'), () => {
          this.#pending.delete(reject);
          if (answer instanceof StoreError) reject(answer);
          else resolve(answer);
        });
      });
    });
  }

  receive(key: string, message: ModelMessage): void {
    const { ordered, link, toProcess } = this.#options;
    const asOf = ordered ? this.#answeredSentAt : -Infinity;
    for (const late of link.message()) {
      const arrive = () => this.#onMessage(key, message, asOf);
      if (late === 0) this.#messages.send(link.latency('message'), arrive);
      else toProcess.after(late, () => this.#messages.send(link.latency('message'), arrive));
    }
  }

  cut(runLate: number | undefined, serverKnows: number): void {
    const calls = this.#toServer.cut();
    this.#toProcess.cut();
    this.#messages.cut();
    if (runLate !== undefined) {
      this.#options.toServer.after(runLate, () => {
        for (const call of calls) call();
      });
    }
    const know = () => this.#server.unsubscribe(this.#options.process, this);
    if (serverKnows > 0) this.#server.clock.after(serverKnows, know);
    else know();
  }

  /** What is on its way rejects. */
  end(fault: StoreError): void {
    this.ready = false;
    for (const reject of this.#pending) reject(fault);
    this.#pending.clear();
  }

  silence(ms: number): void {
    for (const lane of [this.#toServer, this.#toProcess, this.#messages]) lane.silence(ms);
  }
}

function refused(what: string, outcome: Outcome): StoreError {
  return new StoreError(`${what}: the server refused it`, outcome);
}
