import type { Leases } from "../ports/leases.js";
import type { Clock } from "../runtime/clock.js";

/** Leases in this process. Names come from the program, so the map stays as small as the program. */
export function createMemoryLeases(clock: Clock): Leases {
  const held = new Map<string, { readonly holder: string; readonly expiresAt: number }>();
  const holderOf = (name: string): string | undefined => {
    const lease = held.get(name);
    return lease !== undefined && clock.monotonic() < lease.expiresAt ? lease.holder : undefined;
  };
  return Object.freeze({
    acquire(name: string, holder: string, ttlMs: number): boolean {
      const current = holderOf(name);
      if (current !== undefined && current !== holder) return false;
      held.set(name, { holder, expiresAt: clock.monotonic() + ttlMs });
      return true;
    },
    release(name: string, holder: string): boolean {
      if (holderOf(name) !== holder) return false;
      return held.delete(name);
    },
  });
}
