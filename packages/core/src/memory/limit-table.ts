import type { CalendarCell, LimitCell, LimitHolder, LimitHolderKind, WindowCell } from "../ports/limits.js";
import { isBucket, type LimitUse, spanOf, unused } from "../runtime/limit-state.js";

/** No slot: the end of a chain. */
export const NO_SLOT = -1;
const SWEEP_SLOTS = 2;
/** The first slots are shared by everybody who finds no slot of their own, for each kind apart: a count is no debt. */
const SHARED_OF_KIND = 4_096;
const FIRST_SHARED = Object.freeze({ bucket: 0, window: SHARED_OF_KIND, calendar: 2 * SHARED_OF_KIND });
const SHARED_SLOTS = 3 * SHARED_OF_KIND;
const FIRST_SLOTS = 1_024;

/** The terms of a cell when it was last written: what all slots of one limit have in common. */
interface Terms {
  readonly holderKind: LimitHolderKind;
  readonly id: string;
  readonly kind: LimitCell["kind"];
  /** What the debt of an empty bucket was; the length of a window; 0 for the calendar. */
  readonly spanMs: number;
  /** In the list of terms. */
  readonly index: number;
  /** Slots that have them. */
  uses: number;
}

/** Of shared slots: limits with all kinds of terms meet there, so each reads them as its own. */
const SHARED: Terms = Object.freeze({ holderKind: "all", id: "", kind: "bucket", spanMs: Number.NaN, index: 0, uses: 1 });

/**
 * The state of limits by (holder, limit), in slots of flat arrays; the cells of a holder form a chain.
 *
 * Each call inspects two slots and frees those whose time has passed: they equal cells that were never used. When every slot is
 * live, new holders share slots by hash. So no flood of keys resets a limit that is exhausted.
 */
export class LimitTable {
  readonly #ips = new Map<string, number>();
  readonly #users = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  readonly #orgs = new Map<string, number>();
  readonly #all = new Map<string, number>();
  /** By slot: whose it is. */
  readonly #ids: string[] = [];
  /** When a cell equals one never used: a bucket's arrival time. NaN in a free slot. */
  #arrivals = new Float64Array(SHARED_SLOTS + FIRST_SLOTS);
  #terms = new Uint32Array(SHARED_SLOTS + FIRST_SLOTS);
  /** The next cell of the holder, or the next free slot. */
  #next = new Int32Array(SHARED_SLOTS + FIRST_SLOTS);
  /** Of limits that count; as long as the others once there is one. */
  #starts = new Float64Array(0);
  #currents = new Float64Array(0);
  /** What the window before used; of a period of the calendar, when it ends. */
  #previous = new Float64Array(0);
  #used = SHARED_SLOTS;
  #live = 0;
  #firstFree = NO_SLOT;
  #hand = SHARED_SLOTS;
  /** When the last of the shared slots is empty again. */
  #sharedUntil = 0;
  readonly #termsList: (Terms | undefined)[] = [SHARED];
  readonly #termsById = new Map<string, Terms[]>();
  readonly #freeTerms: number[] = [];
  // Unpredictable, so that nobody picks the holders to share a slot with.
  readonly #seed = Math.floor(Math.random() * 0x1_0000_0000);

  constructor(readonly maxCells: number) {}

  /** Cells with a slot of their own. */
  get size(): number {
    return this.#live;
  }

  /** Different terms that the cells have. */
  get terms(): number {
    return this.#termsList.length - this.#freeTerms.length - 1;
  }

  /** Whether somebody shares a slot: the table was full a while ago. */
  isSharing(now: number): boolean {
    return this.#sharedUntil > now;
  }

