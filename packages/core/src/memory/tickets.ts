import type { Tickets } from "../ports/tickets.js";
import type { Clock } from "../runtime/clock.js";
import { ExpiringMap } from "./expiring-map.js";

/** Tickets in this process. Deadlines run on the monotonic clock: a step of the wall clock revives no revoked token. */
export function createMemoryTickets(clock: Clock, maxTickets: number): Tickets {
  const tickets = new ExpiringMap<{ readonly key: string; readonly value: string; readonly expiresAt: number }>(maxTickets);
  return Object.freeze({
    put(key: string, value: string, ttlMs: number): boolean {
      const now = clock.monotonic();
      if (tickets.get(key, now) !== undefined) return false;
      tickets.set({ key, value, expiresAt: now + ttlMs }, now, "tickets.put");
      return true;
    },
    take(key: string): string | undefined {
      const value = tickets.get(key, clock.monotonic())?.value;
      tickets.delete(key);
      return value;
    },
    peek(key: string): string | undefined {
      const ticket = tickets.peek(key);
      return ticket !== undefined && clock.monotonic() < ticket.expiresAt ? ticket.value : undefined;
    },
    replace(key: string, expected: string, value: string, ttlMs: number): boolean {
      const now = clock.monotonic();
      if (tickets.get(key, now)?.value !== expected) return false;
      tickets.set({ key, value, expiresAt: now + ttlMs }, now, "tickets.replace");
      return true;
    },
  });
}
