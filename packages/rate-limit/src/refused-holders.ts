import type { LimitHolder } from "@portcullis/core";
import { HolderMap } from "./holder-map.js";
import { type LimitedBy, limitedByOf, textOf } from "./limit-check.js";

/** A holder that is refused often. */
export interface RefusedHolder {
  /** `ip:` and the address key, `user:` and the subject, and so on. */
  readonly key: string;
  /** As `block` and `reset` take it; absent for the service as a whole. */
  readonly holder: LimitedBy | undefined;
  /** Refusals that were counted; there were at most `missed` more. */
  readonly count: number;
  readonly missed: number;
}

/** Who is refused most. */
export interface RefusedHolders {
  add(holder: LimitHolder): void;
  list(): readonly RefusedHolder[];
}

/**
 * Who is refused most, in bounded memory and, on average, in two steps: whoever is refused more often than one in so many is among
 * them, however many others there are (Misra and Gries 1982, "Finding repeated elements").
 */
export function createRefusedHolders(most: number): RefusedHolders {
  // Counts are stored above what was taken from all: so nobody's has to be written for that.
  const counts = new HolderMap<number>();
  let missed = 0;

  // A newcomer without a place takes one from everybody: each such step was paid for by as many that found one.
  function takeFromAll(): void {
    missed += 1;
    counts.deleteWhere((count) => count <= missed);
  }

  return {
    add(holder) {
      const count = counts.get(holder);
      if (count !== undefined) counts.set(holder, count + 1);
      else if (counts.size >= most) takeFromAll();
      else counts.set(holder, missed + 1);
    },
    list() {
      const all: RefusedHolder[] = [];
      counts.forEach((above, holder) =>
        all.push(Object.freeze({ key: textOf(holder), holder: limitedByOf(holder), count: above - missed, missed })),
      );
      return Object.freeze(all.sort((a, b) => b.count - a.count));
    },
  };
}
