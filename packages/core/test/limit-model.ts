import type { Clock, LimitAsk, LimitCell, LimitHolder, LimitLease } from "@portcullis/core";

const WINDOW_MS = 64;
const PERIOD_MS = 100;
const INTERVAL_MS = 10;
// Where the manual clock starts, and where its monotonic axis does.
const START_MS = Date.UTC(2030, 0, 1);

/** Limits whose arithmetic is exact: whole ms, and windows that are a power of two. */
export const MODEL_CELLS: readonly LimitCell[] = [
  { kind: "bucket", id: "bucket", capacity: 5, intervalMs: INTERVAL_MS, cost: 1 },
  { kind: "window", id: "window", capacity: 5, windowMs: WINDOW_MS, cost: 1 },
  {
    kind: "calendar",
    id: "calendar",
    capacity: 5,
    boundaries: Array.from({ length: 100 }, (_, index) => START_MS + index * PERIOD_MS),
    cost: 1,
  },
];

interface ModelAnswer {
  readonly allowed: boolean;
  readonly remaining: readonly number[];
  readonly places: number | undefined;
  readonly blockedMs: number;
}

/** Everything that ever happened to one holder, by cell and time; nothing is forgotten, so nothing can be forgotten too early. */
class Holder {
  debtMs = 0;
  debtAt = 0;
  /** Units by window, and by period. */
  readonly windows = new Map<number, number>();
  readonly periods = new Map<number, number>();
  readonly deadlines = new Map<string, number>();
  blockedUntil = 0;
}

/** What the memory store's limits should answer, without slots, sweeps or shared terms. */
export class LimitModel {
  readonly #holders = new Map<string, Holder>();
  constructor(readonly clock: Clock) {}

  consume(ask: LimitAsk): ModelAnswer {
    const now = this.clock.monotonic();
    const holder = this.#holderOf(ask);
    const blockedMs = Math.max(0, holder.blockedUntil - now);
    const inUse = [...holder.deadlines.values()].filter((deadline) => deadline > now).length;
    const free = ask.lease === undefined ? Infinity : ask.lease.capacity - inUse;
    const fits = (cell: LimitCell): boolean => cell.cost === 0 || (cell.cost > 0 && this.#used(holder, cell) + cell.cost <= cell.capacity);
    const allowed = blockedMs === 0 && free > 0 && ask.cells.every(fits);
    if (allowed) for (const cell of ask.cells) this.#add(holder, cell, cell.cost);
    const isTaken = allowed && ask.lease !== undefined && ask.lease.ttlMs > 0;
    if (isTaken) holder.deadlines.set(ask.lease.key, now + ask.lease.ttlMs);
    return {
      allowed,
      remaining: ask.cells.map((cell) => Math.max(0, Math.floor(cell.capacity - this.#used(holder, cell)))),
      places: ask.lease && Math.max(0, isTaken ? free - 1 : free),
      blockedMs,
    };
  }

  settle(ask: LimitAsk, agoMs: number): void {
    const holder = this.#holderOf(ask);
    for (const cell of ask.cells) {
      const counts = this.#countsOf(holder, cell);
      if (counts === undefined) {
        holder.debtMs = Math.min(cell.capacity * INTERVAL_MS, Math.max(0, this.#debtMs(holder) - cell.cost * INTERVAL_MS));
        holder.debtAt = this.clock.monotonic();
        continue;
      }
      const index = this.#indexOf(cell, agoMs);
      if (index < this.#indexOf(cell) - (cell.kind === "window" ? 1 : 0)) continue;
      const count = counts.get(index) ?? 0;
      counts.set(index, Math.max(0, Math.min(Math.max(cell.capacity, count), count - cell.cost)));
    }
    if (ask.lease !== undefined) holder.deadlines.delete(ask.lease.key);
  }

  renew(holder: LimitHolder, { key, ttlMs }: LimitLease): boolean {
    const { deadlines } = this.#holderOf(holder);
    const now = this.clock.monotonic();
    const isHeld = (deadlines.get(key) ?? 0) > now;
    if (isHeld) deadlines.set(key, now + ttlMs);
    return isHeld;
  }

  block(holder: LimitHolder, ms: number): void {
    this.#holderOf(holder).blockedUntil = this.clock.monotonic() + ms;
  }

  reset(holder: LimitHolder): void {
    const known = this.#holderOf(holder);
    known.debtMs = 0;
    known.blockedUntil = 0;
    known.windows.clear();
    known.periods.clear();
  }

  #holderOf({ kind, id }: LimitHolder): Holder {
    const name = JSON.stringify([kind, id]);
    const holder = this.#holders.get(name) ?? new Holder();
    this.#holders.set(name, holder);
    return holder;
  }

  #used(holder: Holder, cell: LimitCell): number {
    const counts = this.#countsOf(holder, cell);
    if (counts === undefined) return this.#debtMs(holder) / INTERVAL_MS;
    const index = this.#indexOf(cell);
    const before = cell.kind === "window" ? (counts.get(index - 1) ?? 0) : 0;
    return (counts.get(index) ?? 0) + before * (1 - (this.clock.monotonic() % WINDOW_MS) / WINDOW_MS);
  }

  #add(holder: Holder, cell: LimitCell, cost: number): void {
    const counts = this.#countsOf(holder, cell);
    if (counts !== undefined) counts.set(this.#indexOf(cell), (counts.get(this.#indexOf(cell)) ?? 0) + cost);
    else {
      holder.debtMs = this.#debtMs(holder) + cost * INTERVAL_MS;
      holder.debtAt = this.clock.monotonic();
    }
  }

  #countsOf(holder: Holder, cell: LimitCell): Map<number, number> | undefined {
    if (cell.kind === "bucket") return undefined;
    return cell.kind === "window" ? holder.windows : holder.periods;
  }

  #debtMs({ debtMs, debtAt }: Holder): number {
    return Math.max(0, debtMs - (this.clock.monotonic() - debtAt));
  }

  #indexOf(cell: LimitCell, agoMs = 0): number {
    if (cell.kind === "window") return Math.floor((this.clock.monotonic() - agoMs) / WINDOW_MS);
    return Math.floor((this.clock.now() - agoMs - START_MS) / PERIOD_MS);
  }
}
