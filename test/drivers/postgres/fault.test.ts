import { expect, test } from '@jest/globals';
import { LockConfigError } from '../../../src/core/errors.js';
import { isRowLocked, outcomeOf, sqlState, storeError } from '../../../src/drivers/postgres/fault.js';

const said = (code: string, severity: string | undefined = 'ERROR') =>
  Object.assign(new Error('said'), { code, ...(severity && { severity }) });

test.each([
  ['25006', 'passing'],
  ['40001', 'passing'],
  ['53300', 'passing'],
  ['54000', 'passing'],
  ['55P03', 'passing'],
  ['57014', 'passing'],
  ['58030', 'passing'],
  ['LK002', 'in-use'],
  ['08006', 'unknown'],
  ['08P01', 'unknown'],
  ['57P01', 'unknown'],
  ['57P03', 'unknown'],
  ['25001', 'refused'],
  ['42501', 'refused'],
  ['22021', 'refused'],
  ['XX000', 'refused'],
  ['A0855', 'refused'],
])('the server says %s: %s', (code, outcome) => {
  expect(sqlState(said(code))).toBe(code);
  expect(outcomeOf(said(code))).toBe(outcome);
});

test.each([
  said('ECONNRESET', ''),
  said('42501', ''),
  said('ECONNRESET'),
  said('4250'),
  said('425011'),
  new Error('no code'),
  Object.assign(new Error('a number'), { code: 42501, severity: 'ERROR' }),
])('%s: the server may have done it or not', (error) => {
  expect(sqlState(error)).toBe(undefined);
  expect(outcomeOf(error)).toBe('unknown');
});

test('a row that somebody else has locked is told by its code alone', () => {
  expect(isRowLocked(storeError('h', said('55P03'), 'passing'))).toBe(true);
  expect(isRowLocked(storeError('h', said('57014'), 'passing'))).toBe(false);
});

test('a fault says where and why, and keeps the code, and nothing else that hangs on it', () => {
  const error = Object.assign(said('42501'), { where: 'with the token secret' });
  const fault = storeError('h:1/db', error, 'refused');
  expect(fault).toMatchObject({
    message: 'lock: backend: PostgreSQL at h:1/db: said',
    outcome: 'refused',
    cause: { message: 'said', code: '42501' },
  });
  expect(Object.keys(fault.cause as object)).toEqual(['code']);
  expect(Object.keys(storeError('h', new Error('x'), 'unknown').cause as object)).toEqual([]);
  expect(storeError('other', fault, 'unknown')).toBe(fault);
  const config = new LockConfigError('too old');
  expect(storeError('h', config, 'not-sent').cause).toBe(config);
});

test('a fault without a message says what there is to say', () => {
  const messageOf = (error: Error) => storeError('h', error, 'unknown').cause as Error;
  const several = new AggregateError([new Error('refused by ::1'), new Error('second')], '');
  expect(messageOf(Object.assign(several, { code: 'ECONNREFUSED' })).message).toBe('refused by ::1');
  expect(messageOf(Object.assign(new Error(''), { code: 'EPIPE' })).message).toBe('EPIPE');
  expect(messageOf(new Error('')).message).toBe('failed');
});
