import type { HistoryEvent } from './history.js';

/**
 * What a history may prove.
 *
 * - `overlap`: two holds, not both of readers, were surely valid at one time.
 * - `overtaken`: a hold was told of only after one with a larger fence had come and gone, which it excludes.
 * - `fence-back`: a hold that was asked for after another had begun got a smaller fence.
 * - `fence-repeated`: two holds of a key have one fence.
 * - `false-release`: a release was told that it was the owner's, after somebody else had become it.
 * - `false-denial`: a hold that was surely valid was told that it is not.
 */
export type ViolationKind =
  | 'overlap'
  | 'overtaken'
  | 'fence-back'
  | 'fence-repeated'
  | 'false-release'
  | 'false-denial';

export interface Violation {
  readonly kind: ViolationKind;
  readonly key: string;
  /** The events that prove it: of two holds at most, in the order of time. */
  readonly events: readonly HistoryEvent[];
}

/**
 * Checks whether a history of any number of keys and processes is that of a fenced read/write mutex. Returns `[]` if it
 * is. A hold counts as surely valid from the moment when its holder is told so, until its release is requested, its
 * time is over, or its loss is reported, whichever comes first. Takes O(n log n). The order of the events does not
 * matter.
 */
export function checkHistory(events: Iterable<HistoryEvent>): Violation[] {
  const byKey = new Map<string, HistoryEvent[]>();
  for (const event of events) {
    const known = byKey.get(event.key);
    if (known) known.push(event);
    else byKey.set(event.key, [event]);
  }
  return [...byKey].flatMap(([key, own]) => {
    const holds = readHolds(own.sort((a, b) => a.at - b.at));
    const proofs = [...overlaps(holds), ...fences(holds), ...answers(holds)];
    return proofs.map(([kind, ...of]) => ({
      kind,
      key,
      events: of.flatMap(evidence).sort((a, b) => a.at - b.at),
    }));
  });
}

/**
 * Returns the smallest part of a history that still proves its first violation: the events of the holds in it, without
 * unnecessary extensions. Returns `[]` if the history proves no violation.
 */
export function shrinkHistory(events: Iterable<HistoryEvent>): HistoryEvent[] {
  const all = [...events];
  const [violation] = checkHistory(all);
  if (!violation) return [];
  const holds = new Set(violation.events.map(({ hold }) => hold));
  let least = all.filter(({ key, hold }) => key === violation.key && holds.has(hold));
  for (const event of least) {
    // Only what made somebody believe more: to leave out anything else would prove what did not happen.
    const spare =
      event.op === 'extend' && (event.type === 'ok' || event.until === undefined) && event.type !== 'fail';
    const rest = least.filter((other) => other !== event);
    if (spare && checkHistory(rest).some(({ kind }) => kind === violation.kind)) least = rest;
  }
  return least;
}

type Proof = [ViolationKind, ...Hold[]];

/** A time through which a hold was surely valid. */
interface Claim {
  readonly hold: Hold;
  readonly from: number;
  until: number;
}

class Hold {
  readonly events: HistoryEvent[] = [];
  readonly claims: Claim[] = [];
  acquired: HistoryEvent | undefined;
  releasing: HistoryEvent | undefined;
  freed = false;
  denied = false;
  #deadline = -Infinity;
  #over = false;

  get write(): boolean {
    return this.acquired!.mode === 'write';
  }

  get fence(): number | undefined {
    return this.acquired!.fence;
  }

  /** When it was asked for; at the latest when it was told. */
  get invokedAt(): number {
    const { type, op, at } = this.events[0]!;
    return type === 'invoke' && op === 'acquire' ? at : this.acquired!.at;
  }

  get endedAt(): number {
    return this.claims.at(-1)?.until ?? this.acquired!.at;
  }

  excludes(other: Hold): boolean {
    return this.write || other.write;
  }

  take(event: HistoryEvent): void {
    this.events.push(event);
    const { op, type, at } = event;
    if (op === 'acquire' && type === 'ok') {
      this.acquired = event;
      this.#claim(event);
    } else if (this.acquired && op === 'extend' && !this.#over) {
      if (type === 'ok') this.#claim(event);
      else if (type === 'invoke') this.#cap(event.until ?? Infinity);
      else if (type === 'fail') {
        this.denied ||= at < this.#deadline;
        this.#end(at);
      }
    } else if (this.acquired && op === 'release') {
      if (type === 'invoke' && !this.releasing) {
        this.releasing = event;
        // Who was told of the loss before is not denied anything.
        if (this.#over) this.#deadline = -Infinity;
        this.#end(at);
      }
      this.freed ||= type === 'ok';
      this.denied ||= type === 'fail' && at < this.#deadline;
    }
  }

  #claim({ at, until = Infinity }: HistoryEvent): void {
    const last = this.claims.at(-1);
    if (last && at <= last.until) last.until = Math.max(at, until);
    else if (until > at) this.claims.push({ hold: this, from: at, until });
    this.#deadline = until;
  }

