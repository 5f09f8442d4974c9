import type { Decision } from "./decision.js";

type Page = (Decision | undefined)[];

// A policy of 1,000 roles over 10,000 permissions has 20 million possible decisions; few of them are ever made.
const MOST_DECISIONS = 262_144;
/** Few enough that a shelf costs nothing to set up, and a page nothing to begin. */
const MOST_PAGES = 65_536;
const LEAST_PAGE_BITS = 6;

/**
 * Decisions that were made, by what made them (a role's grants, another's denials, nothing) and the permission: one object for each,
 * however many combinations of roles come to it. In pages, since most of what could be asked never is.
 */
export class DecisionShelf {
  readonly #pageBits: number;
  readonly #pagesPerRow: number;
  readonly #pageCount: number;
  // No place is empty: a missing one would be looked up in Object.prototype (CWE-1321).
  #pages: (Page | undefined)[];
  #count = 0;

  /** @param rows How many things there are that decide. */
  constructor(rows: number, permissions: number) {
    let pageBits = LEAST_PAGE_BITS;
    while (rows * Math.ceil(permissions / 2 ** pageBits) > MOST_PAGES && 2 ** pageBits < permissions) pageBits += 1;
    this.#pageBits = pageBits;
    this.#pagesPerRow = Math.ceil(permissions / 2 ** pageBits);
    this.#pageCount = rows * this.#pagesPerRow;
    this.#pages = places(this.#pageCount);
  }

  /** @param row What decided. @param bit The permission's. */
  get(row: number, bit: number): Decision | undefined {
    return this.#pages[row * this.#pagesPerRow + (bit >>> this.#pageBits)]?.[bit & ((1 << this.#pageBits) - 1)];
  }

  put(row: number, bit: number, decision: Decision): Decision {
    if (this.#count >= MOST_DECISIONS) {
      this.#pages = places(this.#pageCount);
      this.#count = 0;
    }
    this.#count += 1;
    const page = (this.#pages[row * this.#pagesPerRow + (bit >>> this.#pageBits)] ??= places(1 << this.#pageBits));
    page[bit & ((1 << this.#pageBits) - 1)] = decision;
    return decision;
  }
}

function places<T>(count: number): (T | undefined)[] {
  return Array<T | undefined>(count).fill(undefined);
}
