import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Duration, parseDuration, parseWait, type Wait } from '../../src/core/duration.js';
import { LockUsageError } from '../../src/core/errors.js';
import { usageOf } from '../support/usage.js';

test.each([
  [0, 0],
  [250, 250],
  [0.5, 0.5],
  ['250ms', 250],
  ['30s', 30_000],
  ['1.5s', 1_500],
  ['1.25s', 1_250],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['0.5d', 43_200_000],
  [' 30s ', 30_000],
  ['0ms', 0],
  ['0', 0],
])('%j is %d ms', (value, ms) => {
  expect(parseDuration('ttl', value)).toBe(ms);
});

test.each([
  '',
  ' ',
  '10',
  '10x',
  '10msx',
  '1.s',
  '-1s',
  '1e3s',
  '1w',
  '5 seconds',
  '1D',
  's',
  '10 000ms',
  'forever',
  -1,
  Number.NaN,
  Infinity,
  1e13,
  null,
  undefined,
  {},
  [],
  true,
  10n,
])('%p is no duration: the error names the option and the value', (value) => {
  const error = usageOf(() => parseDuration('ttl', value));
  expect(error).toBeInstanceOf(LockUsageError);
  expect(error).toMatchObject({ code: 'LOCK_USAGE', option: 'ttl', value });
  expect(error.message).toContain('`ttl`');
});

describe('a least value', () => {
  test('refuses what is below it, and says it', () => {
    for (const value of [0, '0s', 0.9]) {
      expect(() => parseDuration('ttl', value, 1)).toThrow('at least 1 ms');
    }
    expect(parseDuration('ttl', 1, 1)).toBe(1);
  });

  test('is not spoken of where there is none', () => {
    expect(usageOf(() => parseDuration('ttl', -1)).message).toBe(
      "lock: usage: expected `ttl` to be a duration: milliseconds, or text such as '250ms', '30s', '5m', '1h', '1d', got -1",
    );
  });
});

test('a wait may be forever', () => {
  expect(parseWait('wait', 'forever')).toBe(Infinity);
  expect(parseWait('wait', '5s')).toBe(5_000);
  expect(parseWait('wait', 0)).toBe(0);
});

test.each(['infinite', 'never', 'Forever', '', -1, Infinity, Number.NaN, null, undefined])(
  '%p is no wait: the error says that there is "forever"',
  (value) => {
    const error = usageOf(() => parseWait('wait', value));
    expect(error).toMatchObject({ option: 'wait', value });
    expect(error.message).toMatch(/^lock: usage: expected `wait` to be a duration: .*, or 'forever', got /);
  },
);

test('what is no text of a duration does not compile', () => {
  const durations: Duration[] = [0, 1.5, '0', '250ms', '30s', '5m', '1h', '1d', '1.5s'];
  const waits: Wait[] = [...durations, 'forever'];
  const wrong: (Duration | Wait)[] = [
    // @ts-expect-error: units are one or two letters
    '5 seconds',
    // @ts-expect-error: no unit
    '10',
    // @ts-expect-error: there are no weeks
    '1w',
    // @ts-expect-error: the word is 'forever'
    'infinite',
  ];
  // @ts-expect-error: only a wait may be 'forever'
  const ttl: Duration = 'forever';
  expect(durations.map((value) => parseDuration('ttl', value))).not.toContain(Number.NaN);
  expect(parseWait('wait', waits.at(-1))).toBe(Infinity);
  for (const value of [...wrong, ttl]) expect(usageOf(() => parseDuration('ttl', value)).option).toBe('ttl');
});

test('any text gives a number of ms in range or a LockUsageError, nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^\d{1,20}(ms|s|m|h|d)$/)), (value) => {
      let ms: number;
      try {
        ms = parseDuration('ttl', value);
      } catch (error) {
        expect(error).toBeInstanceOf(LockUsageError);
        return;
      }
      expect(ms >= 0 && ms <= 1e12).toBe(true);
    }),
  );
});

test('text means the same as the number it stands for', () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  fc.assert(
    fc.property(fc.nat(10_000), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (n, unit) => {
      expect(parseDuration('ttl', `${n}${unit}`)).toBe(n * units[unit as keyof typeof units]);
    }),
  );
});

test('the longest is 1e12 ms, itself included', () => {
  expect(parseDuration('ttl', 1e12)).toBe(1e12);
  expect(parseWait('wait', 1e12)).toBe(1e12);
  expect(usageOf(() => parseDuration('ttl', 1e12 + 1)).option).toBe('ttl');
});
