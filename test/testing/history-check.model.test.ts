import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkHistory, shrinkHistory, type ViolationKind } from '../../src/testing/history-check.js';
import { history, type Page } from './history-book.js';

const TTL = 1_000;
const delay = fc.integer({ min: 1, max: 200 });
const ms = fc.record({
  write: fc.boolean(),
  waits: fc.integer({ min: 1, max: 2_000 }),
  told: delay,
  works: fc.integer({ min: 1, max: 600 }),
  extends: fc.boolean(),
  answers: delay,
  releases: fc.boolean(),
  gap: fc.integer({ min: 0, max: 50 }),
  fenceStep: fc.integer({ min: 1, max: 64 }),
});

/** What a correct lock on one key does: writers alone, runs of readers together; each is told late and ends somehow. */
function simulate(plans: readonly (typeof ms extends fc.Arbitrary<infer T> ? T : never)[]): Page[] {
  let writerFree = 0;
  let allFree = 0;
  let granted = 0;
  let fence = 0;
  return plans.map((plan, i) => {
    granted = Math.max(granted, plan.write ? allFree : writerFree) + 1 + plan.gap;
    fence += plan.fenceStep;
    const told = granted + plan.told;
    const page: Page = {
      hold: `h${i}`,
      mode: plan.write ? 'write' : 'read',
      asked: granted - plan.waits,
      told,
      until: granted + TTL,
      fence,
    };
    let free = page.until!;
    const extendAt = told + 1;
    if (plan.extends) {
      page.extended = [[extendAt, extendAt + plan.answers, extendAt + TTL]];
      free = extendAt + TTL + plan.answers;
    }
    if (plan.releases) {
      const asked = extendAt + 200 + plan.works;
      const told = Math.min(asked + plan.answers, (page.extended?.[0]?.[2] ?? page.until!) + 500);
      const late = asked >= (page.extended?.[0]?.[2] ?? page.until!);
      page.release = { asked, told, answer: late ? 'fail' : 'ok' };
      if (!late) free = asked + 1;
    }
    allFree = Math.max(allFree, free);
    if (plan.write) writerFree = Math.max(writerFree, free);
    return page;
  });
}

const correct = fc.array(ms, { minLength: 2, maxLength: 30 }).map(simulate);

const check = (pages: readonly Page[]) => checkHistory(history(...pages)).map(({ kind }) => kind);

test('every history of a correct lock passes', () => {
  fc.assert(fc.property(correct, (pages) => expect(check(pages)).toEqual([])));
});

type Break = (page: Page, next: Page) => Partial<Record<'page' | 'next', Partial<Page>>>;

/** Each breaks one fact of a history in which a writer `next` follows `page`. */
const broken: Record<string, [ViolationKind, Break]> = {
  'told of a hold before the former is over': [
    'overlap',
    (page) => ({ next: { asked: page.told! - 1, told: page.told! + 0.5 } }),
  ],
  'believing in a hold for too long': [
    'overlap',
    (_, next) => ({ page: { until: next.told! + 1, extended: [], release: undefined as never } }),
  ],
  'a fence given again': ['fence-repeated', (page) => ({ next: { fence: page.fence! } })],
  'a fence that goes back': [
    'fence-back',
    (page, next) => ({ next: { fence: page.fence! - 0.5, asked: Math.max(next.asked, page.told! + 0.1) } }),
  ],
  'a release after the next one came': [
    'false-release',
    (_, next) => ({ page: { release: { asked: next.told! + 0.5, told: next.told! + 0.6, answer: 'ok' } } }),
  ],
  'a release refused to the owner': [
    'false-denial',
    (page) => ({
      page: { extended: [], release: { asked: page.told! + 0.1, told: page.told! + 0.2, answer: 'fail' } },
    }),
  ],
};

test.each(Object.entries(broken))('%s is found', (_, [kind, breakIt]) => {
  const cases = fc
    .tuple(correct, fc.nat())
    .map(([pages, pick]) => {
      const places = pages.flatMap((page, i) => (i > 0 && page.mode === 'write' ? [i] : []));
      return { pages, at: places[pick % Math.max(1, places.length)] };
    })
    .filter(({ at }) => at !== undefined);
  fc.assert(
    fc.property(cases, ({ pages, at }) => {
      const [page, next] = [pages[at! - 1]!, pages[at!]!];
      const changes = breakIt(page, next);
      const mutant = pages
        .with(at! - 1, { ...page, ...changes.page })
        .with(at!, { ...next, ...changes.next });
      expect(check(mutant)).toContain(kind);
      const least = shrinkHistory(history(...mutant));
      expect(least.length).toBeLessThanOrEqual(16);
      expect(checkHistory(least)).not.toEqual([]);
    }),
  );
});
