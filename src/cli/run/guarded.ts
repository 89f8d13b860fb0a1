import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT, Exit, ofSignal } from '../exit.js';
import { type FromGuard, now, type ToGuard } from './protocol.js';

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url));

export interface Ended {
  /** What the command exited with; 128 and the number of the signal that ended it. */
  readonly code: number;
  /** It was ended because its lease was not renewed in time. */
  readonly late: boolean;
}

/** A guard process, which runs one command. */
export class GuardedCommand {
  readonly #guard: ChildProcess;
  #group: number | undefined;
  #resolve!: (ended: Ended) => void;
  #reject!: (reason: Error) => void;
  /** Settles when nothing of the command is left. */
  readonly ended = new Promise<Ended>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  constructor() {
    // In a session of its own, so that what is typed in the terminal reaches `latchkey` alone.
    this.#guard = fork(GUARD, {
      detached: true,
      execArgv: [],
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#guard.on('message', (message: FromGuard) => this.#hear(message));
    this.#guard.on('error', (error) =>
      this.#reject(new Exit(EXIT.fault, `the guard failed: ${error.message}`)),
    );
    this.#guard.on('exit', () => this.#abandoned());
  }

  /** Starts the command, whose lease ends in `left` ms unless it is renewed. */
  start(command: string, args: readonly string[], env: Record<string, string>, left: number): void {
    this.#tell({ what: 'start', command, args, env, until: now() + left });
  }

  renewed(left: number): void {
    this.#tell({ what: 'until', until: now() + left });
  }

  /** Has the command gone in `left` ms. */
  end(left: number): void {
    this.#tell({ what: 'end', until: now() + left });
  }

  signal(signal: NodeJS.Signals): void {
    this.#tell({ what: 'signal', signal });
  }

  #tell(message: ToGuard): void {
    if (this.#guard.connected) this.#guard.send(message, () => {});
  }

  #hear(message: FromGuard): void {
    if (message.what === 'started') this.#group = message.group;
    else if (message.what === 'failed') this.#reject(cannotStart(message.code));
    else {
      const { code, signal, late } = message;
      this.#group = undefined;
      this.#resolve({ code: signal ? ofSignal(signal) : code!, late });
    }
  }

  /** The guard is gone, and has not told of the end before. */
  #abandoned(): void {
    if (this.#group !== undefined) {
      try {
        process.kill(-this.#group, 'SIGKILL');
      } catch {
        // Nothing is left of it.
      }
    }
    this.#reject(new Exit(EXIT.fault, 'the guard of the command was killed, and so was the command'));
  }
}

function cannotStart(code: string): Exit {
  // The latter for an empty name.
  if (code === 'ENOENT' || code === 'ERR_INVALID_ARG_VALUE')
    return new Exit(EXIT.notFound, 'the command was not found');
  return new Exit(EXIT.cannotRun, `the command cannot be run: ${code}`);
}
