import { describe, expect, test } from '@jest/globals';
import {
  decodeClaim,
  decodeInfo,
  decodeMessage,
  decodeRenewal,
  decodeToken,
  encodeClaim,
  encodeFreeing,
  encodeRenewal,
  encodeToken,
} from '../../../src/drivers/redis/codec.js';

// What two releases say to each other: where a line of these must change, so must the version of the format.
const key = 'lock:{a b\n}';
const claim = { key, token: 't-1', mode: 'write', limit: Infinity, ttl: 1_500, meta: { host: 'h' } } as const;

describe('arguments', () => {
  test.each([
    [
      'a claim without a place',
      encodeClaim(claim, undefined, 'me', true),
      ['w', '1500', 'me t-1 {"host":"h"}', '0 0 1'],
    ],
    [
      'a claim with a place, where subscribers are not counted',
      encodeClaim({ ...claim, meta: {} }, { vouchFor: 16_000 }, 'me', false),
      ['w', '1500', 'me t-1 {}', '0 16000 0'],
    ],
    [
      'a reader’s',
      encodeClaim({ ...claim, mode: 'read' }, undefined, 'me', true),
      ['r', '1500', 'me t-1 {"host":"h"}', '0 0 1'],
    ],
    [
      'one with a limit',
      encodeClaim({ ...claim, mode: 'read', limit: 3 }, undefined, 'me', true),
      ['r', '1500', 'me t-1 {"host":"h"}', '3 0 1'],
    ],
    [
      'one whose token and metadata have spaces',
      encodeClaim({ ...claim, token: '-a b,c%', meta: { who: 'x y\n"z"' } }, undefined, 'me', true),
      ['w', '1500', 'me %2Da%20b%2Cc%25 {"who":"x y\\n\\"z\\""}', '0 0 1'],
    ],
    [
      'a renewal',
      encodeRenewal({ key: 'k', token: 't-1', mode: 'write', ttl: 5, sequence: 7 }),
      ['t-1', 'w', '5', '7', ''],
    ],
    [
      'a renewal of one that was handed on',
      encodeRenewal({
        ...{ key: 'k', token: '-t', mode: 'write', ttl: 5, sequence: 7 },
        serves: { fence: 12, meta: { a: 'b c' } },
      }),
      ['%2Dt', 'w', '5', '7', '12 {"a":"b c"}'],
    ],
    ['a free', encodeFreeing('t-1', { mode: 'write' }, true), ['t-1', 'w 1']],
    ['a reader’s free', encodeFreeing('t-1', { mode: 'read' }, false), ['t-1', 'r 0']],
    [
      'a free with everything',
      encodeFreeing(
        't 1',
        { mode: 'write', served: ['a', 'b,c'], usedFence: 1_795_287_213_369_156, keepFor: 0.2, late: true },
        true,
      ),
      ['t%201', 'w 1 1 1795287213369156 1', 'a', 'b%2Cc'],
    ],
    ['a free with a rest', encodeFreeing('t', { mode: 'read', keepFor: 500 }, true), ['t', 'r 1 500 0 0']],
    ['a free of a run', encodeFreeing('t', { mode: 'write', served: ['a'] }, true), ['t', 'w 1 0 0 0', 'a']],
    ['a free of a late claim', encodeFreeing('t', { mode: 'write', late: true }, false), ['t', 'w 0 0 0 1']],
  ])('%s', (_, encoded, golden) => {
    expect(encoded).toEqual(golden);
  });

  test.each([
    ['plain-0_Z'],
    ['with space'],
    ['a,b'],
    ['100%'],
    ['-'],
    ['-a'],
    ['a-'],
    ['tab\tand\nline'],
    ['ü%20'],
    ['no\u00a0break\u2028line'],
  ])('the token %p is read as it was written, and stands between spaces and commas', (token) => {
    expect(decodeToken(encodeToken(token))).toBe(token);
    expect(encodeToken(token)).toMatch(/^[^\s,-][^\s,]*$/);
  });
});

