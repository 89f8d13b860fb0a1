import { expect, test } from '@jest/globals';
import { memoryDriver } from '../../src/drivers/memory.js';
import { type HistoryEvent, historyNow } from '../../src/testing/history.js';
import { checkHistory, shrinkHistory } from '../../src/testing/history-check.js';
import { sleep } from '../support/wait.js';
import { history, type Page } from './history-book.js';

const kinds = (...pages: Page[]) => checkHistory(history(...pages)).map(({ kind }) => kind);
const freed = (asked: number, told = asked + 1) => ({ asked, told, answer: 'ok' as const });

const first: Page = { hold: 'a', asked: 0, told: 1, until: 100, fence: 1, release: freed(50) };
const unreleased: Page = { hold: 'a', asked: 0, told: 1, until: 100, fence: 1 };

test('one after the other is fine, however it ended', () => {
  expect(kinds()).toEqual([]);
  expect(kinds(first, { hold: 'b', asked: 2, told: 52, until: 150, fence: 2 })).toEqual([]);
  expect(kinds(unreleased, { hold: 'b', asked: 2, told: 101, until: 200, fence: 2 })).toEqual([]);
  const lost = { ...unreleased, extended: [[50, 51, 150]] as [number, number, number][], lost: 150 };
  expect(kinds(lost, { hold: 'b', asked: 2, told: 151, until: 200, fence: 2 })).toEqual([]);
  const unknown = { ...first, release: { asked: 50, told: 90, answer: 'info' as const } };
  expect(kinds(unknown, { hold: 'b', asked: 2, told: 51, until: 200, fence: 2 })).toEqual([]);
});

test('a try that failed, or that nobody heard of again, is no hold', () => {
  const event = { hold: 'x', key: 'k', mode: 'write', op: 'acquire' } as const;
  const tries: HistoryEvent[] = [
    { ...event, type: 'invoke', at: 2 },
    { ...event, type: 'fail', at: 20 },
    { ...event, hold: 'y', type: 'invoke', at: 3 },
    { ...event, hold: 'z', type: 'invoke', at: 3 },
    { ...event, hold: 'z', type: 'info', at: 30 },
  ];
  expect(checkHistory([...history(first), ...tries])).toEqual([]);
});

test('two writers at once overlap, in whatever order it is told', () => {
  const second = { hold: 'b', asked: 2, told: 49, until: 150, fence: 2 };
  expect(kinds(unreleased, second)).toEqual(['overlap']);
  expect(checkHistory(history(unreleased, second).reverse())).toHaveLength(1);
});

test('an extension counts, and so does a shorter time from when it was asked for', () => {
  const extended: Page = { hold: 'a', asked: 0, told: 1, until: 100, fence: 1, extended: [[90, 91, 190]] };
  const second = { hold: 'b', asked: 2, told: 150, until: 250, fence: 2 };
  expect(kinds(extended, second)).toEqual(['overlap']);
  const shortened = history({ ...extended, extended: [[90, 140, 120]] }, second);
  expect(checkHistory(shortened).map(({ kind }) => kind)).toEqual([]);
  const early = { ...second, told: 130 };
  const told = history({ ...extended, extended: [[90, 140, 120]] }, early);
  expect(checkHistory(told)).toEqual([]);
  const slow = { ...extended, until: 200, extended: [[90, 140, 120]] as [number, number, number][] };
  expect(kinds(slow, early)).toEqual(['overlap']);
  const asked = history(slow, early).map((event) =>
    event.op === 'extend' && event.type === 'invoke' ? { ...event, until: 120 } : event,
  );
  expect(checkHistory(asked)).toEqual([]);
});

test('readers share; a reader and a writer do not', () => {
  const reader: Page = { ...unreleased, mode: 'read' };
  expect(kinds(reader, { hold: 'b', mode: 'read', asked: 2, told: 3, until: 150, fence: 2 })).toEqual([]);
  expect(kinds(reader, { hold: 'b', asked: 2, told: 3, until: 150, fence: 2 })).toEqual(['overlap']);
  expect(kinds(unreleased, { hold: 'b', mode: 'read', asked: 2, told: 3, until: 150, fence: 2 })).toEqual([
    'overlap',
  ]);
});

test('a short reader after a long one does not hide the long one from a writer', () => {
  const long: Page = { hold: 'a', mode: 'read', asked: 0, told: 1, until: 100, fence: 1 };
  const short: Page = { hold: 'b', mode: 'read', asked: 2, told: 3, until: 10, fence: 2 };
  const writer: Page = { hold: 'c', asked: 4, told: 50, until: 150, fence: 3 };
  expect(kinds(long, short, writer)).toEqual(['overlap']);
});

test('a fence may not be given twice', () => {
  expect(kinds(first, { hold: 'b', asked: 60, told: 61, until: 150, fence: 1 })).toEqual(['fence-repeated']);
});

test('a fence may not go back, nor among readers that were asked for in turn', () => {
  const second = { hold: 'b', asked: 2, told: 52, until: 150, fence: 0 };
  expect(kinds(first, { ...second, asked: 51 })).toEqual(expect.arrayContaining(['fence-back']));
  const reader: Page = { ...first, mode: 'read' };
  const later: Page = { hold: 'b', mode: 'read', asked: 2, told: 3, until: 90, fence: 0 };
  expect(kinds(reader, later)).toEqual(['fence-back']);
  expect(kinds(reader, { ...later, asked: 0.5 })).toEqual([]);
});

