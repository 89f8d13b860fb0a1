/** A child process of the PostgreSQL benchmarks: a session of one contender, and what is done with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '../lib/children.mjs';
import { connected, contenders } from './contenders.mjs';

/** Of the machine, so that two processes can compare. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

let session;
let client;
let release;

serve({
  async connect(id, url) {
    session = await contenders[id].connect(url);
    client = await connected(url);
    await client.query(`CREATE TABLE IF NOT EXISTS ping_${process.pid} AS SELECT 0 AS n`);
    // The code has run.
    await (await session.acquire(`warm-up-${process.pid}`))();
  },

  async close() {
    await client.end();
    await session.close();
  },

  async hold(key) {
    release = await session.acquire(key);
  },

  /** When the release was asked for. */
  async release() {
    const at = now();
    await release();
    return at;
  },

  /** When the key was held. */
  async take(key) {
    const release = await session.acquire(key);
    const at = now();
    await release();
    return at;
  },

  /** ms that one commit and one SELECT 1 take. */
  async commit() {
    const from = now();
    await client.query(`UPDATE ping_${process.pid} SET n = n + 1`);
    await client.query('SELECT 1');
    return now() - from;
  },

  /** `callers` take the key and work, again and again until `end`. */
  async contend(key, callers, workMs, end) {
    let holds = 0;
    let work = 0;
    const caller = async () => {
      while (now() < end) {
        const release = await session.acquire(key);
        const entered = now();
        await sleep(workMs);
        if (now() < end) {
          holds++;
          work += now() - entered;
        }
        await release();
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return { holds, work };
  },
});
