import type {
  BucketCell,
  CalendarCell,
  LimitAsk,
  LimitCell,
  LimitHolder,
  LimitLease,
  LimitResult,
  Limits,
  LimitState,
  WindowCell,
} from "@portcullis/core";

// Ways to spoil limits that are right, for the mutants beside this file.

export const withAsk = (limits: Limits, change: (ask: LimitAsk) => LimitAsk): Limits => ({
  ...limits,
  consume: (ask) => limits.consume(change(ask)),
  settle: (ask, at) => limits.settle(change(ask), at),
});
export const withCells = (limits: Limits, change: (cell: LimitCell) => LimitCell): Limits =>
  withAsk(limits, (ask) => ({ ...ask, cells: ask.cells.map(change) }));
export const withBuckets = (limits: Limits, change: (cell: BucketCell) => LimitCell): Limits =>
  withCells(limits, (cell) => (cell.kind === "bucket" ? change(cell) : cell));
export const withWindows = (limits: Limits, change: (cell: WindowCell) => LimitCell): Limits =>
  withCells(limits, (cell) => (cell.kind === "window" ? change(cell) : cell));
export const withCalendars = (limits: Limits, change: (cell: CalendarCell) => LimitCell): Limits =>
  withCells(limits, (cell) => (cell.kind === "calendar" ? change(cell) : cell));
export const withSettled = (limits: Limits, change: (cell: LimitCell) => LimitCell): Limits => ({
  ...limits,
  settle: (ask, at) => limits.settle({ ...ask, cells: ask.cells.map(change) }, at),
});
export const withHolders = (limits: Limits, change: (holder: LimitHolder) => LimitHolder): Limits => ({
  consume: (ask) => limits.consume({ ...ask, ...change(ask) }),
  settle: (ask, at) => limits.settle({ ...ask, ...change(ask) }, at),
  renew: (holder, lease) => limits.renew(change(holder), lease),
  block: (holder, ms) => limits.block(change(holder), ms),
  reset: (holder) => limits.reset(change(holder)),
});
export const withLeases = (limits: Limits, change: (lease: LimitLease) => LimitLease): Limits => ({
  ...withAsk(limits, (ask) => ({ ...ask, lease: ask.lease && change(ask.lease) })),
  renew: (holder, lease) => limits.renew(holder, change(lease)),
});
export const withResults = (limits: Limits, change: (result: LimitResult) => Partial<LimitResult>): Limits => ({
  ...limits,
  async consume(ask) {
    const result = await limits.consume(ask);
    return { ...result, ...change(result) };
  },
});
// One by one, since a state may compute its members when they are read.
export const saying = ({ id, allowed, remaining, resetMs, retryAfterMs }: LimitState, change: Partial<LimitState>): LimitState => ({
  ...{ id, allowed, remaining, resetMs, retryAfterMs },
  ...change,
});
export const holderOf = ({ kind, id }: LimitHolder): LimitHolder => ({ kind, id });
export const nameOf = ({ kind, id }: LimitHolder, part = ""): string => JSON.stringify([kind, id, part]);
