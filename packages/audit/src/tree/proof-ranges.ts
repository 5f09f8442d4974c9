import { MerkleFrontier } from "./merkle.js";

/** Leaves `from` up to and without `to`, whose subtree hash is part of a proof. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** The subtrees whose hashes prove that leaf `index` is in the tree of `size`, in the order of the proof. @see RFC 6962 §2.1.1 */
export function inclusionRanges(index: number, size: number): readonly LeafRange[] {
  return path(index, 0, size);
}

/** The subtrees whose hashes prove that the tree of `size2` begins with the tree of `size1`. @see RFC 6962 §2.1.2 */
export function consistencyRanges(size1: number, size2: number): readonly LeafRange[] {
  return size1 === 0 ? [] : subproof(size1, 0, size2, true);
}

/** The largest subtrees that cover these leaves, from left to right: each complete, and each where a subtree of its size can stand. */
export function alignedSubtrees({ from, to }: LeafRange): readonly LeafRange[] {
  const subtrees: LeafRange[] = [];
  for (let at = from; at < to;) {
    let leaves = 1;
    while (at % (leaves * 2) === 0 && at + leaves * 2 <= to) leaves *= 2;
    subtrees.push({ from: at, to: at + leaves });
    at += leaves;
  }
  return subtrees;
}

/** Collects the hashes of disjoint ranges while the leaves pass by once, in order. */
export class RangeHashes {
  readonly #ordered: readonly { readonly range: LeafRange; readonly frontier: MerkleFrontier }[];
  readonly #byFrom = new Map<number, MerkleFrontier>();
  #current = 0;

  constructor(private readonly ranges: readonly LeafRange[]) {
    this.#ordered = [...ranges].sort((a, b) => a.from - b.from).map((range) => ({ range, frontier: new MerkleFrontier() }));
    for (const { range, frontier } of this.#ordered) this.#byFrom.set(range.from, frontier);
  }

  push(index: number, leaf: Uint8Array): void {
    const current = this.#ordered[this.#current];
    if (current === undefined || index < current.range.from) return;
    current.frontier.push(leaf);
    if (index === current.range.to - 1) this.#current += 1;
  }

  /** In the order of the ranges given; call after the last leaf. */
  hashes(): readonly Buffer[] {
    return this.ranges.map(({ from }) => (this.#byFrom.get(from) ?? new MerkleFrontier()).root());
  }
}

function path(index: number, from: number, to: number): readonly LeafRange[] {
  if (to - from === 1) return [];
  const middle = from + split(to - from);
  return index < middle ? [...path(index, from, middle), { from: middle, to }] : [...path(index, middle, to), { from, to: middle }];
}

function subproof(size1: number, from: number, to: number, isPrefix: boolean): readonly LeafRange[] {
  if (size1 === to) return isPrefix ? [] : [{ from, to }];
  const middle = from + split(to - from);
  return size1 <= middle
    ? [...subproof(size1, from, middle, isPrefix), { from: middle, to }]
    : [...subproof(size1, middle, to, false), { from, to: middle }];
}

/** The largest power of two below `count`. */
function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
