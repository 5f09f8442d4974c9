import { StoreUnavailable } from "../problem/errors.js";

/** What an expiring map holds. */
export interface Expiring {
  readonly key: string;
  /** On the axis of the `now` handed in; at the instant itself the entry is gone. */
  readonly expiresAt: number;
}

/** How many expired entries one write removes beyond need: more than one, so that a backlog shrinks. */
const SWEEP_STEPS = 2;

/**
 * A map whose entries end, without timers: each write sweeps a few that are over, earliest deadline first.
 *
 * Full of live entries it refuses new ones: an entry forgotten early would revive a revoked token or reset a lockout.
 */
export class ExpiringMap<Entry extends Expiring> {
  readonly #entries = new Map<string, Entry>();
  // Binary heap by deadline. Entries that were replaced or deleted stay in it until they surface or the heap is rebuilt.
  #heap: Entry[] = [];

  constructor(
    readonly maxEntries: number,
    readonly onExpired?: (entry: Entry) => void,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** Entries and what is left of former ones: what takes memory. */
  get weight(): number {
    return this.#heap.length;
  }

  /** The entry, if its deadline is ahead. */
  get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && now < entry.expiresAt ? entry : undefined;
  }

  /** The entry, whether or not its deadline is ahead: where there is none, nobody need ask what time it is. */
  peek(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Stores or replaces. @throws {StoreUnavailable} Full of live entries; nothing was forgotten. */
  set(entry: Entry, now: number, operation: string): void {
    this.#sweep(now, SWEEP_STEPS);
    const known = this.#entries.get(entry.key);
    if (known === undefined && this.#entries.size >= this.maxEntries) {
      this.#sweep(now, 1);
      if (this.#entries.size >= this.maxEntries) {
        throw new StoreUnavailable(operation, {
          cause: new RangeError(`The memory store holds its maximum of ${this.maxEntries} live entries.`),
        });
      }
    }
    if (known !== undefined && known.expiresAt <= now) this.onExpired?.(known);
    this.#entries.set(entry.key, entry);
    this.#push(entry);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  #sweep(now: number, most: number): void {
    for (let removed = 0; removed < most;) {
      const first = this.#heap[0];
      if (first === undefined || now < first.expiresAt) return;
      this.#pop();
      if (this.#entries.get(first.key) !== first) continue;
      this.#entries.delete(first.key);
      this.onExpired?.(first);
      removed += 1;
    }
  }

  #push(entry: Entry): void {
    // Keys put and taken over and over would fill the heap with their past.
    if (this.#heap.length > 2 * this.#entries.size + 64) this.#heap = [...this.#entries.values()].sort((a, b) => a.expiresAt - b.expiresAt);
    else {
      this.#heap.push(entry);
      siftUp(this.#heap, this.#heap.length - 1);
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    siftDown(this.#heap);
  }
}

function siftUp(heap: Expiring[], start: number): void {
  let index = start;
  const moved = heap[index];
  if (moved === undefined) return;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || parent.expiresAt <= moved.expiresAt) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = moved;
}

function siftDown(heap: Expiring[]): void {
  const moved = heap[0];
  if (moved === undefined) return;
  let index = 0;
  for (;;) {
    let childIndex = 2 * index + 1;
    let child = heap[childIndex];
    if (child === undefined) break;
    const right = heap[childIndex + 1];
    if (right !== undefined && right.expiresAt < child.expiresAt) {
      child = right;
      childIndex += 1;
    }
    if (moved.expiresAt <= child.expiresAt) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = moved;
}
