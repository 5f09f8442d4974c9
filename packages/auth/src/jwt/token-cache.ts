/**
 * Remembers at most `maxEntries` values and forgets those not asked for longest, in whole generations: a hit costs one or
 * two look-ups and no bookkeeping. Keys are whole texts, never hashes or prefixes: nothing collides.
 */
export class TokenCache<Value> {
  readonly #generationSize: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  /** @param maxEntries 0 remembers nothing. */
  constructor(maxEntries: number) {
    this.#generationSize = Math.ceil(maxEntries / 2);
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: Value): void {
    if (this.#generationSize === 0) return;
    if (this.#young.size >= this.#generationSize && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