  #cap(until: number): void {
    const last = this.claims.at(-1);
    if (last) last.until = Math.min(last.until, until);
    this.#deadline = Math.min(this.#deadline, until);
  }

  #end(at: number): void {
    const last = this.claims.at(-1);
    if (last) last.until = Math.min(last.until, at);
    this.#over = true;
  }
}

/** The holds that came to be, in the order in which they were told. */
function readHolds(events: readonly HistoryEvent[]): Hold[] {
  const holds = new Map<string, Hold>();
  for (const event of events) {
    let hold = holds.get(event.hold);
    if (!hold) {
      hold = new Hold();
      holds.set(event.hold, hold);
    }
    hold.take(event);
  }
  return [...holds.values()]
    .filter(({ acquired }) => acquired)
    .sort((a, b) => a.acquired!.at - b.acquired!.at);
}

function* overlaps(holds: readonly Hold[]): Iterable<Proof> {
  const claims = holds.flatMap((hold) => hold.claims).sort((a, b) => a.from - b.from);
  // The claim of each kind that lasts longest: if that one is over, so are all before it.
  let writer: Claim | undefined;
  let reader: Claim | undefined;
  for (const claim of claims) {
    const { write } = claim.hold;
    const others = write ? [writer, reader] : [writer];
    const clash = others.find((other) => other && other.until > claim.from && claim.until > claim.from);
    if (clash) yield ['overlap', clash.hold, claim.hold];
    if (write && !(writer && writer.until >= claim.until)) writer = claim;
    if (!write && !(reader && reader.until >= claim.until)) reader = claim;
  }
}

function* fences(holds: readonly Hold[]): Iterable<Proof> {
  const fenced = holds.filter(({ fence }) => fence !== undefined);
  const seen = new Map<number, Hold>();
  for (const hold of fenced) {
    const twin = seen.get(hold.fence!);
    if (twin) yield ['fence-repeated', twin, hold];
    else seen.set(hold.fence!, hold);
  }
  const toldBefore = largestUntil(fenced, (hold) => hold.acquired!.at);
  for (const hold of sorted(fenced, (hold) => hold.invokedAt)) {
    const before = toldBefore(hold.invokedAt);
    if (before && before.fence! > hold.fence!) yield ['fence-back', before, hold];
  }
  const endedBefore = largestUntil(fenced, (hold) => hold.endedAt);
  const writersBefore = largestUntil(
    fenced.filter(({ write }) => write),
    (hold) => hold.endedAt,
  );
  for (const hold of fenced) {
    const before = (hold.write ? endedBefore : writersBefore)(hold.acquired!.at);
    const asked = before && hold.invokedAt <= before.acquired!.at;
    if (asked && before.fence! > hold.fence! && hold.claims.length > 0) yield ['overtaken', before, hold];
  }
}

function* answers(holds: readonly Hold[]): Iterable<Proof> {
  for (const hold of holds) if (hold.denied) yield ['false-denial', hold];
  const released = holds.filter(({ freed, releasing, fence }) => freed && releasing && fence !== undefined);
  const fenced = holds.filter(({ fence }) => fence !== undefined);
  const anyBefore = largestUntil(fenced, (hold) => hold.acquired!.at);
  const writerBefore = largestUntil(
    fenced.filter(({ write }) => write),
    (hold) => hold.acquired!.at,
  );
  for (const hold of sorted(released, (hold) => hold.releasing!.at)) {
    const owner = (hold.write ? anyBefore : writerBefore)(hold.releasing!.at);
    if (owner && owner.fence! > hold.fence!) yield ['false-release', hold, owner];
  }
}

/** Of the holds whose time is before `at`, the one with the largest fence. To be asked with a growing `at`. */
function largestUntil(
  holds: readonly Hold[],
  time: (hold: Hold) => number,
): (at: number) => Hold | undefined {
  const inOrder = sorted(holds, time);
  let next = 0;
  let largest: Hold | undefined;
  return (at) => {
    for (; next < inOrder.length && time(inOrder[next]!) < at; next++) {
      const hold = inOrder[next]!;
      if (!largest || hold.fence! > largest.fence!) largest = hold;
    }
    return largest;
  };
}

const sorted = (holds: readonly Hold[], time: (hold: Hold) => number) =>
  [...holds].sort((a, b) => time(a) - time(b));

/** What says how a hold came, how long it was believed in, and how it ended. */
function evidence({ events }: Hold): HistoryEvent[] {
  const extended = events.findLast(({ op, type }) => op === 'extend' && type === 'ok');
  return events.filter((event) => event.op !== 'extend' || event === extended || event.type === 'fail');
}
