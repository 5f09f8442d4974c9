import type { LimitHolder, LimitHolderKind } from "@portcullis/core";

/** Values by holder. A map for each kind: ids are looked up as they are, never joined with their kind. */
export class HolderMap<Value> {
  readonly #kinds: Readonly<Record<LimitHolderKind, Map<string, Value>>> = {
    ip: new Map(),
    user: new Map(),
    key: new Map(),
    org: new Map(),
    all: new Map(),
  };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ kind, id }: LimitHolder): Value | undefined {
    return this.#kinds[kind].get(id);
  }

  set({ kind, id }: LimitHolder, value: Value): void {
    const values = this.#kinds[kind];
    const before = values.size;
    values.set(id, value);
    this.#size += values.size - before;
  }

  delete({ kind, id }: LimitHolder): boolean {
    const isGone = this.#kinds[kind].delete(id);
    if (isGone) this.#size -= 1;
    return isGone;
  }

  /** Removes the oldest of a kind, or of the fullest where it has none. */
  deleteOldest(kind: LimitHolderKind): void {
    const own = this.#kinds[kind];
    const fullest = own.size > 0 ? own : Object.values(this.#kinds).reduce((a, b) => (a.size >= b.size ? a : b));
    for (const [oldest] of fullest) {
      fullest.delete(oldest);
      this.#size -= 1;
      return;
    }
  }

  deleteWhere(isOver: (value: Value) => boolean): void {
    for (const values of Object.values(this.#kinds)) {
      for (const [id, value] of values) {
        if (!isOver(value)) continue;
        values.delete(id);
        this.#size -= 1;
      }
    }
  }

  forEach(callback: (value: Value, holder: LimitHolder) => void): void {
    for (const kind of Object.keys(this.#kinds) as LimitHolderKind[]) {
      // Its keys are the kinds.
      for (const [id, value] of this.#kinds[kind]) callback(value, { kind, id });
    }
  }
}
