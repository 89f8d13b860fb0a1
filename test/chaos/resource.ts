import type { LockMode } from 'latchkey';

/** What a holder asks of the resource; with `write`, to put that value in the place of the one it has. */
export interface Access {
  readonly key: string;
  readonly hold: string;
  readonly fence: number;
  readonly mode: LockMode;
  readonly write?: number;
}

export interface Answer {
  /** False: refused, somebody with a larger fence was here. */
  readonly ok: boolean;
  readonly value: number;
}

interface Cell {
  value: number;
  /** Of the accepted accesses by mode: the largest fence, and whose it was. */
  readonly largest: Record<LockMode, { fence: number; hold: string }>;
}

/**
 * What the locks protect: a counter a key, which holders read and then write. It is reached without Redis, and refuses
 * accesses whose fence is smaller than one it has seen, but for readers among each other.
 */
export class FencedResource {
  accepted = 0;
  /** Accesses with a smaller fence, refused: the fence did its work. */
  refused = 0;
  /** Holds that came here after somebody whom they exclude: overlaps as the resource sees them. */
  readonly overlapping = new Set<string>();
  /** What must not happen, in words. */
  readonly violations: { kind: string; what: string }[] = [];
  readonly #checks: boolean;
  readonly #cells = new Map<string, Cell>();

  /** Without `checks` it accepts everything. */
  constructor(checks: boolean) {
    this.#checks = checks;
  }

  access(access: Access): Answer {
    const { key, hold, fence, mode, write } = access;
    const cell = this.#cell(key);
    const rivals = mode === 'write' ? [cell.largest.write, cell.largest.read] : [cell.largest.write];
    const later = rivals.find((rival) => rival.fence > fence);
    if (later) {
      this.overlapping.add(hold);
      if (this.#checks) {
        this.refused++;
        return { ok: false, value: cell.value };
      }
      this.#violate(
        'stale access accepted',
        `${key}: ${hold} (${fence}) after ${later.hold} (${later.fence})`,
      );
    }
    const twin = rivals.find((rival) => rival.fence === fence && rival.hold !== hold);
    if (twin) this.#violate('fence shared', `${key}: ${hold} and ${twin.hold} (${fence})`);
    if (write !== undefined) {
      if (write !== cell.value + 1)
        this.#violate('lost update', `${key}: ${hold} (${fence}) wrote ${write} over ${cell.value}`);
      cell.value = write;
    }
    if (fence >= cell.largest[mode].fence) cell.largest[mode] = { fence, hold };
    this.accepted++;
    return { ok: true, value: cell.value };
  }

  #cell(key: string): Cell {
    let cell = this.#cells.get(key);
    if (!cell) {
      cell = { value: 0, largest: { write: { fence: 0, hold: '' }, read: { fence: 0, hold: '' } } };
      this.#cells.set(key, cell);
    }
    return cell;
  }

  #violate(kind: string, what: string): void {
    this.violations.push({ kind, what });
  }
}