test('who is told late must not have been overtaken by somebody it excludes', () => {
  const late: Page = { hold: 'b', asked: 0, told: 60, until: 150, fence: 0 };
  expect(kinds(first, late)).toEqual(['overtaken']);
  expect(kinds({ ...first, mode: 'read' }, { ...late, mode: 'read' })).toEqual([]);
});

test('only the owner may be told that it released', () => {
  const slept: Page = { ...first, release: freed(300) };
  expect(kinds(slept, { hold: 'b', asked: 2, told: 101, until: 250, fence: 2 })).toEqual(['false-release']);
  expect(kinds(slept, { hold: 'b', asked: 2, told: 301, until: 450, fence: 2 })).toEqual([]);
  const denied: Page = { ...first, release: { asked: 300, told: 301, answer: 'fail' } };
  expect(kinds(denied, { hold: 'b', asked: 2, told: 101, until: 250, fence: 2 })).toEqual([]);
  const readers: Page[] = [
    { ...slept, mode: 'read' },
    { hold: 'b', mode: 'read', asked: 2, told: 101, until: 250, fence: 2 },
  ];
  expect(kinds(...readers)).toEqual([]);
});

test('who surely holds may not be told that it does not', () => {
  expect(kinds({ ...first, release: { asked: 50, told: 51, answer: 'fail' } })).toEqual(['false-denial']);
  expect(kinds({ ...first, release: { asked: 50, told: 101, answer: 'fail' } })).toEqual([]);
  expect(kinds({ ...unreleased, lost: 99 })).toEqual(['false-denial']);
  expect(kinds({ ...unreleased, lost: 99, release: { asked: 99, told: 99.5, answer: 'fail' } })).toEqual([
    'false-denial',
  ]);
  expect(kinds({ ...unreleased, lost: 100, release: { asked: 100, told: 101, answer: 'fail' } })).toEqual([]);
});

test('what is unknown of a fence proves nothing, and what is known of the times still does', () => {
  const { fence: _, ...unfenced } = first;
  expect(kinds(unfenced, { hold: 'b', asked: 60, told: 61, until: 150, fence: 1 })).toEqual([]);
  expect(kinds(unfenced, { hold: 'b', asked: 2, told: 20, until: 150, fence: 1 })).toEqual(['overlap']);
});

test('keys are apart', () => {
  const other = history({ hold: 'b', asked: 2, told: 3, until: 90, fence: 1 }).map((event) => ({
    ...event,
    key: 'l',
  }));
  expect(checkHistory([...history(first), ...other])).toEqual([]);
});

test('shrinks a long history to the two holds that prove the violation', () => {
  const pages = Array.from({ length: 300 }, (_, i): Page => {
    const at = 1_000 + 10 * i;
    return {
      hold: `h${i}`,
      asked: at,
      told: at + 1,
      until: at + 9,
      fence: i + 1,
      extended: [[at + 2, at + 3, at + 9]],
    };
  });
  pages[200]!.until = pages[201]!.told! + 5;
  pages[200]!.extended = [[3_002, 3_003, 3_013]];
  const least = shrinkHistory(history(...pages));
  expect(least.map(({ hold, op, type }) => `${hold} ${op} ${type}`)).toEqual([
    'h200 acquire invoke',
    'h200 acquire ok',
    'h201 acquire invoke',
    'h201 acquire ok',
  ]);
  expect(checkHistory(least).map(({ kind }) => kind)).toEqual(['overlap']);
  expect(shrinkHistory(history(first))).toEqual([]);
});

test('300,000 events of one key take no more than a few seconds', () => {
  const pages = Array.from({ length: 75_000 }, (_, i): Page => {
    const mode = i % 5 === 0 ? 'write' : 'read';
    const at = 10 * Math.floor(i / 5) + (mode === 'write' ? 0 : 5 + (i % 5) / 10);
    return {
      hold: `h${i}`,
      mode,
      asked: at,
      told: at + 0.2,
      until: at + 4,
      fence: i + 1,
      release: freed(at + 1, at + 2),
    };
  });
  const events = history(...pages);
  const before = process.cpuUsage();
  expect(checkHistory(events)).toEqual([]);
  const { user } = process.cpuUsage(before);
  expect(user / 1_000).toBeLessThan(5_000);
  expect(user).toBeGreaterThan(0);
});

test('a crowd on the memory driver is a fenced read/write mutex', async () => {
  const driver = memoryDriver();
  const events: HistoryEvent[] = [];
  // performance.now() is the driver's clock; historyNow() only differs by where it begins.
  const shift = historyNow() - performance.now();
  const worker = async (name: number) => {
    for (let turn = 0; turn < 40; turn++) {
      const mode = (name + turn) % 3 === 0 ? 'write' : 'read';
      const event = { hold: `${name}.${turn}`, key: 'k', mode } as const;
      const note = (op: HistoryEvent['op'], type: HistoryEvent['type'], more = {}) =>
        events.push({ ...event, op, type, at: historyNow(), ...more });
      const request = {
        key: 'k',
        token: event.hold,
        mode,
        ttl: 6,
        wait: 500,
        retryInterval: 10,
        meta: {},
      } as const;
      note('acquire', 'invoke');
      const grant = await driver.acquire(request);
      if (!grant) continue;
      note('acquire', 'ok', { fence: grant.fence, until: grant.validUntil + shift });
      await sleep((name * turn) % 9);
      note('release', 'invoke');
      note('release', (await driver.release(grant)) ? 'ok' : 'fail');
    }
  };
  await Promise.all(Array.from({ length: 12 }, (_, name) => worker(name)));
  await driver.close();
  expect(events.length).toBeGreaterThan(1_000);
  expect(checkHistory(events)).toEqual([]);
});
