/** No slot: the end of a chain. */
const NONE = -1;
const SWEEP_SLOTS = 2;
const OVERFLOW_CELLS = 4_096;
const FIRST_SLOTS = 1_024;

/**
 * Theoretical arrival times by (subject, limit), in slots of flat arrays; the cells of a subject form a chain.
 *
 * Each call inspects two slots and frees those whose time has passed: they equal cells that were never used. When every slot
 * is live, new subjects share overflow cells by hash. So no flood of keys resets a limit that is exhausted.
 */
export class LimitTable {
  readonly #heads = new Map<string, number>();
  readonly #subjects: string[] = [];
  readonly #ids: string[] = [];
  #arrivals = new Float64Array(FIRST_SLOTS);
  #spans = new Float64Array(FIRST_SLOTS);
  /** The next cell of the subject, or the next free slot. */
  #next = new Int32Array(FIRST_SLOTS);
  #used = 0;
  #firstFree = NONE;
  #hand = 0;
  readonly #overflow = new Map<number, number>();
  // Unpredictable, so that nobody picks the subjects to share a cell with.
  readonly #seed = Math.floor(Math.random() * 0x1_0000_0000);

  constructor(readonly maxCells: number) {}

  /** The cell's slot; valid until the next change. Negative when it has none. */
  find(subject: string, id: string): number {
    return this.#find(this.#headOf(subject), id);
  }

  /** @param slot As `find` said. @returns 0 for a cell never used. */
  arrivalAt(slot: number, subject: string, id: string): number {
    if (slot !== NONE) return this.#arrivals[slot] ?? 0;
    return this.#overflow.size === 0 ? 0 : (this.#overflow.get(this.#overflowCell(subject, id)) ?? 0);
  }

  /** What a full cell's debt was when its arrival was stored; `undefined` where limits share a cell. @param slot As `find` said. */
  spanAt(slot: number): number | undefined {
    return slot === NONE ? undefined : this.#spans[slot];
  }

  set(subject: string, id: string, arrival: number, spanMs: number): void {
    const head = this.#headOf(subject);
    let slot = this.#find(head, id);
    if (slot === NONE) slot = this.#claim(subject, id, head);
    if (slot === NONE) this.#overflow.set(this.#overflowCell(subject, id), arrival);
    else {
      this.#arrivals[slot] = arrival;
      this.#spans[slot] = spanMs;
    }
  }

  removeAll(subject: string): void {
    for (let slot = this.#headOf(subject); slot !== NONE;) {
      const next = this.#next[slot] ?? NONE;
      this.#free(slot);
      slot = next;
    }
    this.#heads.delete(subject);
  }

  sweep(now: number): void {
    for (let step = 0; step < SWEEP_SLOTS && this.#used > 0; step += 1) {
      if (this.#hand >= this.#used) this.#hand = 0;
      const slot = this.#hand++;
      // A free slot holds NaN, which is never <= now.
      if ((this.#arrivals[slot] ?? NaN) <= now) this.#unlink(slot);
    }
    if (this.#overflow.size > 0) this.#sweepOverflow(now);
  }

  #headOf(subject: string): number {
    return this.#heads.get(subject) ?? NONE;
  }

  #find(head: number, id: string): number {
    let slot = head;
    while (slot !== NONE && this.#ids[slot] !== id) slot = this.#next[slot] ?? NONE;
    return slot;
  }

  #claim(subject: string, id: string, head: number): number {
    let slot = this.#firstFree;
    if (slot !== NONE) this.#firstFree = this.#next[slot] ?? NONE;
    else if (this.#used < this.maxCells) {
      slot = this.#used++;
      if (slot >= this.#arrivals.length) this.#grow();
    } else return NONE;
    this.#subjects[slot] = subject;
    this.#ids[slot] = id;
    this.#next[slot] = head;
    this.#heads.set(subject, slot);
    return slot;
  }

  #grow(): void {
    const length = Math.min(this.#arrivals.length * 2, Math.max(this.maxCells, FIRST_SLOTS));
    const arrivals = new Float64Array(length);
    arrivals.set(this.#arrivals);
    const spans = new Float64Array(length);
    spans.set(this.#spans);
    const next = new Int32Array(length);
    next.set(this.#next);
    this.#arrivals = arrivals;
    this.#spans = spans;
    this.#next = next;
  }

  #unlink(slot: number): void {
    const subject = this.#subjects[slot] ?? "";
    const after = this.#next[slot] ?? NONE;
    let before = this.#headOf(subject);
    if (before === slot) {
      if (after === NONE) this.#heads.delete(subject);
      else this.#heads.set(subject, after);
    } else {
      while (this.#next[before] !== slot) before = this.#next[before] ?? NONE;
      this.#next[before] = after;
    }
    this.#free(slot);
  }

  #free(slot: number): void {
    this.#arrivals[slot] = NaN;
    this.#subjects[slot] = "";
    this.#ids[slot] = "";
    this.#next[slot] = this.#firstFree;
    this.#firstFree = slot;
  }

  #sweepOverflow(now: number): void {
    for (const [cell, arrival] of this.#overflow) {
      if (arrival > now) return;
      this.#overflow.delete(cell);
    }
  }

  /** FNV-1a over both strings. */
  #overflowCell(subject: string, id: string): number {
    let hash = this.#seed;
    for (let index = 0; index < subject.length; index += 1) hash = Math.imul(hash ^ subject.charCodeAt(index), 0x01000193);
    hash = Math.imul(hash ^ 0xffff, 0x01000193);
    for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
    return (hash >>> 8) % OVERFLOW_CELLS;
  }
}
