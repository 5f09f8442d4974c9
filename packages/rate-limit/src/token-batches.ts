import {
  type BucketCell,
  type Clock,
  isBucket,
  type LimitAsk,
  type LimitHolder,
  limitState,
  type LimitResult,
  type MaybePromise,
} from "@portcullis/core";
import { HolderMap } from "./holder-map.js";
import { withCosts } from "./limit-check.js";
import { Heard, type Origin } from "./origin.js";

/** Units of a busy holder that this process took and has not spent. */
interface Batch {
  readonly ask: LimitAsk;
  readonly cells: readonly BucketCell[];
  /** Each cell's debt before the batch was taken. */
  readonly debtsMs: readonly number[];
  /** The store's instant, for what is given back. */
  readonly at: number;
  /** Monotonic ms. */
  readonly takenAt: number;
  readonly size: number;
  left: number;
}

/** How busy a holder is, and its batch. */
interface Busy {
  /** In the present second. */
  checks: number;
  /** In the second before. */
  wasBusy: boolean;
  batch: Batch | undefined;
  /** While a batch is on its way. */
  taking: Promise<Origin | undefined> | undefined;
  /** No batch fitted: not tried again before. */
  retryAt: number;
  /** Its limits were reset or blocked: what is on its way stands for nothing. */
  isForgotten: boolean;
}

/** Serves busy holders without asking the store each time. */
export interface TokenBatches {
  /**
   * @returns An answer from a batch, at once or when the one on its way is there; `undefined`: ask the store; an `Origin`: it was asked
   *   for a batch, and did not answer.
   */
  take(ask: LimitAsk): LimitResult | undefined | Promise<LimitResult | Origin | undefined>;
  /** Drops what is held of a holder whose limits are set anew: nothing of it may be spent or given back. */
  forget(holder: LimitHolder): void;
  readonly held: number;
}

/** What `createTokenBatches` needs to know. */
export interface TokenBatchesOptions {
  readonly fromChecksPerSecond: number;
  readonly share: number;
  readonly holdMs: number;
  readonly clock: Clock;
  /** Takes a batch from the store, or not at all. */
  readonly consume: (ask: LimitAsk) => MaybePromise<LimitResult | Heard>;
  readonly settle: (ask: LimitAsk, at: number) => MaybePromise<void>;
}

const SECOND_MS = 1_000;
const MOST_HOLDERS = 10_000;
const MOST_BATCH = 1_000;

/**
 * Takes many units of a busy holder in one round trip and spends them here. They are charged before they are spent, at most `holdMs`
 * before, so together all processes never allow more than the limit and what comes back in that time. What a process does not spend in
 * time it gives back.
 */
