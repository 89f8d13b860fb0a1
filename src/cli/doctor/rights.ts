import { randomUUID } from 'node:crypto';
import { lockName } from '../../core/key.js';
import { type Check, error, ok, warning } from './check.js';
import type { Server } from './redis-client.js';

/** Each command that the driver sends, and those of its scripts; each is tried on a key that nobody else has. */
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['PING'],
  ['INFO'],
  ['SCRIPT', 'LOAD', 'return 1'],
  ['EVALSHA', '0000000000000000000000000000000000000000', '1', 'KEY'],
  ['EVAL', 'return 1', '1', 'KEY'],
  ['SCAN', '0', 'COUNT', '1'],
  ['DBSIZE'],
];
const IN_SCRIPTS: readonly (readonly [string, ...string[]])[] = [
  ['TIME'],
  ['EXISTS', 'KEY'],
  ['HSET', 'KEY', 'v', 'doctor'],
  ['HGET', 'KEY', 'v'],
  ['HMGET', 'KEY', 'v'],
  ['HSCAN', 'KEY', '0'],
  ['PEXPIRE', 'KEY', '10000'],
  ['HDEL', 'KEY', 'v'],
  ['PUBLISH', 'CHANNEL', ''],
  ['PUBSUB', 'NUMSUB', 'CHANNEL'],
];

/** Whether the user may do all that the driver does, one by one. */
export async function checkRights(server: Server, prefix: string): Promise<Check[]> {
  const key = await ownKey(server, prefix);
  const names: Record<string, string> = { KEY: key, CHANNEL: `latchkey:doctor-${randomUUID()}` };
  const filled = (words: readonly string[]) => words.map((word) => names[word] ?? word);
  const checks: Check[] = [];
  for (const [command, ...args] of COMMANDS) {
    const call = server.call(command, ...filled(args));
    checks.push(await verdict(nameOf(command, args), call, prefix));
  }
  for (const [command, ...args] of IN_SCRIPTS) {
    const words = filled([command, ...args]).map((word) => `'${word.replace(/[\\']/g, '\\$&')}'`);
    const call = server.call('EVAL', `return redis.call(${words.join(',')})`, '1', names.KEY!);
    checks.push(await verdict(`${nameOf(command, args)} in a script`, call, prefix));
  }
  // The last: with RESP2 a connection that subscribes does nothing else.
  checks.push(await verdict('SUBSCRIBE', server.call('SUBSCRIBE', names.CHANNEL!), prefix));
  return checks;
}

/** A key that nobody else has, in a slot of this very server where it is one of a Cluster. */
async function ownKey(server: Server, prefix: string): Promise<string> {
  for (;;) {
    const key = lockName(prefix, `doctor-${randomUUID()}`);
    const answer = server.call('EXISTS', key);
    const elsewhere = await answer.then(
      () => false,
      (fault: Error) => fault.message.startsWith('MOVED'),
    );
    if (!elsewhere) return key;
  }
}

const nameOf = (command: string, [sub = '']: readonly string[]) =>
  command === 'SCRIPT' || command === 'PUBSUB' ? `${command} ${sub}` : command;

// Without them the driver serves, but does not see a replica or an eviction policy, takes one more round trip, or cannot
// tell how far a list is.
const SPARED = ['INFO', 'SCRIPT LOAD', 'DBSIZE'];

async function verdict(name: string, call: Promise<unknown>, prefix: string): Promise<Check> {
  const what = `right: ${name}`;
  const refusal = await call.then(
    () => undefined,
    (fault: Error) => fault.message,
  );
  if (refusal === undefined || refusal.startsWith('NOSCRIPT')) return ok(what, 'allowed');
  if (!/NOPERM|permission|ACL|can't (access|run)/i.test(refusal))
    return error(what, refusal.slice(0, 120), 'see what the server says');
  const command = name.replace(' in a script', '').toLowerCase().replace(' ', '|');
  const place = /subscribe|publish|pubsub/.test(command) ? '&latchkey:*' : `~${prefix}*`;
  const advice = `ACL SETUSER <user> +${command} ${place}`;
  return SPARED.includes(name) ? warning(what, 'not allowed', advice) : error(what, 'not allowed', advice);
}
