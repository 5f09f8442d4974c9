import { StoreUnavailable } from "../problem/errors.js";
import type { LimitHolder, LimitLease } from "../ports/limits.js";

/** The leases of one cap. */
interface Held {
  /** By key. */
  readonly deadlines: Map<string, number>;
  /** Before it none is over: until then nobody need look. */
  expiresFrom: number;
}

/** Leases by (holder, cap), each with its deadline. Half-open: at the deadline the place is free. */
export class LeaseTable {
  readonly #caps = new Map<string, Held>();
  #size = 0;

  constructor(readonly maxLeases: number) {}

  /** Leases that were taken and not given back; some may be over. */
  get size(): number {
    return this.#size;
  }

  /** How many more fit. */
  free(holder: LimitHolder, lease: LimitLease, now: number): number {
    const name = nameOf(holder, lease);
    const held = this.#caps.get(name);
    if (held === undefined) return lease.capacity;
    if (held.expiresFrom <= now) this.#dropExpired(name, held, now);
    return lease.capacity - held.deadlines.size;
  }

  /** Takes a place; ask `free` first. @throws {StoreUnavailable} Full; nothing was taken. */
  take(holder: LimitHolder, lease: LimitLease, now: number): void {
    if (this.#size >= this.maxLeases) this.#sweep(now);
    if (this.#size >= this.maxLeases) {
      throw new StoreUnavailable("limits.consume", { cause: new RangeError(`The memory store holds ${this.maxLeases} leases.`) });
    }
    const name = nameOf(holder, lease);
    let held = this.#caps.get(name);
    if (held === undefined) this.#caps.set(name, (held = { deadlines: new Map(), expiresFrom: Infinity }));
    if (!held.deadlines.has(lease.key)) this.#size += 1;
    held.deadlines.set(lease.key, now + lease.ttlMs);
    held.expiresFrom = Math.min(held.expiresFrom, now + lease.ttlMs);
  }

  /** @returns `false`: it is over, or never was. */
  renew(holder: LimitHolder, lease: LimitLease, now: number): boolean {
    const held = this.#caps.get(nameOf(holder, lease));
    const expiresAt = held?.deadlines.get(lease.key);
    if (held === undefined || expiresAt === undefined || expiresAt <= now) return false;
    held.deadlines.set(lease.key, now + lease.ttlMs);
    held.expiresFrom = Math.min(held.expiresFrom, now + lease.ttlMs);
    return true;
  }

  release(holder: LimitHolder, lease: LimitLease): void {
    const name = nameOf(holder, lease);
    const held = this.#caps.get(name);
    if (held?.deadlines.delete(lease.key) !== true) return;
    this.#size -= 1;
    if (held.deadlines.size === 0) this.#caps.delete(name);
  }

  #sweep(now: number): void {
    for (const [name, held] of this.#caps) if (held.expiresFrom <= now) this.#dropExpired(name, held, now);
  }

  #dropExpired(name: string, held: Held, now: number): void {
    held.expiresFrom = Infinity;
    for (const [key, expiresAt] of held.deadlines) {
      if (expiresAt > now) held.expiresFrom = Math.min(held.expiresFrom, expiresAt);
      else if (held.deadlines.delete(key)) this.#size -= 1;
    }
    if (held.deadlines.size === 0) this.#caps.delete(name);
  }
}

// Kinds have no colon and the cap's length ends its name, so two caps never share one.
function nameOf({ kind, id }: LimitHolder, { id: cap }: LimitLease): string {
  return `${kind}:${cap.length}:${cap}:${id}`;
}