describe('answers', () => {
  test('of a claim', () => {
    const run: string[] = [];
    expect(decodeClaim(17, 1_500, 4)).toEqual({ granted: true, fence: 17, ttl: 1_500, asOf: 4, run });
    expect(decodeClaim([1, 17, 900, ''], 1_500, 4)).toEqual({
      granted: true,
      fence: 17,
      ttl: 900,
      asOf: 4,
      run,
    });
    expect(decodeClaim([1, 17, 900, 'a,b%20c'], 1_500, 4)).toMatchObject({ run: ['a', 'b c'] });
    expect(decodeClaim([0, 250, 7, 1], 1_500, 4)).toEqual({
      granted: false,
      left: 250,
      before: 7,
      kept: true,
    });
    expect(decodeClaim([0, 0, 0, 0], 1_500, 4)).toEqual({ granted: false, left: 0, before: 0, kept: false });
  });

  test('of a renewal', () => {
    expect([1, 0, -1, -251].map(decodeRenewal)).toEqual([
      'renewed',
      'lost',
      { revoked: 0 },
      { revoked: 250 },
    ]);
  });
});

describe('messages', () => {
  test.each([
    [
      `granted 17 t%201 a,b ${key}`,
      { kind: 'granted', id: { key, token: 't 1' }, fence: 17, run: ['a', 'b'] },
    ],
    [
      `granted 1795287213369156 t  ${key}`,
      { kind: 'granted', id: { key, token: 't' }, fence: 1_795_287_213_369_156, run: [] },
    ],
    [`revoked 250 t ${key}`, { kind: 'revoked', id: { key, token: 't' }, grace: 250 }],
    [`look 250 ${key}`, { kind: 'look', key, ms: 250 }],
  ])('%p', (text, message) => {
    expect(decodeMessage(text)).toEqual(message);
  });

  test.each([
    [''],
    ['granted'],
    ['granted x t  k'],
    ['look -1 k'],
    ['something 1 t k'],
    ['revoked 5 t'],
    ['granted 1 % t k'],
    ['granted 1 t %ff k'],
  ])('%p is none', (text) => {
    expect(decodeMessage(text)).toBeUndefined();
  });
});

describe('what is stored', () => {
  const now = 1_000;
  const info = (hold: string, shared: string[] = [], waiters = 0, places: string[] = []) =>
    decodeInfo(key, [now, hold, shared, waiters, places]);

  test('a writer’s hold', () => {
    expect(info('1400 17 3 900 me t {"host":"h x"}')).toEqual({
      key,
      mode: 'write',
      waiters: 0,
      holders: [{ fence: 17, ttl: 400, since: 900, meta: { host: 'h x' } }],
      waiting: [],
    });
    expect(info('1400 17 r 900 me t {}')!.holders).toHaveLength(1);
  });

  test('readers, with and without limits', () => {
    const shared = [
      'a',
      '1400 17 3 900 0 me {}',
      'b',
      '1600 18 0 950 5 me {"n":"1"}',
      'c',
      '1600 19 0 950 4 me {}',
    ];
    expect(info('', shared)).toEqual({
      key,
      mode: 'read',
      limit: 4,
      waiters: 0,
      holders: [
        { fence: 17, ttl: 400, since: 900, meta: {} },
        { fence: 18, ttl: 600, since: 950, meta: { n: '1' } },
        { fence: 19, ttl: 600, since: 950, meta: {} },
      ],
      waiting: [],
    });
  });

  test('who waits, and how many in all', () => {
    const places = ['t w 0 1500 940 me {"n":"1"}', 'u r 3 1500 950 you {}'];
    expect(info('1400 17 3 900 me t {}', [], 7, places)).toMatchObject({
      waiters: 7,
      waiting: [
        { mode: 'write', since: 940, meta: { n: '1' } },
        { mode: 'read', since: 950, meta: {} },
      ],
    });
  });

  test('a key that rests has no holder', () => {
    expect(info('1400 0 0 900 - - {}')).toEqual({
      key,
      mode: 'write',
      waiters: 0,
      holders: [],
      waiting: [],
      restsUntil: 1_400,
    });
    const rests = info('', ['-a', '1400 17 3 900 0 me {}', '-b', '1300 18 3 900 0 me {}'])!;
    expect([rests.holders, rests.restsUntil]).toEqual([[], 1_400]);
  });

  test('what has ended is not shown, and nothing at all is null', () => {
    expect(info('')).toBeNull();
    expect(info('1000 17 3 900 me t {}')).toBeNull();
    expect(info('', ['a', '1000 17 3 900 0 me {}', '-b', '999 17 3 900 0 me {}'])).toBeNull();
    expect(info('1000 17 3 900 me t {}', [], 1, ['u r 3 1500 950 you {}'])).toMatchObject({
      mode: 'read',
      waiters: 1,
    });
  });
});
