import { StoreUnavailable } from "../problem/errors.js";
import type { LimitHolder, LimitLease } from "../ports/limits.js";

/** Leases by (holder, cap), each with its deadline. Half-open: at the deadline the place is free. */
export class LeaseTable {
  /** Keys of leases with their deadlines, by cap. */
  readonly #caps = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(readonly maxLeases: number) {}

  /** Leases that were taken and not given back; some may be over. */
  get size(): number {
    return this.#size;
  }

  /** How many more fit. */
  free(holder: LimitHolder, lease: LimitLease, now: number): number {
    const held = this.#caps.get(nameOf(holder, lease));
    if (held === undefined) return lease.capacity;
    for (const [key, expiresAt] of held) if (expiresAt <= now) this.#remove(holder, lease, key);
    return lease.capacity - held.size;
  }

  /** Takes a place; ask `free` first. @throws {StoreUnavailable} Full; nothing was taken. */
  take(holder: LimitHolder, lease: LimitLease, now: number): void {
    if (this.#size >= this.maxLeases) this.#sweep(now);
    if (this.#size >= this.maxLeases) {
      throw new StoreUnavailable("limits.consume", { cause: new RangeError(`The memory store holds ${this.maxLeases} leases.`) });
    }
    const name = nameOf(holder, lease);
    let held = this.#caps.get(name);
    if (held === undefined) this.#caps.set(name, (held = new Map()));
    if (!held.has(lease.key)) this.#size += 1;
    held.set(lease.key, now + lease.ttlMs);
  }

  /** @returns `false`: it is over, or never was. */
  renew(holder: LimitHolder, lease: LimitLease, now: number): boolean {
    const held = this.#caps.get(nameOf(holder, lease));
    const expiresAt = held?.get(lease.key);
    if (held === undefined || expiresAt === undefined || expiresAt <= now) return false;
    held.set(lease.key, now + lease.ttlMs);
    return true;
  }

  release(holder: LimitHolder, lease: LimitLease): void {
    this.#remove(holder, lease, lease.key);
  }

  #remove(holder: LimitHolder, lease: LimitLease, key: string): void {
    const name = nameOf(holder, lease);
    const held = this.#caps.get(name);
    if (held?.delete(key) !== true) return;
    this.#size -= 1;
    if (held.size === 0) this.#caps.delete(name);
  }

  #sweep(now: number): void {
    for (const [name, held] of this.#caps) {
      for (const [key, expiresAt] of held) {
        if (expiresAt <= now && held.delete(key)) this.#size -= 1;
      }
      if (held.size === 0) this.#caps.delete(name);
    }
  }
}

// Kinds have no colon and the cap's length ends its name, so two caps never share one.
function nameOf({ kind, id }: LimitHolder, { id: cap }: LimitLease): string {
  return `${kind}:${cap.length}:${cap}:${id}`;
}
