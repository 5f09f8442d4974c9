import {
  type Clock,
  createMemoryStore,
  isBucket,
  type LimitAsk,
  type LimitCell,
  type LimitHolder,
  type LimitLease,
  type LimitResult,
  type LimitState,
  type MemoryLimits,
  spanOf,
  StoreUnavailable,
} from "@portcullis/core";

/** What one process keeps of everybody's limits for an outage: idle callers make room. */
const LOCAL_CELLS = 200_000;

/** The limits of this process: its part of everybody's, and what it saw of them before the outage. */
export interface LocalLimits extends Pick<MemoryLimits, "renew" | "block" | "reset"> {
  consume(ask: LimitAsk): LimitResult;
  settle(ask: LimitAsk, at: number): void;
  /** After an answer of the store: as large a share is used here, where it is an eighth or more. */
  follow(ask: LimitAsk, result: LimitResult): void;
  /** A place that the store gave is taken here too. */
  hold(holder: LimitHolder, lease: LimitLease): void;
  cells(): number;
}

export function createLocalLimits(clock: Clock, instances: number): LocalLimits {
  const memory = createMemoryStore({ clock, maxLimitCells: LOCAL_CELLS }).limits;
  /** Whether there may be blocks: elsewhere they may have been ended. */
  let hasBlocked = false;
  /** Whether there may be places: until the first outage there are none. */
  let hasPlaces = false;
  // Every instance falls back at once, so each takes its part of the limit. Limiters ask with the same cells over and over.
  const parts = new WeakMap<LimitCell, LimitCell>();
  const partOf = (cell: LimitCell): LimitCell => {
    let part = parts.get(cell);
    if (part === undefined) parts.set(cell, (part = shareOf(cell, instances)));
    return part;
  };
  const cellsOf = (cells: readonly LimitCell[]): readonly LimitCell[] => (instances === 1 ? cells : cells.map(partOf));
  const askOf = ({ kind, id, cells, lease, dryRun }: LimitAsk): LimitAsk => {
    const shared =
      lease === undefined || instances === 1 ? lease : { ...lease, capacity: Math.max(1, Math.floor(lease.capacity / instances)) };
    return { kind, id, cells: cellsOf(cells), lease: shared, dryRun };
  };
  const stateOf = ({ id, allowed, remaining, resetMs, retryAfterMs }: LimitState): LimitState => ({
    ...{ id, allowed, resetMs, retryAfterMs },
    remaining: Math.floor(remaining / instances),
  });
  return {
    consume(ask) {
      if (ask.lease !== undefined) hasPlaces = true;
      return memory.consume(askOf(ask));
    },
    settle(ask, at) {
      if (hasPlaces || ask.cells.length > 0) memory.settle(askOf(ask), at);
    },
    renew: (holder, lease) => hasPlaces && memory.renew(holder, lease),
    block(holder, ms) {
      hasBlocked = true;
      // The store is told whether or not there is room here.
      asFarAsItFits(() => memory.block(holder, ms));
    },
    reset: (holder) => memory.reset(holder),
    follow({ kind, id, cells }, result) {
      if (isNotable(cells, result)) memory.adopt({ kind, id }, cellsOf(cells), instances === 1 ? result.cells : result.cells.map(stateOf));
      if (result.blockedMs === 0 && !hasBlocked) return;
      hasBlocked = true;
      asFarAsItFits(() => memory.block({ kind, id }, result.blockedMs));
    },
    hold({ kind, id }, lease) {
      hasPlaces = true;
      asFarAsItFits(() => memory.consume({ kind, id, cells: [], lease: { ...lease, capacity: Infinity } }));
    },
    cells: () => memory.usage().cells,
  };
}

/** What is full follows no further. */
function asFarAsItFits(follow: () => unknown): void {
  try {
    follow();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

/** What is followed: from so much of a capacity on. Most callers use less, and following all of them costs more than a verdict does. */
const NOTABLE_SHARE = 1 / 8;

function isNotable(cells: readonly LimitCell[], result: LimitResult): boolean {
  const states = result.cells;
  for (let index = 0; index < cells.length; index += 1) {
    const cell = cells[index] as LimitCell; // index < length
    const used = isBucket(cell)
      ? (states[index]?.resetMs ?? 0) > NOTABLE_SHARE * spanOf(cell)
      : (states[index]?.remaining ?? 0) < (1 - NOTABLE_SHARE) * cell.capacity;
    if (used) return true;
  }
  return false;
}

// A cost above the part takes all of it.
function shareOf(cell: LimitCell, instances: number): LimitCell {
  const capacity = Math.max(1, Math.floor(cell.capacity / instances));
  const cost = cell.cost > cell.capacity ? cell.cost : Math.min(cell.cost, capacity);
  return isBucket(cell) ? { ...cell, capacity, cost, intervalMs: cell.intervalMs * instances } : { ...cell, capacity, cost };
}
