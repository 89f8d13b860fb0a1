/** Child processes that answer calls. None outlives this process. */
import { fork } from 'node:child_process';

const running = new Set();
const killAll = () => {
  for (const process of running) process.kill('SIGKILL');
};
process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Kills it when this process exits, if not before. */
export function mind(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** A process that runs a module which calls {@link serve}. */
export class Child {
  #process;
  #calls = new Map();
  #last = 0;

  /** @param {URL} module @param {string[]} [execArgv] */
  constructor(module, execArgv = []) {
    const stdio = ['ignore', 'inherit', 'pipe', 'ipc'];
    this.#process = mind(fork(module, { execArgv, stdio, serialization: 'advanced' }));
    let stderr = '';
    this.#process.stderr.on('data', (data) => {
      stderr = `${stderr}${data}`.slice(-4_000);
    });
    this.#process.on('message', ({ id, result, error }) => {
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(`in a child process: ${error}`));
    });
    this.#process.once('close', (code) => {
      for (const { reject } of this.#calls.values())
        reject(new Error(`a child exited with ${code}: ${stderr}`));
    });
  }

  /** Calls a function of the module there. */
  call(name, ...args) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#process.send({ id, name, args });
    });
  }

  kill() {
    this.#calls.clear();
    this.#process.removeAllListeners('message');
    this.#process.kill('SIGKILL');
  }
}

/** In the child: answers calls with `functions`. @param {Record<string, (...args: any[]) => unknown>} functions */
export function serve(functions) {
  process.on('message', async ({ id, name, args }) => {
    try {
      process.send({ id, result: await functions[name](...args) });
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}
