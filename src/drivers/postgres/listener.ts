import type { Client } from 'pg';
import { type Clock, sleep } from '../../core/clock.js';
import { LockConfigError } from '../../core/errors.js';
import type { StoreError } from '../../engine/store.js';
import { isRowLocked } from './fault.js';
import type { Ask } from './link.js';

/** The session that receives this process's messages, and by which others know that it lives. */
export interface Inbox {
  /** The number of this process, in decimal. */
  readonly process: string;
  /** The number that is held, as it stands in a channel's name. */
  readonly channel: string;
}

export function inboxOf(number: bigint): Inbox {
  return { process: `${number}`, channel: `latchkey_${number.toString(16)}` };
}

// How long a message to itself may take.
const PROBE_MS = 1_000;
// A session of ours that was lost may still hold our number.
const TAKE_TRIES = 4;
const TAKE_MS = 500;

/** LISTEN does not work: the address is that of a pooler which gives its sessions to others between transactions. */
export class DeafError extends Error {}

/**
 * Makes a session one that receives messages.
 * @throws DeafError
 */
export async function listen(
  { process, channel }: Inbox,
  { ask, client, clock }: { ask: Ask; client: Client; clock: Clock },
  receive: (payload: string) => void,
  sendOver: (sql: string) => Promise<unknown>,
): Promise<void> {
  const probe = `probe ${Math.random()}`;
  let heard = false;
  client.on('notification', ({ channel: to, payload = '' }) => {
    if (to !== channel) return;
    if (payload === probe) heard = true;
    else receive(payload);
  });
  await ask(`LISTEN ${channel}`);
  if (!(await isDirect(ask, client))) {
    await sendOver(`SELECT pg_notify('${channel}', '${probe}')`);
    for (let waited = 0; !heard && waited < PROBE_MS; waited += 25) await sleep(25, clock);
    if (!heard) throw new DeafError('LISTEN does not work behind this pooler');
  }
  for (let tries = 0; ; tries++) {
    const { rows } = await ask(`SELECT pg_try_advisory_lock(${process})`);
    if (rows[0]![0] === 't') return;
    if (tries === TAKE_TRIES) throw new Error('an earlier session of this process does not end');
    await ask(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND mode = 'ExclusiveLock' AND (classid::int8 << 32 | objid::int8) = ${process} AND pid <> pg_backend_pid()`,
    );
    // While it waits for it, nobody else who looks whether the process lives gets in its way.
    const taken = ask(`SELECT set_config('lock_timeout', '${TAKE_MS}', true), pg_advisory_lock(${process})`);
    if (await taken.then(() => true, orRowLocked)) return;
  }
}

/**
 * Others ask over their connections for commands whether this process lives, and send their messages there.
 * @throws LockConfigError where that is another database than the one it listens to
 */
export async function checkSameDatabase({ process }: Inbox, ask: Ask, askListener: Ask): Promise<void> {
  const { rows } = await ask(`SELECT pg_try_advisory_xact_lock_shared(${process})`);
  if (rows[0]![0] !== 't') return;
  // The session that listens may have ended meanwhile: then this fails.
  await askListener('SELECT');
  throw new LockConfigError(
    'messages would come from another database than that of the locks: `listenUrl` must name the same one as `url`',
  );
}

function orRowLocked(fault: StoreError): false {
  if (isRowLocked(fault)) return false;
  throw fault;
}

/** Whether the server's session is this connection's alone: a pooler tells a number of its own for it. */
export async function isDirect(ask: Ask, client: Client): Promise<boolean> {
  const { rows } = await ask('SELECT pg_backend_pid()');
  return Number(rows[0]![0]) === (client as unknown as { processID: number }).processID;
}
