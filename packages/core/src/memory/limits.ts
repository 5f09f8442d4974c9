import { StoreUnavailable } from "../problem/errors.js";
import type {
  BucketCell,
  LeaseState,
  LimitAsk,
  LimitCell,
  LimitHolder,
  LimitLease,
  LimitResult,
  Limits,
  LimitState,
} from "../ports/limits.js";
import type { Clock } from "../runtime/clock.js";
import {
  calendarUse,
  clampDebt,
  countCharge,
  countState,
  emptyAt,
  hasCountRoom,
  hasRoom,
  isBucket,
  limitState,
  type LimitUse,
  settledDebt,
  settledUse,
  spanOf,
  windowUse,
} from "../runtime/limit-state.js";
import { LeaseTable } from "./lease-table.js";
import { LimitTable, NO_SLOT } from "./limit-table.js";

/** Fewer blocks than this are not worth looking for those that are over. */
const LEAST_SWEPT_BLOCKS = 1024;

/** Limits in the memory of this process, with what they hold. */
export interface MemoryLimits extends Limits {
  consume(ask: LimitAsk): LimitResult;
  settle(ask: LimitAsk, at: number): void;
  renew(holder: LimitHolder, lease: LimitLease): boolean;
  block(holder: LimitHolder, ms: number): void;
  reset(holder: LimitHolder): void;
  /** Takes over what another store said: as much is used here. What was used here beyond that stays used. */
  adopt(holder: LimitHolder, cells: readonly LimitCell[], states: readonly LimitState[]): void;
  usage(): LimitUsage;
}

/** What limits hold in memory. */
export interface LimitUsage {
  /** Limits in use. */
  readonly cells: number;
  /** Whether the memory was full, so that new holders share cells. */
  readonly isFull: boolean;
  readonly leases: number;
  readonly blocks: number;
}

type CountCell = Exclude<LimitCell, BucketCell>;

