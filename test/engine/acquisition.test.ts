import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Deadlines } from '../../src/core/deadlines.js';
import { LockBackendError, LockClosedError } from '../../src/core/errors.js';
import { Acquisition, type AcquisitionHost } from '../../src/engine/acquisition.js';
import { Hold } from '../../src/engine/hold.js';
import { Link } from '../../src/engine/link.js';
import {
  type Claim,
  type Granted,
  type LockStore,
  type Outcome,
  type Place,
  StoreError,
} from '../../src/engine/store.js';
import type { AcquireRequest, Grant } from '../../src/lease/driver.js';
import { FakeClock } from '../../src/testing/index.js';

const FENCES = 63;

/** A claim that was sent, and how it is answered. */
interface Sent {
  readonly claim: Claim;
  readonly place: Place | undefined;
  readonly at: number;
  granted(granted?: Partial<Granted>): Promise<void>;
  refused(kept?: boolean): Promise<void>;
  failed(outcome: Outcome): Promise<void>;
}

let clock: FakeClock;
let link: Link;
/** Which server keeps the keys, but for `elsewhere`. */
let keeper: string;
let limits: Deadlines;
let sent: Sent[];
/** What the acquisition has told its host. */
let told: string[];
let random: number;
/** Tells that the store has given up the place. */
let hasLeft: (() => void) | undefined;
/** The holds that began, and whether a claim could come late then. */
let holds: { hold: Hold; late: boolean; unannounced: boolean }[];

beforeEach(() => {
  clock = new FakeClock(10_000);
  keeper = 'a server';
  link = new Link(clock, new LockBackendError('not connected'), (key) =>
    key === 'elsewhere' ? 'another server' : keeper,
  );
  link.up();
  limits = new Deadlines(clock);
  sent = [];
  told = [];
  holds = [];
  random = 0.5;
  hasLeft = undefined;
});

