/** A child process of the Redis benchmarks: sessions of one contender, and what is done with them. */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '../lib/children.mjs';
import { load } from './contenders.mjs';

/** Of the machine, so that two processes can compare. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

const WARM_UPS = 500;

let sessions = [];
let release;
let held = [];
let writes = [];
let reads = [];

serve({
  async connect(id, url, count = 1) {
    const contender = await load(id);
    sessions = await Promise.all(Array.from({ length: count }, () => contender.connect(url)));
    await Promise.all(sessions.map((session) => session.ping()));
    // The scripts are loaded, and the code is as fast as in a service that has run for a while.
    for (let i = 0; i < WARM_UPS; i++) await (await sessions[0].acquire(`warm-up-${process.pid}`))();
  },

  /** The first lease of a process that is connected: ms until it is held, and MiB that the process has grown by then. */
  async first(id, url) {
    const session = await (await load(id)).connect(url);
    const mib = () => process.memoryUsage.rss() / 2 ** 20;
    const before = mib();
    const began = now();
    const release = await session.acquire(`first-${process.pid}`);
    const ms = now() - began;
    await sleep(500);
    const grown = mib() - before;
    await release();
    await session.close();
    return { ms, mib: grown };
  },

  async close() {
    await Promise.all(sessions.map((session) => session.close()));
    sessions = [];
  },

  /** Every session takes the key and works, again and again until `end`. What began before then is finished. */
  async contend(key, workMs, start, end) {
    const waits = [];
    let holds = 0;
    let heldMs = 0;
    await sleep(Math.max(0, start - now()));
    const work = async (session) => {
      while (now() < end) {
        const asked = now();
        const release = await session.acquire(key);
        const entered = now();
        waits.push(entered - asked);
        if (workMs > 0) await sleep(workMs);
        const left = now();
        if (left < end) holds++;
        heldMs += Math.max(0, Math.min(left, end) - Math.min(entered, end));
        await release();
      }
    };
    await Promise.all(sessions.map(work));
    return { waits, holds, heldMs };
  },

  /**
   * So many callers over one connection take one of `limit` permits and work, again and again until `end`: when each of
   * them worked, and how long it waited.
   */
  async permits(key, limit, callers, workMs, start, end) {
    const holds = Array.from({ length: callers }, () => []);
    await sleep(Math.max(0, start - now()));
    const work = async (own) => {
      while (now() < end) {
        const asked = now();
        const release = await sessions[0].permit(key, limit);
        const from = now();
        await sleep(workMs);
        own.push({ waited: from - asked, from, to: now() });
        await release();
      }
    };
    await Promise.all(holds.map(work));
    return holds;
  },

  /** µs to take and give back a permit that nobody else wants, one after the other. */
  async freePermits(key, limit, times) {
    const began = now();
    for (let i = 0; i < times; i++) await (await sessions[0].permit(key, limit))();
    return ((now() - began) * 1e3) / times;
  },

  /** As contend, without an end: says how many holds there were after half of `ms`, and after all. */
  async count(key, workMs, ms) {
    let holds = 0;
    const work = async (session) => {
      for (;;) {
        const release = await session.acquire(key);
        await sleep(workMs);
        await release();
        holds++;
      }
    };
    // The process is killed afterwards.
    for (const session of sessions) work(session).catch(() => {});
    await sleep(ms / 2);
    const before = holds;
    await sleep(ms / 2);
    return [before, holds];
  },

  async hold(key) {
    release = await sessions[0].acquire(key);
  },

  /** When the release was asked for. */
  async release() {
    const at = now();
    await release();
    return at;
  },

  /** As `release`, by an event loop that is blocked for `ms` at a time; also when the release had resolved. */
  async releaseBusily(ms) {
    let busy = true;
    const block = () => {
      const end = now() + ms;
      while (now() < end);
      if (busy) setImmediate(block);
    };
    if (ms > 0) block();
    await sleep(Math.random() * ms);
    const at = now();
    await release();
    busy = false;
    return { at, until: now() };
  },

  /** When the key was held. */
  async take(key) {
    const release = await sessions[0].acquire(key);
    const at = now();
    await release();
    return at;
  },

  async ping() {
    const from = now();
    await sessions[0].ping();
    return now() - from;
  },

  /** Notes from now on when commands are written to sockets, and when something is read from them. */
  watch() {
    const { write, emit } = Socket.prototype;
    Socket.prototype.write = function (...args) {
      if (this.remotePort) writes.push(now());
      return write.apply(this, args);
    };
    Socket.prototype.emit = function (event, ...args) {
      if (event === 'data' && this.remotePort) reads.push(now());
      return emit.call(this, event, ...args);
    };
  },

  /** When the first command was written, and the first data read, after `from`; forgets the older ones. */
  seen(from) {
    const [written, read] = [writes, reads].map((times) => times.find((time) => time >= from));
    [writes, reads] = [[], []];
    return { written, read };
  },

  /** ms, and ms of this process's CPU, of `holds` of keys that nobody else wants. */
  async spend(key, callers, holds) {
    const before = process.cpuUsage();
    const began = now();
    const work = async (_, caller) => {
      for (let i = 0; i < holds / callers; i++) await (await sessions[0].acquire(`${key}-${caller}`))();
    };
    await Promise.all(Array.from({ length: callers }, work));
    const { user, system } = process.cpuUsage(before);
    return { ms: now() - began, cpu: (user + system) / 1e3 };
  },

  /** Holds a second: `callers` ask for one key at once, and again with another when all had it, for `leastMs` or more. */
  async drain(key, callers, leastMs) {
    const began = now();
    let bursts = 0;
    for (; now() - began < leastMs; bursts++) {
      const of = `${key}-${began}-${bursts}`;
      const work = async () => (await sessions[0].acquire(of))();
      await Promise.all(Array.from({ length: callers }, work));
    }
    return (bursts * callers * 1e3) / (now() - began);
  },

  async keep(count, ttl) {
    held = await Promise.all(Array.from({ length: count }, (_, i) => sessions[0].keep(`kept-${i}`, ttl)));
  },

  /**
   * While it keeps what it holds for `ms`: CPU ms of this process with all its threads, ms that its event loop was busy, and
   * how much is still held.
   */
  async keepFor(ms) {
    const before = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    await sleep(ms);
    const { user, system } = process.cpuUsage(before);
    const busy = performance.eventLoopUtilization(loop).active;
    return { cpu: (user + system) / 1e3, busy, held: held.filter((stillHeld) => stillHeld()).length };
  },
});