export function createTokenBatches(options: TokenBatchesOptions): TokenBatches {
  const { fromChecksPerSecond, share, holdMs, clock, consume, settle } = options;
  const holders = new HolderMap<Busy>();
  let secondStartedAt = clock.monotonic();
  let held = 0;

  function busyOf(holder: LimitHolder): Busy | undefined {
    const busy = holders.get(holder);
    if (busy !== undefined) return busy;
    if (holders.size >= MOST_HOLDERS) return undefined;
    const made: Busy = { checks: 0, wasBusy: false, batch: undefined, taking: undefined, retryAt: 0, isForgotten: false };
    holders.set(holder, made);
    return made;
  }

  // Whoever was not busy in the second that ended is forgotten.
  function turnSecond(now: number): void {
    if (now - secondStartedAt < SECOND_MS) return;
    secondStartedAt = now;
    holders.deleteWhere((busy) => {
      busy.wasBusy = busy.checks >= fromChecksPerSecond;
      busy.checks = 0;
      return !busy.wasBusy && busy.batch === undefined && busy.taking === undefined;
    });
  }

  function spend(busy: Busy, now: number): LimitResult | undefined {
    const { batch } = busy;
    if (batch === undefined) return undefined;
    // The timer is late: this process was suspended, or is busy.
    if (now - batch.takenAt >= holdMs) {
      giveBack(busy, batch);
      return undefined;
    }
    batch.left -= 1;
    held -= 1;
    if (batch.left === 0) busy.batch = undefined;
    return resultOf(batch, now);
  }

  /** @returns Who decides while the store does not answer. */
  async function fill(busy: Busy, ask: LimitAsk, cells: readonly BucketCell[], size: number): Promise<Origin | undefined> {
    const takenAt = clock.monotonic();
    const many = withCosts(cells, (cell) => cell.cost * size);
    const result = await consume({ kind: ask.kind, id: ask.id, cells: many });
    if (result instanceof Heard || !result.allowed) {
      busy.retryAt = takenAt + SECOND_MS;
      return result instanceof Heard && result.origin.degraded !== undefined ? result.origin : undefined;
    }
    const debtsMs = cells.map((cell, index) => (result.cells[index]?.resetMs ?? 0) - cell.cost * size * cell.intervalMs);
    const batch: Batch = { ask, cells, debtsMs, at: result.at, takenAt, size, left: size };
    busy.batch = batch;
    held += size;
    clock.after(holdMs - (clock.monotonic() - takenAt), () => giveBack(busy, batch));
    return undefined;
  }

  async function spendTaken(busy: Busy, taking: Promise<Origin | undefined>, ask: LimitAsk): Promise<LimitResult | Origin | undefined> {
    const unheard = await taking;
    if (unheard !== undefined) return unheard;
    return busy.batch?.ask.cells === ask.cells ? spend(busy, clock.monotonic()) : undefined;
  }

  function giveBack(busy: Busy, batch: Batch): void {
    if (busy.batch !== batch) return;
    busy.batch = undefined;
    held -= batch.left;
    if (busy.isForgotten) return;
    const { kind, id } = batch.ask;
    // What was held for too long has come back by itself meanwhile: given back as well, it would count twice.
    const lateMs = Math.max(0, clock.monotonic() - batch.takenAt - holdMs);
    const left = Math.min(...batch.cells.map(({ cost, intervalMs }) => Math.floor(batch.left - lateMs / (cost * intervalMs))));
    if (left <= 0) return;
    // What cannot be given back comes back by itself, as the limit refills: no reason to fail in a timer.
    try {
      const done = settle({ kind, id, cells: withCosts(batch.cells, (cell) => cell.cost * left) }, batch.at);
      if (done instanceof Promise) done.catch(() => {});
    } catch {
      // See above.
    }
  }

  return {
    get held() {
      return held;
    },
    take(ask) {
      const now = clock.monotonic();
      turnSecond(now);
      const cells = batchable(ask);
      if (cells === undefined) return undefined;
      const busy = busyOf(ask);
      if (busy === undefined) return undefined;
      busy.checks += 1;
      if (busy.batch !== undefined) return busy.batch.ask.cells === ask.cells ? spend(busy, now) : undefined;
      if (busy.taking !== undefined) return spendTaken(busy, busy.taking, ask);
      const size = Math.min(MOST_BATCH, ...cells.map(({ capacity, cost }) => Math.floor((capacity * share) / cost)));
      const isBusy = busy.wasBusy || busy.checks >= fromChecksPerSecond;
      if (!isBusy || size < 2 || now < busy.retryAt) return undefined;
      busy.taking = fill(busy, ask, cells, size).finally(() => {
        busy.taking = undefined;
      });
      return spendTaken(busy, busy.taking, ask);
    },
    forget(holder) {
      const busy = holders.get(holder);
      if (busy === undefined) return;
      holders.delete(holder);
      busy.isForgotten = true;
      if (busy.batch !== undefined) giveBack(busy, busy.batch);
    },
  };
}

/** The cells, where units of each can be held: buckets that are charged, and no lease, which is one request's own. */
function batchable({ cells, lease, dryRun }: LimitAsk): readonly BucketCell[] | undefined {
  if (lease !== undefined || dryRun === true || cells.length === 0) return undefined;
  return cells.every((cell): cell is BucketCell => isBucket(cell) && cell.cost > 0) ? cells : undefined;
}

/** What the store would have said, had it been asked for this unit alone. */
function resultOf({ cells, debtsMs, takenAt, size, left, at }: Batch, now: number): LimitResult {
  const before = size - left - 1;
  const states = cells.map((cell, index) => {
    const debtMs = (debtsMs[index] ?? 0) + before * cell.cost * cell.intervalMs - (now - takenAt);
    return limitState(cell, Math.max(0, debtMs), true);
  });
  return { allowed: true, cells: states, lease: undefined, blockedMs: 0, at };
}
