/**
 * A map for values that stay briefly, in the order in which they came. Not a Map of the values: when V8 cleans up the table
 * of a Map, the old table refers to the new one. Once one of them is in the old generation, it keeps all later ones
 * and what they had, until the next full garbage collection. Of these tables only the keys are kept.
 */
export class BriefMap<K, V> {
  readonly #slots = new Map<K, number>();
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  set(key: K, value: V): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#values.length;
      this.#slots.set(key, slot);
    }
    this.#values[slot] = value;
  }

  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#slots.delete(key);
    this.#values[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  *values(): Generator<V, void, void> {
    for (const slot of this.#slots.values()) yield this.#values[slot]!;
  }

  clear(): void {
    this.#slots.clear();
    this.#values.length = 0;
    this.#free.length = 0;
  }
}
