import type { Clock, LimitHolder, LimitLease, MaybePromise } from "@portcullis/core";
import type { Cap } from "./limit-group.js";

/** A place in flight that this process holds. */
export interface HeldLease {
  readonly holder: LimitHolder;
  readonly lease: LimitLease;
  readonly cap: Cap;
  renew(): MaybePromise<boolean>;
}

/** Extends the places in flight while their requests run. */
export interface LeaseKeeper {
  /** Extends it from now on, until `drop`. */
  keep(held: HeldLease): void;
  /** @returns Whether it was kept until now. */
  drop(held: HeldLease): boolean;
  held(): Iterable<HeldLease>;
  /** How many are held of each cap. */
  counts(): ReadonlyMap<Cap, number>;
}

/** Extended so many times within its life: one extension that fails loses nothing. */
const RENEWALS = 3;
const LEAST_PAUSE_MS = 100;

/**
 * Makes a keeper: one timer for all places, and none while none is held. A process that dies extends no more, so its places are
 * free when their leases end.
 *
 * @param onLost Told of a place that could not be extended; `error` is `undefined` where it was over.
 */
export function createLeaseKeeper(
  clock: Clock,
  onLost: (held: HeldLease, error: unknown) => void,
  onCount: (cap: Cap, count: number) => void,
): LeaseKeeper {
  /** When each is due, monotonic ms. */
  const kept = new Map<HeldLease, number>();
  const counts = new Map<Cap, number>();
  let wakeAt = Infinity;
  let cancel = (): void => {};

  function count(cap: Cap, by: number): void {
    const next = (counts.get(cap) ?? 0) + by;
    counts.set(cap, next);
    onCount(cap, next);
  }

  function wakeBy(dueAt: number): void {
    if (dueAt >= wakeAt) return;
    cancel();
    wakeAt = dueAt;
    cancel = clock.after(dueAt - clock.monotonic(), renewDue);
  }

  function renewDue(): void {
    wakeAt = Infinity;
    const now = clock.monotonic();
    let nextAt = Infinity;
    for (const [held, dueAt] of kept) {
      const next = dueAt > now ? dueAt : now + held.lease.ttlMs / RENEWALS;
      if (next < nextAt) nextAt = next;
      if (dueAt > now) continue;
      kept.set(held, next);
      void renew(held);
    }
    // Those that are due soon wait for each other.
    if (nextAt < Infinity) wakeBy(Math.max(nextAt, now + LEAST_PAUSE_MS));
  }

  async function renew(held: HeldLease): Promise<void> {
    let isKept = false;
    let failure: unknown;
    try {
      isKept = await held.renew();
    } catch (error) {
      failure = error;
    }
    if (!isKept && kept.has(held)) onLost(held, failure);
  }

  return {
    keep(held) {
      const dueAt = clock.monotonic() + held.lease.ttlMs / RENEWALS;
      kept.set(held, dueAt);
      count(held.cap, 1);
      wakeBy(dueAt);
    },
    drop(held) {
      const isKept = kept.delete(held);
      if (isKept) count(held.cap, -1);
      return isKept;
    },
    held: () => kept.keys(),
    counts: () => counts,
  };
}
