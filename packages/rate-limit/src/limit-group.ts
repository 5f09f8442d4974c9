import type { LimitCell } from "@portcullis/core";
import type { Limit } from "./limit-rule.js";
import type { LimitTexts } from "./rate-limit-headers.js";
import type { Counted } from "./rate-limit-metrics.js";

/** A cap on requests in flight. */
export interface Cap {
  /** As clients and metrics see it. */
  readonly name: string;
  readonly operation: string;
  /** Names its leases within a holder. */
  readonly id: string;
  readonly capacity: number;
  readonly leaseMs: number;
  readonly texts: LimitTexts;
  readonly counts: Counted["counts"];
}

/** What is asked of one holder together, with the cells for a store; made once and used for every request. */
export interface LimitGroup {
  readonly limits: readonly Limit[];
  /** From this one on they bear the cost of a request; those before count one for each. */
  readonly costlyFrom: number;
  readonly cap: Cap | undefined;
  /** The operation it was made for. */
  readonly operation: string | undefined;
  /**
   * One cell for each limit. The same frozen array again for the usual cost: stores remember what they made of it.
   *
   * @param cost Of those that bear it.
   */
  cellsFor(cost: number): readonly LimitCell[];
}

/** What a group is made of. */
export interface LimitGroupParts {
  /** Those that count one for each request. */
  readonly counted?: readonly Limit[];
  /** Those that bear its cost. */
  readonly costly?: readonly Limit[];
  readonly cap?: Cap | undefined;
  readonly operation?: string;
  /** What most requests cost. */
  readonly usualCost?: number;
  /** Epoch ms: periods of the calendar come and go. */
  readonly now: () => number;
}

/** Groups limits. */
export function createLimitGroup({ counted = [], costly = [], cap, operation, usualCost = 1, now }: LimitGroupParts): LimitGroup {
  const limits = Object.freeze([...counted, ...costly]);
  const cellsOf = (cost: number): readonly LimitCell[] =>
    Object.freeze(limits.map((limit, index) => cellOf(limit, index < counted.length ? 1 : cost, now)));
  const isTimeless = limits.every(({ calendar }) => calendar === undefined);
  let usual = cellsOf(usualCost);
  let period = periodOf(usual);
  return Object.freeze({
    limits,
    costlyFrom: counted.length,
    cap,
    operation,
    cellsFor(cost: number): readonly LimitCell[] {
      if (cost !== usualCost) return cellsOf(cost);
      if (isTimeless) return usual;
      const instant = now();
      // Also when the clock was set back: the period then is another one.
      if (instant >= period.endAt || instant < period.startAt) {
        usual = cellsOf(usualCost);
        period = periodOf(usual);
      }
      return usual;
    },
  });
}

function cellOf({ cell, calendar }: Limit, cost: number, now: () => number): LimitCell {
  if (cell.kind === "calendar" && calendar !== undefined) return Object.freeze({ ...cell, cost, boundaries: calendar.boundariesAt(now()) });
  return cell.cost === cost ? cell : Object.freeze({ ...cell, cost });
}

/** While all periods of the calendar are the present ones. */
function periodOf(cells: readonly LimitCell[]): { readonly startAt: number; readonly endAt: number } {
  let [startAt, endAt] = [-Infinity, Infinity];
  for (const cell of cells) {
    if (cell.kind !== "calendar") continue;
    startAt = Math.max(startAt, cell.boundaries[1] ?? -Infinity);
    endAt = Math.min(endAt, cell.boundaries[2] ?? Infinity);
  }
  return { startAt, endAt };
}
