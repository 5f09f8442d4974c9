/**
 * Counts the invalidations of one thing that entries depend on.
 *
 * It only grows. So the sum over an entry's generations, noted when its computation began, is the same later exactly when not one
 * of them was invalidated in between: no timestamps, nothing to walk, one increment per invalidation.
 */
export class Generation {
  value = 0;
  /** Stored entries that depend on it. */
  entries = 0;
  /** Computations under way that depend on it. They hold it in place: a generation made anew under its name would start at 0. */
  tickets = 0;

  constructor(private readonly whenUnused?: () => void) {}

  /** Forgets it once nothing depends on it, so that tags without number do not fill the memory. */
  dropIfUnused(): void {
    if (this.entries === 0 && this.tickets === 0) this.whenUnused?.();
  }
}

/** Generations by name, each there as long as something depends on it. */
export class Generations {
  readonly #byName = new Map<string, Generation>();

  find(name: string): Generation | undefined {
    return this.#byName.get(name);
  }

  open(name: string): Generation {
    let generation = this.#byName.get(name);
    if (generation === undefined) {
      generation = new Generation(() => this.#byName.delete(name));
      this.#byName.set(name, generation);
    }
    return generation;
  }
}

/** The sum that tells whether anything changed. */
export function sumOf(generations: readonly Generation[]): number {
  let sum = 0;
  for (let index = 0; index < generations.length; index += 1) sum += (generations[index] as Generation).value; // index < length
  return sum;
}
