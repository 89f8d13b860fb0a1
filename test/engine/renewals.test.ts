import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import type { Hold } from '../../src/engine/hold.js';
import { claimKey, Holds } from '../../src/engine/holds.js';
import { Link } from '../../src/engine/link.js';
import { Renewals } from '../../src/engine/renewals.js';
import { type LockStore, type Renewal, type RenewalAnswer, StoreError } from '../../src/engine/store.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { shareHold, TTL, tryOf } from '../support/shared-hold.js';

let clock: FakeClock;
let link: Link;
let holds: Holds;
let renewals: Renewals;
/** What the store was asked, call by call. */
let sent: (readonly Renewal[])[];
let answer: (renewal: Renewal) => RenewalAnswer;
/** ms until the store answers. */
let latency: number;
/** Whether it can send a renewal. */
let connected: boolean;

beforeEach(() => {
  clock = new FakeClock(1_000);
  link = new Link(clock, new LockBackendError('away'));
  link.up();
  holds = new Holds(clock, 3);
  [sent, latency, connected] = [[], 0, true];
  answer = () => 'renewed';
  const renew = async (batch: readonly Renewal[]) => {
    if (!connected) throw new StoreError('away', 'not-sent');
    sent.push(batch);
    await new Promise<void>((resolve) => void clock.after(latency, resolve));
    return batch.map(answer);
  };
  const store: Pick<LockStore, 'limits' | 'renew'> = {
    limits: { fencesPerClaim: 3, renewBatch: 2, leaveBatch: 2 },
    renew,
  };
  renewals = new Renewals(clock, store as LockStore, link, holds);
});

afterEach(() => {
  holds.close();
  expect(clock.pending).toBe(0);
});

const onRevoked = jest.fn();
beforeEach(() => void onRevoked.mockClear());

function begin(token: string): Hold {
  const claim = { id: claimKey('k', token), request: tryOf(token, { onRevoked }), mayComeLate: false };
  return holds.begin(claim, { fence: 1, validUntil: clock.now() + TTL, run: [] });
}

const known = (hold: Hold) => holds.find(hold.id) === hold;

async function renewed(hold: Hold, ttl = TTL): Promise<unknown> {
  const answers = renewals.renew([{ grant: hold.grant, ttl }]);
  await clock.advance(latency);
  const [result] = await answers;
  return result;
}

describe('an extension', () => {
  test('sets the time from its sending on, surely less than the store counts', async () => {
    const hold = begin('a');
    latency = 100;
    await clock.advance(2_000);
    const { grant } = hold;
    expect(await renewed(hold)).toEqual({ ...grant, validUntil: 3_000 + TTL - 1 - TTL / 1_000 });
    expect(sent).toEqual([
      [{ key: 'k', token: 'a', mode: 'write', ttl: TTL, sequence: 1, serves: undefined }],
    ]);
    expect(link.answersFor('').at).toBe(3_100);
    // It is over at that time, and not before.
    await clock.advance(3_000 + TTL - 12 - clock.now());
    expect(known(hold)).toBe(true);
    await clock.advance(1);
    expect(known(hold)).toBe(false);
  });

  test('tells what the latest one leaves of its time', async () => {
    const hold = begin('a');
    latency = 100;
    const [longer, shorter] = [renewed(hold), renewed(hold, 500)];
    const until = 1_000 + 500 - 1 - 0.5;
    expect(await longer).toMatchObject({ validUntil: until });
    expect(await shorter).toMatchObject({ validUntil: until });
    await clock.advance(500);
    expect(known(hold)).toBe(false);
  });

  test('of a hold that is over answers null, and is not sent', async () => {
    const hold = begin('a');
    holds.end(hold);
    expect([await renewed(hold), sent]).toEqual([null, []]);
  });

  test('that finds the hold lost ends it, and answers null', async () => {
    const hold = begin('a');
    const shared = shareHold(hold, clock);
    answer = () => 'lost';
    expect([await renewed(hold), known(hold), shared.loss]).toEqual([null, false, 'stolen']);
  });

  test('that fails answers the fault, and leaves the time that is sure either way', async () => {
    const hold = begin('a');
    const fault = new StoreError('down', 'unknown');
    answer = () => {
      throw fault;
    };
    expect([await renewed(hold), known(hold), hold.validUntil]).toEqual([fault, true, 1_000 + TTL - 11]);
    expect(link.count).toBe(0);
    expect(hold.mayBeHandedOn(1, clock.now())).toBe(true);
  });

  test('of a hold that a thread has found to be lost answers null, and is not sent', async () => {
    const hold = begin('a');
    shareHold(hold, clock).end('stolen');
    expect([await renewed(hold), sent]).toEqual([null, []]);
  });
});