/** Rate limits in this process, on the monotonic clock: a step of the wall clock neither locks anyone out nor refills anything, the calendar's excepted. */
export function createMemoryLimits(clock: Clock, maxCells: number): MemoryLimits {
  const table = new LimitTable(maxCells);
  const leases = new LeaseTable(maxCells);
  const blocks = new Map<string, number>();
  let sweepBlocksAt = Math.min(maxCells, LEAST_SWEPT_BLOCKS);
  /** Of the cells of a call, while it runs. */
  const slots: number[] = [];
  const leftMs = (endAt: number): number => endAt - clock.now();

  function debtOf(holder: LimitHolder & Pick<LimitAsk, "dryRun">, cell: BucketCell, slot: number, now: number): number {
    const arrival = table.arrivalAt(slot);
    if (!(arrival > now)) return 0;
    const spanMs = table.spanAt(slot, cell);
    const debtMs = clampDebt(cell, arrival - now, spanMs);
    // A changed limit takes effect now, denied or not: from here on the debt shrinks at the new rate.
    if (spanMs !== spanOf(cell) && holder.dryRun !== true) table.put(holder, cell, slot, now + debtMs);
    return debtMs;
  }

  function useOf(cell: CountCell, slot: number, now: number): LimitUse {
    const stored = table.useAt(slot);
    // By the wall clock alone: where that was set back, the period ends later than its arrival time says.
    if (cell.kind === "calendar") return calendarUse(cell, stored, clock.now());
    return windowUse(cell, table.arrivalAt(slot) > now ? stored : undefined, table.spanAt(slot, cell), now);
  }

  function putUse(holder: LimitHolder, cell: CountCell, slot: number, use: LimitUse, now: number): void {
    if (cell.kind === "window") return table.put(holder, cell, slot, emptyAt(cell, use, now), use);
    const wall = clock.now();
    // A period has no window before it: its end stands there, for the sweep.
    const endAt = emptyAt(cell, use, wall);
    table.put(holder, cell, slot, now + (endAt - wall), { ...use, previous: endAt });
  }

  const timeOf = (cell: CountCell, now: number): number => (cell.kind === "window" ? now : clock.now());

  // What most calls are: nothing else can be refused, so the cell is looked up once.
  function consumeBucket(ask: LimitAsk, cell: BucketCell, now: number): LimitResult {
    const slot = table.find(ask, cell, now);
    const debtMs = slot === NO_SLOT ? 0 : debtOf(ask, cell, slot, now);
    const allowed = hasRoom(cell, debtMs);
    const isCharged = allowed && ask.dryRun !== true;
    if (isCharged && cell.cost > 0) table.put(ask, cell, slot, now + debtMs + cell.cost * cell.intervalMs);
    return new BucketResult(cell, debtMs, allowed, isCharged, now);
  }

  function consumeAll(ask: LimitAsk, now: number): LimitResult {
    const { cells, lease } = ask;
    const wall = hasCalendar(cells) ? clock.now() : 0;
    const blockedMs = blocks.size === 0 ? 0 : blockedFor(ask, now);
    let allowed = blockedMs === 0;
    const uses: (number | LimitUse)[] = [];
    for (let index = 0; index < cells.length; index += 1) {
      const cell = cells[index] as LimitCell; // index < length
      const slot = table.find(ask, cell, now);
      const use = isBucket(cell) ? debtOf(ask, cell, slot, now) : useOf(cell, slot, now);
      slots[index] = slot;
      uses.push(use);
      if (!isFree(cell, use, cell.kind === "calendar" ? wall : now)) allowed = false;
    }
    const free = lease === undefined ? Infinity : leases.free(ask, lease, now);
    if (free <= 0) allowed = false;
    const isCharged = allowed && ask.dryRun !== true;
    let leaseState: LeaseState | undefined;
    if (lease !== undefined) {
      const isTaken = isCharged && lease.ttlMs > 0;
      if (isTaken) leases.take(ask, lease, now);
      leaseState = Object.freeze({ allowed: free > 0, remaining: Math.max(0, free - (isTaken ? 1 : 0)) });
    }
    if (isCharged) {
      for (let index = 0; index < cells.length; index += 1) {
        const [cell, slot, use] = [cells[index] as LimitCell, slots[index] as number, uses[index] as number | LimitUse]; // one of each for each cell
        if (cell.cost > 0) charge(ask, cell, slot, use, now);
      }
    }
    return new ManyResult(allowed, leaseState, blockedMs, now, cells, uses, wall, isCharged);
  }

  /** @param at On the axis of the cell. */
  function isFree(cell: LimitCell, use: number | LimitUse, at: number): boolean {
    return isBucket(cell) ? hasRoom(cell, use as number) : hasCountRoom(cell, use as LimitUse, at); // a bucket's use is its debt
  }

  function charge(holder: LimitHolder, cell: LimitCell, slot: number, use: number | LimitUse, now: number): void {
    if (isBucket(cell)) table.put(holder, cell, slot, now + (use as number) + cell.cost * cell.intervalMs); // a bucket's use is its debt
    else putUse(holder, cell, slot, countCharge(use as LimitUse, cell.cost), now);
  }

  function adoptOne(holder: LimitHolder, cell: LimitCell, state: LimitState | undefined, now: number): void {
    if (state === undefined || !(state.resetMs > 0)) return;
    const slot = table.find(holder, cell, now);
    if (isBucket(cell)) {
      const debtMs = Math.min(state.resetMs, spanOf(cell));
      if (debtMs > debtOf(holder, cell, slot, now)) table.put(holder, cell, slot, now + debtMs);
      return;
    }
    const use = useOf(cell, slot, now);
    const missing = countState(cell, use, timeOf(cell, now), false).remaining - state.remaining;
    if (missing > 0) putUse(holder, cell, slot, countCharge(use, missing), now);
  }

  function blockedFor(holder: LimitHolder, now: number): number {
    if (blocks.size === 0) return 0;
    const until = blocks.get(keyOf(holder));
    if (until === undefined) return 0;
    if (until > now) return until - now;
    blocks.delete(keyOf(holder));
    return 0;
  }

  return Object.freeze({
    consume(ask: LimitAsk): LimitResult {
      const now = clock.monotonic();
      table.sweep(now, leftMs);
      const { cells } = ask;
      const only = cells[0];
      if (only !== undefined && cells.length === 1 && isBucket(only) && ask.lease === undefined && blocks.size === 0) {
        return consumeBucket(ask, only, now);
      }
      return consumeAll(ask, now);
    },
    settle(ask: LimitAsk, at: number): void {
      const now = clock.monotonic();
      for (const cell of ask.cells) {
        if (cell.cost === 0) continue;
        const slot = table.find(ask, cell, now);
        if (isBucket(cell)) {
          const debtMs = debtOf(ask, cell, slot, now);
          if (debtMs > 0 || cell.cost < 0) table.put(ask, cell, slot, now + settledDebt(cell, debtMs));
        } else {
          // `at` is on the monotonic axis.
          const chargedAt = at + (timeOf(cell, now) - now);
          const use = useOf(cell, slot, now);
          const settled = settledUse(cell, use, chargedAt);
          if (settled.current !== use.current || settled.previous !== use.previous) putUse(ask, cell, slot, settled, now);
        }
      }
      if (ask.lease !== undefined) leases.release(ask, ask.lease);
    },
    renew: (holder: LimitHolder, lease: LimitLease): boolean => leases.renew(holder, lease, clock.monotonic()),
    block(holder: LimitHolder, ms: number): void {
      const now = clock.monotonic();
      blocks.delete(keyOf(holder));
      if (!(ms > 0)) return;
      // Swept where they have doubled since they were last: in all, each block is looked at twice.
      if (blocks.size >= sweepBlocksAt) {
        for (const [key, until] of blocks) if (until <= now) blocks.delete(key);
        sweepBlocksAt = Math.min(maxCells, Math.max(LEAST_SWEPT_BLOCKS, 2 * blocks.size));
      }
      if (blocks.size >= maxCells) {
        throw new StoreUnavailable("limits.block", { cause: new RangeError(`The memory store holds ${maxCells} blocks.`) });
      }
      blocks.set(keyOf(holder), now + ms);
    },
    reset(holder: LimitHolder): void {
      table.removeAll(holder);
      blocks.delete(keyOf(holder));
    },
    adopt(holder: LimitHolder, cells: readonly LimitCell[], states: readonly LimitState[]): void {
      const now = clock.monotonic();
      table.sweep(now, leftMs);
      for (let index = 0; index < cells.length; index += 1) adoptOne(holder, cells[index] as LimitCell, states[index], now); // index < length
    },
    usage(): LimitUsage {
      const now = clock.monotonic();
      return Object.freeze({ cells: table.size, isFull: table.isSharing(now), leases: leases.size, blocks: blocks.size });
    },
  });
}

