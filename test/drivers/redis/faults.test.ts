import { expect, test } from '@jest/globals';
import { outcomeOf, storeError } from '../../../src/drivers/redis/faults.js';

const error = (message: string, name = 'ReplyError') => Object.assign(new Error(message), { name });

test.each([
  ["Stream isn't writeable and enableOfflineQueue options is false", 'Error', 'not-sent'],
  ['Connection is closed.', 'Error', 'lost'],
  ['Connection Closed', 'Error', 'lost'],
  ['the stream has ended', 'Error', 'lost'],
  ['too many tries', 'MaxRetriesPerRequestError', 'lost'],
  ['Command timed out', 'Error', 'unknown'],
  ['MOVED 1 127.0.0.1:1', 'Error', 'unknown'],
  ['READONLY You can not write', 'ReplyError', 'passing'],
  ['LOADING Redis is loading', 'ReplyError', 'passing'],
  ['MASTERDOWN Link with MASTER is down', 'ReplyError', 'passing'],
  ['CLUSTERDOWN Hash slot not served', 'ReplyError', 'passing'],
  ['TRYAGAIN Multiple keys', 'ReplyError', 'passing'],
  ['ASK 1 127.0.0.1:1', 'ReplyError', 'passing'],
  ['UNBLOCKED force unblock', 'ReplyError', 'passing'],
  ['BUSY Redis is busy', 'ReplyError', 'passing'],
  ['Too many Cluster redirections', 'ReplyError', 'passing'],
  ['WRONGTYPE Operation against a key', 'ReplyError', 'refused'],
  ['OOM command not allowed', 'ReplyError', 'refused'],
  // The name of a user may say anything.
  ["NOPERM User recommended has no permissions to run the 'evalsha' command", 'ReplyError', 'refused'],
  ["NOPERM User ASK has no permissions to run the 'evalsha' command", 'ReplyError', 'refused'],
  ['ERR Error running script (call to f_1): @user_script:12: -READONLY You can not', 'ReplyError', 'passing'],
  ['BUSYKEY Target key name', 'ReplyError', 'refused'],
])('%s, as %s: %s', (message, name, outcome) => {
  expect(outcomeOf(error(message, name))).toBe(outcome);
});

test('a fault says where and why, and keeps the code, and nothing else that hangs on it', () => {
  const cause = Object.assign(error('reset'), { code: 'ECONNRESET', command: { args: ['secret'] } });
  const fault = storeError('h:1', 'unknown', cause);
  expect(fault).toMatchObject({ message: 'lock: backend: Redis at h:1: reset', outcome: 'unknown' });
  expect(fault.cause).toMatchObject({ message: 'reset', code: 'ECONNRESET' });
  expect(Object.keys(fault.cause as object)).toEqual(['code']);
  expect(Object.keys(storeError('h:1', 'unknown', error('no code')).cause as object)).toEqual([]);
});

test('a fault without a message says what there is to say', () => {
  const messageOf = (cause: Error | undefined) => storeError('h:1', 'not-sent', cause).message;
  expect(messageOf(undefined)).toBe('lock: backend: Redis at h:1: not connected');
  const several = new AggregateError([new Error('refused by ::1'), new Error('second')], '');
  expect(messageOf(Object.assign(several, { code: 'ECONNREFUSED' }))).toBe(
    'lock: backend: Redis at h:1: refused by ::1',
  );
  expect(messageOf(Object.assign(new Error(''), { code: 'EPIPE' }))).toBe(
    'lock: backend: Redis at h:1: EPIPE',
  );
  expect(messageOf(new Error(''))).toBe('lock: backend: Redis at h:1: Error');
});