test('extensions go together, as many in a call as the store takes, and each gets its own answer', async () => {
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map(begin);
  const fault = new StoreError('refused', 'refused');
  holds.end(all[1]!);
  answer = ({ token }) => (token === 'd' ? fault : token === 'e' ? 'lost' : 'renewed');
  const answers = renewals.renew(all.map(({ grant }) => ({ grant, ttl: TTL })));
  await clock.advance(0);
  const granted = (token: string) => expect.objectContaining({ token, validUntil: 1_000 + TTL - 11 });
  expect(await answers).toEqual([granted('a'), null, granted('c'), fault, null, granted('f')]);
  expect(sent.map((batch) => batch.map(({ token }) => token))).toEqual([['a', 'c'], ['d', 'e'], ['f']]);
  expect(link.count).toBe(3);
});

describe('without a connection', () => {
  const extend = (...all: Hold[]) => renewals.renew(all.map(({ grant }) => ({ grant, ttl: TTL })));

  beforeEach(() => {
    link.down(new LockBackendError('lost'));
    connected = false;
  });

  test('extensions wait half a second for it, and fail then', async () => {
    const both = ['a', 'b'].map(begin);
    const answers = extend(...both);
    const settled = jest.fn();
    void answers.then(settled);
    await clock.advance(490);
    expect(settled).not.toHaveBeenCalled();
    await clock.advance(10);
    expect([await answers, sent, both.map(known)]).toEqual([[link.fault, link.fault], [], [true, true]]);
  });

  test('extensions are sent when it is back, and count from then', async () => {
    const answers = extend(...['a', 'b'].map(begin));
    await clock.advance(400);
    connected = true;
    link.up();
    await clock.advance(0);
    const granted = expect.objectContaining({ validUntil: 1_400 + TTL - 11 });
    expect(await answers).toEqual([granted, granted]);
    expect(sent.length).toBe(1);
  });

  test('extensions are sent at once where the store has another one, and only what it has not sent waits', async () => {
    connected = true;
    const fault = new StoreError('refused', 'refused');
    answer = ({ token }) =>
      token === 'a' ? 'renewed' : token === 'b' ? fault : new StoreError('away', 'not-sent');
    const answers = extend(...['a', 'b', 'c', 'd'].map(begin));
    await clock.advance(100);
    answer = ({ token }) => (token === 'c' ? 'renewed' : 'lost');
    link.up();
    await clock.advance(0);
    const granted = (token: string) => expect.objectContaining({ token });
    expect(await answers).toEqual([granted('a'), fault, granted('c'), null]);
    expect(sent.map((batch) => batch.map(({ token }) => token))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ]);
  });
});

