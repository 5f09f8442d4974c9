import type { Decision } from "./decision.js";

type Page = (Decision | undefined)[];

// A policy of 1,000 roles over 10,000 permissions has 20 million possible decisions; few of them are ever made.
const MOST_DECISIONS = 262_144;
const PAGE_BITS = 6;
const PAGE_SIZE = 1 << PAGE_BITS;

/**
 * Decisions that were made, by what made them (a role's grants, another's denials, nothing) and the permission: one object for each,
 * however many combinations of roles come to it. In pages, since most of what could be asked never is.
 */
export class DecisionShelf {
  // No place is empty: a missing one would be looked up in Object.prototype (CWE-1321).
  #rows: ((Page | undefined)[] | undefined)[];
  #count = 0;

  /** @param rows How many things there are that decide. */
  constructor(
    private readonly rows: number,
    private readonly permissions: number,
  ) {
    this.#rows = places(rows);
  }

  /** @param row What decided. @param bit The permission's. */
  get(row: number, bit: number): Decision | undefined {
    return this.#rows[row]?.[bit >>> PAGE_BITS]?.[bit & (PAGE_SIZE - 1)];
  }

  put(row: number, bit: number, decision: Decision): Decision {
    if (this.#count >= MOST_DECISIONS) {
      this.#rows = places(this.rows);
      this.#count = 0;
    }
    this.#count += 1;
    const pages = (this.#rows[row] ??= places(Math.ceil(this.permissions / PAGE_SIZE)));
    const page = (pages[bit >>> PAGE_BITS] ??= places(PAGE_SIZE));
    page[bit & (PAGE_SIZE - 1)] = decision;
    return decision;
  }
}

function places<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
