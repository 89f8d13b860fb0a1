import { Group } from './group.js';
import { type FromGuard, now, type ToGuard } from './protocol.js';

/**
 * The process between `latchkey run` and its command. It starts the command, and ends it when the lease is not renewed
 * in time, or when `latchkey` is gone: killed, it could not do so itself.
 */
const GONE_MS = 5_000;

let group: Group | undefined;
let until = 0;

// It is told what to do by its channel alone.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});

process.on('message', (message: ToGuard) => {
  if (message.what === 'start') void start(message);
  else if (message.what === 'signal') group?.signal(message.signal);
  else {
    until = message.until;
    if (message.what === 'until') group?.renewed(until);
    else group?.end(until);
  }
});

process.on('disconnect', () => {
  if (!group) process.exit();
  group.end(Math.min(until, now() + GONE_MS));
});

async function start(message: Extract<ToGuard, { what: 'start' }>): Promise<void> {
  until = message.until;
  try {
    const made = new Group(message.command, message.args, { ...process.env, ...message.env }, until);
    group = made;
    if (made.id !== undefined) tell({ what: 'started', group: made.id });
    const outcome = await made.ended();
    await made.gone();
    tell({ what: 'ended', ...outcome, late: made.late });
  } catch (error) {
    tell({ what: 'failed', code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN' });
  }
  if (process.connected) process.disconnect();
  process.exit();
}

function tell(message: FromGuard): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}