describe('the store is told whom a hold serves', () => {
  const handOn = (hold: Hold) => {
    const former = hold.request.token;
    hold.handOn({ ...hold.request, token: 'b', meta: { who: 'b' } }, 0, false);
    holds.moved(hold, former);
    renewals.tellServed(hold);
  };

  test('when that does not change any more; its time stays as it is', async () => {
    const hold = begin('a');
    await clock.advance(5);
    handOn(hold);
    await clock.advance(14);
    expect(sent).toEqual([]);
    await clock.advance(1);
    const serves = { fence: 2, meta: { who: 'b' } };
    expect(sent).toEqual([[expect.objectContaining({ token: 'a', sequence: 1, serves })]]);
    expect(hold.validUntil).toBeGreaterThanOrEqual(1_000 + TTL - 0.001);
    expect(hold.validUntil).toBeLessThan(1_000 + TTL + 1);
  });

  test.each([
    ['it is over', (hold: Hold) => holds.end(hold)],
    ['its time is up', (hold: Hold) => hold.endBy(clock.now() + 20)],
  ])('but not where %s', async (_, change) => {
    const hold = begin('a');
    handOn(hold);
    change(hold);
    await clock.advance(1_020);
    expect(sent).toEqual([]);
    holds.end(hold);
  });

  test.each([
    ['there is no connection', () => link.down(new LockBackendError('lost')), () => link.up()],
    [
      'the store refuses it',
      () => {
        answer = () => new StoreError('refused', 'passing');
      },
      () => {
        answer = () => 'renewed';
      },
    ],
  ])('again where %s, until it is known', async (_, fail, mend) => {
    const hold = begin('a');
    handOn(hold);
    fail();
    await clock.advance(2_500);
    mend();
    sent = [];
    await clock.advance(1_000);
    expect(sent).toMatchObject([[{ serves: { fence: 2, meta: { who: 'b' } } }]]);
    await clock.advance(5_000);
    expect(sent).toHaveLength(1);
    holds.end(hold);
  });

  test('again where a renewal of a thread may have overtaken that: the store ignores what is behind it', async () => {
    const hold = begin('a');
    handOn(hold);
    const shared = shareHold(hold, clock);
    answer = () => {
      if (sent.length === 1) shared.renewed(shared.startRenewal(TTL, clock.now())!, clock.now() + TTL - 11);
      return 'renewed';
    };
    await clock.advance(20);
    expect(sent).toHaveLength(1);
    await clock.advance(1_000);
    expect(sent[1]).toMatchObject([{ sequence: 3, serves: { fence: 2 } }]);
    await clock.advance(5_000);
    expect(sent).toHaveLength(2);
    holds.end(hold);
  });
});

describe('a hold that is being revoked', () => {
  test('ends after the grace, which its owner is told, and the store is asked how much is left', async () => {
    const hold = begin('a');
    answer = () => ({ revoked: 800 });
    renewals.revoked(hold, 2_000);
    expect(onRevoked.mock.calls).toEqual([[2_000 - 1 - 2]]);
    latency = 50;
    await clock.advance(50);
    expect(sent).toEqual([[expect.objectContaining({ token: 'a', ttl: 2_000 })]]);
    // The answer counts from the question.
    expect(onRevoked.mock.calls[1]).toEqual([800 - 1 - 0.8]);
    expect(hold.validUntil).toBe(1_000 + 800 - 1 - 0.8);
    await clock.advance(1_798 - clock.now());
    expect(known(hold)).toBe(true);
    await clock.advance(1);
    expect(known(hold)).toBe(false);
  });

  test('is asked about in whole ms, also where a thread tells what is left', async () => {
    const hold = begin('a');
    answer = () => ({ revoked: 800 });
    renewals.revoked(hold, 1_996.4);
    await clock.advance(1);
    expect(sent).toEqual([[expect.objectContaining({ token: 'a', ttl: 1_997 })]]);
    holds.end(hold);
  });

  test('at once is over at once', () => {
    const hold = begin('a');
    const shared = shareHold(hold, clock);
    renewals.revoked(hold, 0);
    expect([known(hold), shared.loss, sent, onRevoked.mock.calls]).toEqual([false, 'revoked', [], [[0]]]);
  });

  test('is over when an extension is answered after the grace', async () => {
    const hold = begin('a');
    const shared = shareHold(hold, clock);
    answer = () => ({ revoked: 1_000 });
    latency = 1_000 - 1 - 1;
    expect([await renewed(hold), known(hold), shared.loss]).toEqual([null, false, 'revoked']);
    expect(onRevoked.mock.calls).toEqual([[0]]);
  });

  test('and was released meanwhile is told to nobody', async () => {
    const hold = begin('a');
    latency = 50;
    answer = () => ({ revoked: 500 });
    const extended = renewed(hold);
    holds.end(hold);
    expect([await extended, onRevoked.mock.calls]).toEqual([null, []]);
  });
});