/** What is read of it is computed when it is read: most verdicts are only asked whether they allow. */
class ManyResult implements LimitResult {
  readonly #cells: readonly LimitCell[];
  /** Before the call: a bucket's debt, a counter's use. */
  readonly #uses: readonly (number | LimitUse)[];
  readonly #wall: number;
  readonly #isCharged: boolean;
  constructor(
    readonly allowed: boolean,
    readonly lease: LeaseState | undefined,
    readonly blockedMs: number,
    readonly at: number,
    cells: readonly LimitCell[],
    uses: readonly (number | LimitUse)[],
    wall: number,
    isCharged: boolean,
  ) {
    this.#cells = cells;
    this.#uses = uses;
    this.#wall = wall;
    this.#isCharged = isCharged;
  }
  get cells(): readonly LimitState[] {
    const states = this.#cells.map((cell, index) => {
      const use = this.#uses[index] as number | LimitUse; // one for each cell; a bucket's is its debt
      if (isBucket(cell)) return limitState(cell, use as number, this.#isCharged);
      return countState(cell, use as LimitUse, cell.kind === "calendar" ? this.#wall : this.at, this.#isCharged);
    });
    return Object.freeze(states);
  }
}

/** Of one bucket alone: what most calls are takes one small object. */
class BucketResult implements LimitResult {
  readonly #cell: BucketCell;
  readonly #debtMs: number;
  readonly #isCharged: boolean;
  constructor(
    cell: BucketCell,
    debtMs: number,
    readonly allowed: boolean,
    isCharged: boolean,
    readonly at: number,
  ) {
    this.#cell = cell;
    this.#debtMs = debtMs;
    this.#isCharged = isCharged;
  }
  get cells(): readonly LimitState[] {
    return Object.freeze([limitState(this.#cell, this.#debtMs, this.#isCharged)]);
  }
  get lease(): undefined {
    return undefined;
  }
  get blockedMs(): number {
    return 0;
  }
}

function hasCalendar(cells: readonly LimitCell[]): boolean {
  for (let index = 0; index < cells.length; index += 1) if (cells[index]?.kind === "calendar") return true;
  return false;
}

function keyOf({ kind, id }: LimitHolder): string {
  return `${kind}:${id}`;
}