afterEach(async () => {
  limits.stop();
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

const store = {
  limits: { fencesPerClaim: FENCES, renewBatch: 1, leaveBatch: 1 },
  claim: (claim: Claim, place?: Place) =>
    new Promise((resolve, reject) => {
      const at = clock.now();
      const settle = (how: () => void) => {
        how();
        return clock.advance(0);
      };
      sent.push({
        ...{ claim, place, at },
        granted: (granted) =>
          settle(() => resolve({ granted: true, fence: 100, ttl: claim.ttl, asOf: at, run: [], ...granted })),
        refused: (kept = false) => settle(() => resolve({ granted: false, left: 0, before: 0, kept })),
        failed: (outcome) => settle(() => reject(new StoreError('it failed', outcome))),
      });
    }),
} as Partial<LockStore> as LockStore;

function host(): AcquisitionHost {
  return {
    clock,
    random: () => random,
    store,
    link,
    limits,
    obtained: (acquisition, granted, unannounced) => {
      told.push('obtained');
      const hold = new Hold(acquisition, granted, FENCES, clock.now(), () => {});
      holds.push({ hold, late: hold.late, unannounced });
      return hold;
    },
    placed: () => void told.push('placed'),
    lookIn: () => void told.push('lookIn'),
    refusedLate: () => void told.push('refusedLate'),
    ended: () => void told.push('ended'),
    leave: (_, done) => {
      told.push('leave');
      hasLeft = done ?? hasLeft;
    },
  };
}

/** An acquisition that has asked once, and what comes of it. */
function ask(request: Partial<AcquireRequest> = {}) {
  const acquisition = new Acquisition(
    'id',
    {
      ...{ key: 'k', token: 't', mode: 'write', ttl: 1_000, wait: 0, retryInterval: 100, meta: {} },
      ...request,
    },
    host(),
  );
  const what: { outcome?: Grant | Error | null } = {};
  const settle = (outcome: Grant | Error | null) => void Object.assign(what, { outcome });
  acquisition.outcome.then(settle, settle);
  acquisition.ask();
  return { acquisition, what };
}

/** One that waits in the queue. */
async function waiting(request: Partial<AcquireRequest> = {}) {
  const asked = ask({ wait: 60_000, ...request });
  await sent.at(-1)!.refused();
  expect(told).toEqual(['placed']);
  return asked;
}

/** One whose wait of 100 ms is over, and whose place is being given up. */
async function leaving(request: Partial<AcquireRequest> = {}) {
  const asked = await waiting({ wait: 100, ...request });
  await clock.advance(100);
  expect(told).toEqual(['placed', 'leave']);
  expect(asked.what).toEqual({});
  return asked;
}

describe('a claim', () => {
  test.each([
    ['30 ms', 30, 1_600],
    ['3 s', 3_000, 10_000],
    ['1 h', 3_600_000, 16_000],
  ])('with a ttl of %s vouches for its place for three looks and a second', (_, ttl, vouchFor) => {
    ask({ ttl, wait: 1, limit: 3, mode: 'read', meta: { a: 'b' } });
    expect(sent[0]).toMatchObject({
      claim: { key: 'k', token: 't', mode: 'read', limit: 3, ttl, meta: { a: 'b' } },
      place: { vouchFor },
    });
  });

  test('of a single try has no place, and ends when it is refused', async () => {
    const { what } = ask();
    expect(sent[0]).toMatchObject({ claim: { limit: Infinity }, place: undefined });
    await sent[0]!.refused();
    expect(what).toEqual({ outcome: null });
    expect(told).toEqual(['ended']);
  });

  test('is not sent while there is no connection', async () => {
    link.down(new LockBackendError('gone'));
    const { acquisition, what } = ask({ wait: 60_000 });
    acquisition.ask();
    expect(sent).toHaveLength(0);
    await clock.advance(1_999);
    expect(what).toEqual({});
    await clock.advance(2);
    expect(what.outcome).toBe(link.fault);
    expect(told).toEqual(['ended']);
  });

  test('is not sent while another one is on its way, but after its answer', async () => {
    const { acquisition, what } = ask({ wait: 60_000 });
    acquisition.ask();
    acquisition.ask();
    expect(sent).toHaveLength(1);
    await sent[0]!.refused();
    expect(sent).toHaveLength(2);
    await sent[1]!.refused(true);
    expect(sent).toHaveLength(2);
    acquisition.ask();
    await sent[2]!.granted();
    expect(what.outcome).toMatchObject({ fence: 100 });
    expect(told).toEqual(['placed', 'placed', 'obtained', 'ended']);
  });

  test('is not sent any more when the wait is over', async () => {
    const { acquisition } = await leaving();
    acquisition.ask();
    hasLeft!();
    acquisition.ask();
    expect(sent).toHaveLength(1);
  });

  test.each([
    [0, 20],
    [0.5, 30],
    [0.95, 39],
  ])('that failed for now is sent again after 20 to 40 ms: with %d after %i', async (chance, ms) => {
    random = chance;
    ask({ wait: 60_000 });
    await sent[0]!.failed('passing');
    await clock.advance(ms - 1);
    expect(sent).toHaveLength(1);
    await clock.advance(1);
    expect(sent).toHaveLength(2);
  });

  test('that failed because the connection was lost is sent again when its host says so, and not before', async () => {
    const { acquisition } = ask({ wait: 60_000 });
    link.down(new LockBackendError('gone'));
    await sent[0]!.failed('unknown');
    await clock.advance(10);
    link.up();
    await clock.advance(500);
    expect(sent).toHaveLength(1);
    acquisition.ask();
    expect(sent).toHaveLength(2);
  });

  test.each([
    ['refused', 1],
    ['passing', 1],
    ['not-sent', 0],
    ['unknown', 0],
  ] as const)('that is %s counts as %i answers', async (outcome, answers) => {
    const { what } = ask({ wait: 60_000 });
    await sent[0]!.failed(outcome);
    expect(link.count).toBe(answers);
    expect('outcome' in what).toBe(outcome === 'refused');
  });
});

describe('a grant', () => {
  test('lasts no longer than the ttl, where the server says that more is left', async () => {
    ask({ wait: 60_000 });
    await sent[0]!.granted({ ttl: 5_000 });
    expect(holds[0]!.hold.validUntil).toBe(10_998);
  });

  test('lasts as long as the server says, where that is less', async () => {
    ask({ wait: 60_000 });
    await sent[0]!.granted({ ttl: 500 });
    expect(holds[0]!.hold.validUntil).toBe(10_498.5);
  });

  test('that is over when it arrives is asked about once more, and then it is an error that names the key', async () => {
    const { what } = ask({ wait: 60_000 });
    await clock.advance(998);
    await sent[0]!.granted();
    expect([what, sent.length]).toEqual([{}, 2]);
    await clock.advance(1_200);
    await sent[1]!.granted();
    expect(what.outcome).toBeInstanceOf(LockBackendError);
    expect(what.outcome).toMatchObject({ key: 'k', message: expect.stringContaining('1000 ms') });
    expect((what.outcome as Error).message).toContain('1200 ms');
    expect(told).toEqual(['ended']);
  });

  test('of which only the end is left is claimed anew, and is no error, however often', async () => {
    const { what } = ask({ wait: 60_000 });
    for (let n = 1; n < 4; n++) {
      await clock.advance(50);
      await sent[n - 1]!.granted({ ttl: 40 });
      expect([what, sent.length]).toEqual([{}, n]);
      await clock.advance(1);
      expect(sent).toHaveLength(n + 1);
    }
    await sent[3]!.granted();
    expect(what.outcome).toMatchObject({ fence: 100 });
  });

  test('of which the end is over too when a process that stood still for long reads it, is claimed anew at once', async () => {
    const { what } = ask({ wait: 60_000, ttl: 30_000 });
    clock.jump(9_000);
    await sent[0]!.granted({ ttl: 8_000 });
    await clock.advance(1);
    expect([what, sent.length]).toEqual([{}, 2]);
    await sent[1]!.granted();
    expect(what.outcome).toMatchObject({ fence: 100 });
  });

  test('that was late once is taken when it is in time', async () => {
    const { what } = ask({ wait: 60_000 });
    await clock.advance(998);
    await sent[0]!.granted();
    await clock.advance(997);
    await sent[1]!.granted();
    expect(what.outcome).toMatchObject({ fence: 100, validUntil: 11_996 });
  });

  test.each([
    ['the same', 100, false],
    ['the last that the hold may be handed on under', 100 + FENCES, false],
    ['a later one', 101 + FENCES, true],
    ['an earlier one', 99, true],
  ])('that comes after the hold has begun is given back by its fence: %s', async (_, fence, back) => {
    const { acquisition } = await waiting();
    acquisition.ask();
    acquisition.handedOver({ fence: 100, run: [], asOf: clock.now() });
    told = [];
    await sent[1]!.granted({ fence });
    expect(told).toEqual(back ? ['leave'] : []);
  });

  test.each(['leaving', 'ended'])('that comes to one that is %s is given back', async (phase) => {
    const { acquisition, what } = await waiting({ wait: 100 });
    acquisition.ask();
    await clock.advance(100);
    if (phase === 'ended') hasLeft!();
    told = [];
    await sent[1]!.granted();
    expect(told).toEqual(['leave']);
    if (phase === 'leaving') hasLeft!();
    await clock.advance(0);
    expect(what.outcome).toBeNull();
  });

  test('tells whether a message announced it', async () => {
    const first = ask({ wait: 60_000 });
    await sent[0]!.granted();
    const second = ask({ wait: 60_000 });
    second.acquisition.handedOver({ fence: 7, run: [], asOf: clock.now() });
    const third = ask({ wait: 60_000 });
    third.acquisition.handedOver({ fence: 9, run: [], asOf: -Infinity });
    await sent[2]!.refused();
    await sent[3]!.granted();
    await clock.advance(0);
    for (const { what } of [first, second, third]) expect(what.outcome).toMatchObject({ token: 't' });
    expect(holds.map(({ unannounced }) => unannounced)).toEqual([true, false, false]);
  });
});

describe('a message that the lock was handed over', () => {
  test('begins the hold where it surely leaves more than half of the ttl', async () => {
    const { acquisition, what } = await waiting();
    acquisition.handedOver({ fence: 7, run: ['next'], asOf: 9_503 });
    await clock.advance(0);
    expect(what.outcome).toMatchObject({ fence: 7, validUntil: 10_501 });
    expect(holds[0]!.hold.next).toBe('next');
    expect(sent).toHaveLength(1);
  });

  test.each([9_502, 9_000, -Infinity])(
    'makes it ask how much there is where it leaves less: sent after %d',
    async (asOf) => {
      const { acquisition, what } = await waiting();
      acquisition.handedOver({ fence: 7, run: [], asOf });
      await clock.advance(0);
      expect(what).toEqual({});
      await sent[1]!.granted({ fence: 7 });
      expect(what.outcome).toMatchObject({ fence: 7 });
    },
  );

  test.each(['leaving', 'ended'])('changes nothing for one that is %s', async (phase) => {
    const { acquisition, what } = await leaving();
    if (phase === 'ended') hasLeft!();
    acquisition.handedOver({ fence: 7, run: [], asOf: clock.now() });
    expect(holds).toEqual([]);
    if (phase === 'leaving') hasLeft!();
    await clock.advance(0);
    expect(what.outcome).toBeNull();
  });
});

test('may be served until its wait is over, or its signal has aborted', async () => {
  const stop = new AbortController();
  const seen: boolean[] = [];
  // Listeners are called in the order in which they were added: this one before that of the acquisition.
  stop.signal.addEventListener('abort', () => seen.push(acquisition.mayBeServed));
  const { acquisition, what } = ask({ wait: 60_000, signal: stop.signal });
  expect(acquisition.mayBeServed).toBe(true);
  await sent[0]!.refused();
  expect(acquisition.mayBeServed).toBe(true);
  stop.abort();
  expect(seen).toEqual([false]);
  await clock.advance(0);
  expect(what.outcome).toBe(stop.signal.reason);
  expect(acquisition.mayBeServed).toBe(false);
  told = [];
  const other = await leaving();
  expect(other.acquisition.mayBeServed).toBe(false);
  hasLeft!();
});

test.each([
  ['was lost before its answer', true, 'unknown'],
  ['is on its way', true, undefined],
  ['was not sent', false, 'not-sent'],
] as const)('a hold whose claim %s: that it may come late is %s', async (_, late, outcome) => {
  const { acquisition } = ask({ wait: 60_000 });
  if (outcome) await sent[0]!.failed(outcome);
  acquisition.handedOver({ fence: 7, run: [], asOf: clock.now() });
  expect(holds.map((each) => each.late)).toEqual([late]);
});

describe('one that ends without a hold', () => {
  const ways: Record<string, (of: Acquisition, stop: AbortController) => void> = {
    'an abort': (_, stop) => stop.abort(new Error('enough')),
    'a close': (acquisition) => acquisition.close(),
  };

  test.each(Object.keys(ways))('gives back what the store may have: by %s', async (way) => {
    const states: [string, () => Promise<void> | undefined, boolean][] = [
      ['nothing was sent', () => sent[0]!.failed('not-sent'), false],
      ['a claim is on its way', () => undefined, true],
      ['a claim was lost', () => sent[0]!.failed('unknown'), true],
      ['it has a place', () => sent[0]!.refused(), true],
    ];
    for (const [state, reach, leaves] of states) {
      sent = [];
      const stop = new AbortController();
      const { acquisition, what } = ask({ wait: 60_000, signal: stop.signal });
      await reach();
      told = [];
      ways[way]!(acquisition, stop);
      await clock.advance(0);
      if (way === 'a close') expect(what.outcome).toBeInstanceOf(LockClosedError);
      else expect(what.outcome).toMatchObject({ message: 'enough' });
      expect([state, ...told]).toEqual([state, 'ended', ...(leaves ? ['leave'] : [])]);
    }
  });

  test('ends once, whatever else is told', async () => {
    const stop = new AbortController();
    const { what } = await leaving({ signal: stop.signal });
    stop.abort();
    hasLeft!();
    await clock.advance(1_000);
    expect(what.outcome).toBe(stop.signal.reason);
    expect(told.filter((each) => each === 'ended')).toHaveLength(1);
  });
});

describe('its hard limit', () => {
  test('is that of its wait once it has a place, however long that is', async () => {
    const { acquisition, what } = await waiting({ wait: Infinity });
    await clock.advance(1_000_000);
    expect(what).toEqual({});
    acquisition.close();
  });

  test('of a newcomer is 2 s after an answer to anybody, and is an outage that names the key', async () => {
    const { what } = ask({ wait: 60_000 });
    await clock.advance(1_500);
    link.answered('another');
    await clock.advance(1_990);
    expect(what).toEqual({});
    await clock.advance(120);
    expect((what.outcome as Error).message).toContain('no answer within');
    expect(what.outcome).toMatchObject({ key: 'k' });
    expect(told).toEqual(['ended', 'leave']);
  });

  test('of one whose claims fail is 2 s after the last of them, though others are answered', async () => {
    const { what } = ask({ wait: 60_000 });
    await sent[0]!.failed('passing');
    for (let ms = 0; ms < 1_900; ms += 100) {
      await clock.advance(100);
      link.answered('another');
    }
    expect(sent).toHaveLength(2);
    await clock.advance(300);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('that comes while the connection has long been away leaves it 2 s', async () => {
    link.down(new LockBackendError('gone'));
    await clock.advance(30_000);
    const { what } = ask({ wait: 60_000 });
    await clock.advance(1_999);
    expect(what).toEqual({});
    await clock.advance(2);
    expect(what.outcome).toBe(link.fault);
  });

  test('is not heeded while an answer may be there, unread', async () => {
    const { what } = ask({ wait: 100 });
    clock.jump(400);
    await clock.advance(0);
    expect(what).toEqual({});
    await sent[0]!.granted();
    expect(what.outcome).toMatchObject({ fence: 100 });
  });

  test.each([100, 110])('ends it at once where it is refused, or fails, then or later: %i', async (ms) => {
    const [late, failed] = [ask({ wait: 100 }), ask({ wait: 100 })];
    clock.jump(ms);
    await sent[0]!.refused();
    await sent[1]!.failed('passing');
    expect(late.what.outcome).toBeNull();
    expect(failed.what.outcome).toMatchObject({ message: expect.stringContaining('it failed') });
    expect(told).toEqual(['placed', 'ended', 'leave', 'ended']);
  });

  test('while nothing is on its way is an outage at once, told by the last fault', async () => {
    const { what } = ask({ wait: 100 });
    await clock.advance(75);
    random = 1;
    await sent[0]!.failed('passing');
    await clock.advance(26);
    expect(what.outcome).toMatchObject({ message: expect.stringContaining('it failed') });
    expect(told).toEqual(['ended']);
  });

  test('is an outage after 100 ms without an answer to a claim', async () => {
    const { what } = ask({ wait: 100 });
    await clock.advance(199);
    expect(what).toEqual({});
    await clock.advance(2);
    expect((what.outcome as Error).message).toContain('no answer within 200 ms');
  });

  test('is put off while others are answered, for 0.5 s at most', async () => {
    const { what } = ask({ wait: 100 });
    const answered = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 20) {
        await clock.advance(20);
        link.answered('another');
      }
    };
    await answered(560);
    expect(what).toEqual({});
    await answered(120);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('is that of its wait again where it gets a place just after that of a newcomer', async () => {
    const { what } = ask({ wait: 5_000 });
    await clock.advance(2_040);
    await sent[0]!.refused();
    await clock.advance(2_959);
    expect([what, told]).toEqual([{}, ['placed', 'lookIn']]);
    await clock.advance(1);
    expect(told).toEqual(['placed', 'lookIn', 'leave']);
    hasLeft!();
    await clock.advance(0);
    expect(what.outcome).toBeNull();
  });

  test('is not put off while another server answers', async () => {
    const { what } = ask({ wait: 100 });
    for (let passed = 0; passed < 200; passed += 20) {
      await clock.advance(20);
      link.answered('elsewhere');
    }
    await clock.advance(2);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('is not put off where its key moves to a server that answered before, and is silent now', async () => {
    const { what } = ask({ wait: 100 });
    for (let answers = 0; answers < 9; answers++) link.answered('elsewhere');
    await clock.advance(110);
    keeper = 'another server';
    await clock.advance(92);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('is put off by one answer to another as long as by none', async () => {
    const { what } = ask({ wait: 100 });
    await clock.advance(110);
    link.answered('another');
    await clock.advance(114);
    expect(what).toEqual({});
    await clock.advance(2);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });
});

describe('one that leaves', () => {
  test('is told of contention when the store has given up its place', async () => {
    const { what } = await leaving();
    hasLeft!();
    await clock.advance(0);
    expect(what.outcome).toBeNull();
    expect(told).toEqual(['placed', 'leave', 'ended']);
  });

  test('is told of an outage after 100 ms without any answer, and gives up nothing twice', async () => {
    const { what } = await leaving();
    await clock.advance(99);
    expect(what).toEqual({});
    await clock.advance(1);
    expect((what.outcome as Error).message).toContain('no answer within 100 ms');
    expect(told).toEqual(['placed', 'leave', 'ended']);
    hasLeft!();
    expect(told).toHaveLength(3);
  });

  test('is told of the fault where the connection is lost meanwhile', async () => {
    const { what } = await leaving();
    link.down(new LockBackendError('gone'));
    await clock.advance(100);
    expect(what.outcome).toBe(link.fault);
  });

  test('is told of contention by an answer to another, after a first look at what came before', async () => {
    const { what } = await leaving();
    link.answered('another');
    await clock.advance(80);
    expect(what).toEqual({});
    link.answered('another');
    await clock.advance(20);
    expect(what.outcome).toBeNull();
  });

  test('is told of an outage where another server answers alone', async () => {
    const { what } = await leaving();
    for (let passed = 0; passed < 100; passed += 20) {
      await clock.advance(20);
      link.answered('elsewhere');
    }
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('is told of an outage where its key moves to a server that answered before, and is silent now', async () => {
    const { what } = await leaving();
    for (let answers = 0; answers < 9; answers++) link.answered('elsewhere');
    await clock.advance(30);
    keeper = 'another server';
    await clock.advance(70);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('is told of contention where its key moves to a server that answers, as seldom as it did before', async () => {
    const { what } = await leaving();
    link.answered('another');
    link.answered('another');
    await clock.advance(30);
    keeper = 'another server';
    link.answered('elsewhere');
    await clock.advance(70);
    expect(what.outcome).toBeNull();
  });

  test('is told of an outage where answers came before the first look alone', async () => {
    const { what } = await leaving();
    link.answered('another');
    await clock.advance(100);
    expect(what.outcome).toBeInstanceOf(LockBackendError);
  });

  test('keeps its place no more by a claim that is refused, or fails, meanwhile', async () => {
    for (const answer of ['refused', 'failed'] as const) {
      sent = [];
      told = [];
      const { acquisition, what } = await waiting({ wait: 100 });
      acquisition.ask();
      await clock.advance(100);
      told = [];
      if (answer === 'refused') await sent[1]!.refused(true);
      else await sent[1]!.failed('refused');
      await clock.advance(50);
      expect([what, told, sent.length]).toEqual([{}, [], 2]);
      hasLeft!();
      await clock.advance(0);
      expect(what.outcome).toBeNull();
    }
  });
});
