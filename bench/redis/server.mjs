/** A Redis of our own on a free port of this machine, without persistence; and what it says of itself. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { mind } from '../lib/children.mjs';
import { freePort } from '../lib/port.mjs';

export class Server {
  /** @type {Redis} */
  #admin;
  #process;
  url;

  static async start() {
    const server = new Server();
    const port = await freePort();
    const options = [
      '--port',
      port,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      '/tmp',
    ];
    server.#process = mind(spawn('redis-server', options.map(String), { stdio: 'ignore' }));
    server.url = `redis://127.0.0.1:${port}`;
    server.#admin = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    server.#admin.on('error', () => {});
    while ((await server.#admin.ping()) !== 'PONG') await sleep(10);
    return server;
  }

  reset = () => this.#admin.call('CONFIG', 'RESETSTAT');
  flush = () => this.#admin.flushall();

  /** How often each command ran since the reset, those of scripts among them. */
  async commands() {
    const info = await this.#admin.info('commandstats');
    return new Map(
      [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, calls]) => [name, +calls]),
    );
  }

  /** Bytes in and out since the reset. */
  async bytes() {
    const info = await this.#admin.info('stats');
    const field = (name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)[1]);
    return field('total_net_input_bytes') + field('total_net_output_bytes');
  }

  /** ms of CPU it has used. */
  async cpu() {
    const info = await this.#admin.info('cpu');
    const field = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)[1]);
    return (field('used_cpu_sys') + field('used_cpu_user')) * 1e3;
  }

  async stop() {
    this.#admin.disconnect();
    this.#process.kill('SIGKILL');
  }
}
