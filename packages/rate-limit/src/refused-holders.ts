import type { LimitHolder, LimitHolderKind } from "@portcullis/core";
import { textOf } from "./limit-check.js";

/** A holder that is refused often. */
export interface RefusedHolder {
  /** `ip:` and the address key, `user:` and the subject, and so on. */
  readonly key: string;
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
  const counts: Record<LimitHolderKind, Map<string, number>> = {
    ip: new Map(),
    user: new Map(),
    key: new Map(),
    org: new Map(),
    all: new Map(),
  };
  let size = 0;
  let missed = 0;

  // A newcomer without a place takes one from everybody: each such step was paid for by as many that found one.
  function takeFromAll(): void {
    missed += 1;
    for (const holders of Object.values(counts)) {
      for (const [id, count] of holders) {
        if (count > 1) holders.set(id, count - 1);
        else if (holders.delete(id)) size -= 1;
      }
    }
  }

  return {
    add({ kind, id }) {
      const holders = counts[kind];
      const count = holders.get(id);
      if (count !== undefined) holders.set(id, count + 1);
      else if (size >= most) takeFromAll();
      else {
        holders.set(id, 1);
        size += 1;
      }
    },
    list() {
      const kinds = Object.keys(counts) as LimitHolderKind[]; // its keys are the kinds
      const all = kinds.flatMap((kind) => [...counts[kind]].map(([id, count]) => ({ key: textOf({ kind, id }), count, missed })));
      return Object.freeze(all.sort((a, b) => b.count - a.count).map((one) => Object.freeze(one)));
    },
  };
}