  /** The cell's slot, valid until the next `sweep` or `removeAll`; a shared one where the table has been full; else `NO_SLOT`. */
  find({ kind, id }: LimitHolder, cell: LimitCell, now: number): number {
    let slot = this.#heads(kind).get(id) ?? NO_SLOT;
    while (slot !== NO_SLOT && !this.#isOf(slot, cell)) slot = this.#next[slot] ?? NO_SLOT;
    return slot === NO_SLOT && this.#sharedUntil > now ? this.#sharedSlot({ kind, id }, cell) : slot;
  }

  arrivalAt(slot: number): number {
    return slot === NO_SLOT ? 0 : (this.#arrivals[slot] ?? 0);
  }

  /** What `spanOf` the cell or its window was when it was written; the cell's own where slots are shared. */
  spanAt(slot: number, cell: LimitCell): number {
    const { spanMs } = this.#termsAt(slot);
    return Number.isNaN(spanMs) ? spanNow(cell) : spanMs;
  }

  useAt(slot: number): LimitUse | undefined {
    if (slot === NO_SLOT || slot >= this.#starts.length) return undefined;
    return { startAt: this.#starts[slot] ?? 0, current: this.#currents[slot] ?? 0, previous: this.#previous[slot] ?? 0 };
  }

  /**
   * Writes a cell.
   *
   * @param slot As `find` said: a cell without a slot of its own gets one while there is room.
   * @param arrival When it equals a cell never used.
   */
  put(holder: LimitHolder, cell: LimitCell, slot: number, arrival: number, use?: LimitUse): void {
    let own = slot;
    if (slot < SHARED_SLOTS) {
      own = this.#claim(holder, cell);
      if (own < SHARED_SLOTS) this.#sharedUntil = Math.max(this.#sharedUntil, arrival);
    } else if (this.#termsAt(slot).spanMs !== spanNow(cell)) this.#setTerms(slot, holder.kind, cell);
    this.#arrivals[own] = arrival;
    if (use !== undefined) this.#count(own, use);
  }

  removeAll({ kind, id }: LimitHolder): void {
    const heads = this.#heads(kind);
    for (let slot = heads.get(id) ?? NO_SLOT; slot !== NO_SLOT;) {
      const next = this.#next[slot] ?? NO_SLOT;
      this.#free(slot);
      slot = next;
    }
    heads.delete(id);
  }

  /** Frees what equals a cell never used, in the next slots. @param leftMs Until a period of the calendar ends: an instant of the wall clock, which may have been set since it was written. */
  sweep(now: number, leftMs: (endAt: number) => number): void {
    for (let step = 0; step < SWEEP_SLOTS && this.#used > SHARED_SLOTS; step += 1) {
      if (this.#hand >= this.#used) this.#hand = SHARED_SLOTS;
      const slot = this.#hand++;
      // A free slot holds NaN, which is never <= now.
      if (!((this.#arrivals[slot] ?? NaN) <= now)) continue;
      const left = this.#termsAt(slot).kind === "calendar" ? leftMs(this.#previous[slot] ?? 0) : 0;
      if (left > 0) this.#arrivals[slot] = now + left;
      else this.#unlink(slot);
    }
  }

  #heads(kind: LimitHolderKind): Map<string, number> {
    switch (kind) {
      case "ip":
        return this.#ips;
      case "user":
        return this.#users;
      case "key":
        return this.#keys;
      case "org":
        return this.#orgs;
      case "all":
        return this.#all;
    }
  }

  #termsAt(slot: number): Terms {
    return this.#termsList[this.#terms[slot] ?? 0] ?? SHARED;
  }

  #isOf(slot: number, cell: LimitCell): boolean {
    const { id, kind } = this.#termsAt(slot);
    return id === cell.id && kind === cell.kind;
  }

  #claim({ kind, id }: LimitHolder, cell: LimitCell): number {
    let slot = this.#firstFree;
    if (slot !== NO_SLOT) this.#firstFree = this.#next[slot] ?? NO_SLOT;
    else if (this.#used - SHARED_SLOTS < this.maxCells) {
      slot = this.#used++;
      if (slot >= this.#arrivals.length) this.#grow();
    } else return this.#sharedSlot({ kind, id }, cell);
    const heads = this.#heads(kind);
    this.#ids[slot - SHARED_SLOTS] = id;
    this.#next[slot] = heads.get(id) ?? NO_SLOT;
    heads.set(id, slot);
    this.#live += 1;
    this.#setTerms(slot, kind, cell);
    return slot;
  }

  #count(slot: number, { startAt, current, previous }: LimitUse): void {
    if (this.#starts.length < this.#arrivals.length) this.#growCounts();
    this.#starts[slot] = startAt;
    this.#currents[slot] = current;
    this.#previous[slot] = previous;
  }

  #grow(): void {
    const length = SHARED_SLOTS + Math.min((this.#arrivals.length - SHARED_SLOTS) * 2, Math.max(this.maxCells, FIRST_SLOTS));
    this.#arrivals = grown(this.#arrivals, new Float64Array(length));
    this.#terms = grown(this.#terms, new Uint32Array(length));
    this.#next = grown(this.#next, new Int32Array(length));
    if (this.#starts.length > 0) this.#growCounts();
  }

  #growCounts(): void {
    const { length } = this.#arrivals;
    this.#starts = grown(this.#starts, new Float64Array(length));
    this.#currents = grown(this.#currents, new Float64Array(length));
    this.#previous = grown(this.#previous, new Float64Array(length));
  }

  #setTerms(slot: number, holderKind: LimitHolderKind, cell: LimitCell): void {
    this.#dropTerms(slot);
    const spanMs = spanNow(cell);
    let known = this.#termsById.get(cell.id);
    if (known === undefined) this.#termsById.set(cell.id, (known = []));
    let terms = known.find((one) => one.holderKind === holderKind && one.kind === cell.kind && one.spanMs === spanMs);
    if (terms === undefined) {
      const index = this.#freeTerms.pop() ?? this.#termsList.length;
      terms = { holderKind, id: cell.id, kind: cell.kind, spanMs, index, uses: 0 };
      known.push(terms);
      this.#termsList[index] = terms;
    }
    terms.uses += 1;
    this.#terms[slot] = terms.index;
  }

  // Terms that no slot has are forgotten: a program that makes limits up per request fills nothing.
  #dropTerms(slot: number): void {
    const terms = this.#termsAt(slot);
    if (terms === SHARED) return;
    terms.uses -= 1;
    if (terms.uses > 0) return;
    this.#termsList[terms.index] = undefined;
    this.#freeTerms.push(terms.index);
    const left = this.#termsById.get(terms.id)?.filter((one) => one !== terms) ?? [];
    if (left.length === 0) this.#termsById.delete(terms.id);
    else this.#termsById.set(terms.id, left);
  }

  #unlink(slot: number): void {
    const heads = this.#heads(this.#termsAt(slot).holderKind);
    const id = this.#ids[slot - SHARED_SLOTS] ?? "";
    const after = this.#next[slot] ?? NO_SLOT;
    let before = heads.get(id) ?? NO_SLOT;
    if (before === slot) {
      if (after === NO_SLOT) heads.delete(id);
      else heads.set(id, after);
    } else {
      while (this.#next[before] !== slot) before = this.#next[before] ?? NO_SLOT;
      this.#next[before] = after;
    }
    this.#free(slot);
  }

  #free(slot: number): void {
    this.#dropTerms(slot);
    this.#terms[slot] = 0;
    this.#arrivals[slot] = NaN;
    this.#ids[slot - SHARED_SLOTS] = "";
    if (slot < this.#starts.length) this.#count(slot, unused(0));
    this.#next[slot] = this.#firstFree;
    this.#firstFree = slot;
    this.#live -= 1;
  }

  /** FNV-1a over the parts. */
  #sharedSlot({ kind, id }: LimitHolder, cell: LimitCell): number {
    // Only limits of the same terms meet: one that is shorter would forget what a longer one has used.
    const terms = cell.kind === "calendar" ? String(cell.boundaries.at(-1)) : String(spanNow(cell));
    const hash = hashed(terms, hashed(cell.id, hashed(id, hashed(kind, this.#seed))));
    return FIRST_SHARED[cell.kind] + ((hash >>> 8) % SHARED_OF_KIND);
  }
}

function hashed(text: string, start: number): number {
  let hash = start;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return Math.imul(hash ^ 0xffff, 0x01000193);
}

function spanNow(cell: LimitCell): number {
  if (isBucket(cell)) return spanOf(cell);
  return lengthOf(cell);
}

function lengthOf(cell: WindowCell | CalendarCell): number {
  return cell.kind === "window" ? cell.windowMs : 0;
}

function grown<Array extends Float64Array | Uint32Array | Int32Array>(from: Array, to: Array): Array {
  to.set(from);
  return to;
}
