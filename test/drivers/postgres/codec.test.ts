import { expect, test } from '@jest/globals';
import {
  metaOf,
  readClaim,
  readInfo,
  readMessage,
  readRenewals,
  tokenOf,
} from '../../../src/drivers/postgres/codec.js';

const answer = (text: string) => ({ rows: [[text]], sentAt: 42 });

test('meta data are JSON in ASCII, from which they come back', () => {
  const meta = { '': '~\x7f\x80é\0"\\', k: '\u2028🔑\uffff' };
  const text = metaOf(meta);
  expect(text).toMatch(/^[\x20-\x7e]*$/);
  expect(text).toContain('~\\u007f\\u0080\\u00e9');
  expect(JSON.parse(text)).toEqual(meta);
});

test('tokens are ASCII without spaces', () => {
  expect(tokenOf('a b\0é,')).toBe('a%20b%00%C3%A9%2C');
});

test('the answers to a claim', () => {
  expect(readClaim(answer('granted 77 1500'))).toEqual({
    granted: true,
    fence: 77,
    ttl: 1_500,
    asOf: 42,
    run: [],
  });
  expect(readClaim(answer('granted 77 1500 a%20b,c'))).toMatchObject({ run: ['a b', 'c'] });
  expect(readClaim(answer('refused 250.5 3 true'))).toEqual({
    granted: false,
    left: 250.5,
    before: 3,
    kept: true,
  });
  expect(readClaim(answer('refused 0 0 false'))).toMatchObject({ kept: false });
});

test('the answers to renewals, of which none is that of another', () => {
  expect(readRenewals(answer('{-1,-2,-3,0,120.5}'))).toEqual([
    'renewed',
    'lost',
    undefined,
    { revoked: 0 },
    { revoked: 120.5 },
  ]);
});

const name = Buffer.from('ké\0').toString('base64');

test('messages of each kind', () => {
  expect(readMessage(`granted 77 a%20b ${name} c%20d,e,`)).toEqual({
    kind: 'granted',
    id: { key: 'ké\0', token: 'a b' },
    fence: 77,
    run: ['c d', 'e'],
  });
  expect(readMessage(`granted 7 t ${name} `)).toMatchObject({ fence: 7, run: [] });
  expect(readMessage(`revoked 1500 t ${name} `)).toEqual({
    kind: 'revoked',
    id: { key: 'ké\0', token: 't' },
    grace: 1_500,
  });
  expect(readMessage(`look-in 20  ${name} `)).toEqual({
    kind: 'look-in',
    id: { key: 'ké\0', token: '' },
    ms: 20,
  });
});

test('a long name, which comes in lines, is one', () => {
  const key = 'k'.repeat(200);
  const lines = Buffer.from(key).toString('base64').replace(/.{76}/g, '$&\n');
  expect(readMessage(`look-in 20  ${lines} `)).toMatchObject({ id: { key } });
});

test.each([
  '',
  'hello',
  `other 1 t ${name} `,
  `granted x t ${name} `,
  `x granted 1 t ${name} `,
  `granted 1 % ${name} `,
  `granted 1 t ${name} %ff,`,
])('%j is no message', (text) => {
  expect(readMessage(text)).toBe(undefined);
});

const holder = { mode: 'w', fence: 5, meta: '{"a":"1"}', most: null, ttl: 90.5, since: 1_000 };
const waiter = { mode: 'w', meta: '{"b":"2"}', since: 2_000 };
const stored = (info: object) =>
  readInfo('k', JSON.stringify({ holders: [], waiters: 0, waiting: [], rests: null, ...info }));

test('what is told of a lock that nobody knows is null', () => {
  expect(readInfo('k', null)).toBe(null);
  expect(readInfo('k', undefined)).toBe(null);
  expect(readInfo('k', '')).toBe(null);
});

test('holders, waiters and rest of a lock', () => {
  expect(
    stored({
      holders: [holder],
      waiters: 3,
      waiting: [waiter, { ...waiter, mode: 'r' }],
    }),
  ).toEqual({
    key: 'k',
    mode: 'write',
    waiters: 3,
    holders: [{ fence: 5, ttl: 90.5, since: 1_000, meta: { a: '1' } }],
    waiting: [
      { mode: 'write', since: 2_000, meta: { b: '2' } },
      { mode: 'read', since: 2_000, meta: { b: '2' } },
    ],
  });
  expect(stored({ rests: 7_000 })).toEqual({
    key: 'k',
    mode: 'write',
    waiters: 0,
    holders: [],
    waiting: [],
    restsUntil: 7_000,
  });
});

test('the mode is that of the holders, else of who is first', () => {
  const readers = [{ ...holder, mode: 'r' }];
  expect(stored({ holders: readers, waiting: [waiter] })).toMatchObject({ mode: 'read' });
  expect(stored({ waiting: [{ ...waiter, mode: 'r' }, waiter] })).toMatchObject({ mode: 'read' });
  expect(stored({ holders: [holder], waiting: [{ ...waiter, mode: 'r' }] })).toMatchObject({ mode: 'write' });
});

test('the limit is the smallest of the holders that have one', () => {
  const readers = [null, 5, 3, 4].map((most) => ({ ...holder, mode: 'r', most }));
  expect(stored({ holders: readers })).toMatchObject({ limit: 3 });
  expect(stored({ holders: readers.slice(0, 1) })).not.toHaveProperty('limit');
  const many = Array.from({ length: 150_000 }, (_, n) => ({ ...holder, mode: 'r', most: 200_000 + (n % 7) }));
  expect(stored({ holders: many })?.limit).toBe(200_000);
});
