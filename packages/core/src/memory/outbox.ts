import type { ClaimedDelivery, Delivery, DeliveryStatus, Outbox, Settlement } from "../ports/outbox.js";
import type { Clock } from "../runtime/clock.js";
import { OutboxEndpoint, type OutboxItem } from "./outbox-endpoint.js";

type NewDelivery = Parameters<Outbox["enqueue"]>[0][number];
type ListFilter = Parameters<Outbox["list"]>[0];

/** Deliveries in this process; they end with it. */
export function createMemoryOutbox(clock: Clock): Outbox {
  const items = new Map<string, OutboxItem>();
  // In order of their last claim: whoever was served last waits longest.
  const endpoints = new Map<string, OutboxEndpoint>();
  let sequence = 0;
  let leases = 0;

  const endpointOf = (endpointId: string): OutboxEndpoint => {
    const known = endpoints.get(endpointId);
    if (known !== undefined) return known;
    const created = new OutboxEndpoint();
    endpoints.set(endpointId, created);
    return created;
  };

  return Object.freeze({
    enqueue(deliveries: readonly NewDelivery[]): readonly ("created" | "exists" | "conflict")[] {
      const now = clock.now();
      const fresh = new Map<string, NewDelivery>();
      const results = deliveries.map((delivery) => {
        const known = items.get(delivery.id) ?? fresh.get(delivery.id);
        if (known !== undefined)
          return known.endpointId === delivery.endpointId && isSame(known.body, delivery.body) ? "exists" : "conflict";
        fresh.set(delivery.id, delivery);
        return "created";
      });
      if (results.includes("conflict")) return Object.freeze(results);
      for (const { id, endpointId, workspaceId, eventType, body } of fresh.values()) {
        const item: OutboxItem = {
          ...{ id, endpointId, workspaceId, eventType, body: Uint8Array.from(body), status: "PENDING", attempts: 0, reclaims: 0 },
          ...{ createdAt: now, dueAt: now, lastError: undefined, leaseToken: undefined, sequence: sequence++ },
        };
        items.set(id, item);
        endpointOf(endpointId).wait(item);
      }
      return Object.freeze(results);
    },
    claim(options: { readonly limit: number; readonly perEndpoint: number; readonly leaseMs: number }): {
      readonly deliveries: readonly ClaimedDelivery[];
      readonly nextDueMs: number | undefined;
    } {
      const now = clock.now();
      const deliveries: ClaimedDelivery[] = [];
      for (const [endpointId, endpoint] of [...endpoints]) {
        if (deliveries.length >= options.limit) break;
        const taken = endpoint.take(now, Math.min(options.limit - deliveries.length, options.perEndpoint - endpoint.inProgress(now)));
        for (const item of taken) {
          if (item.status === "IN_PROGRESS") item.reclaims += 1;
          item.status = "IN_PROGRESS";
          item.dueAt = now + options.leaseMs;
          item.leaseToken = `${++leases}`;
          endpoint.wait(item);
          deliveries.push(Object.freeze({ ...snapshot(item), leaseToken: item.leaseToken }));
        }
        if (taken.length === 0) continue;
        endpoints.delete(endpointId);
        endpoints.set(endpointId, endpoint);
      }
      return Object.freeze({ deliveries: Object.freeze(deliveries), nextDueMs: nextDueMs(endpoints.values(), now, options.perEndpoint) });
    },
    settle(settlements: readonly Settlement[]): readonly boolean[] {
      const now = clock.now();
      return Object.freeze(
        settlements.map((settlement) => {
          const item = items.get(settlement.id);
          if (item === undefined || item.status !== "IN_PROGRESS" || item.leaseToken !== settlement.leaseToken || now >= item.dueAt)
            return false;
          item.status = settlement.status;
          item.leaseToken = undefined;
          item.dueAt = now + (settlement.status === "RETRYING" ? (settlement.delayMs ?? 0) : 0);
          item.lastError = settlement.error;
          if (settlement.attempted) item.attempts += 1;
          endpointOf(item.endpointId).wait(item);
          return true;
        }),
      );
    },
    list(filter: ListFilter): readonly Delivery[] {
      const last = filter.after === undefined ? Infinity : (items.get(filter.after)?.sequence ?? -1);
      const newestFirst = [...items.values()].reverse();
      return Object.freeze(
        newestFirst
          .filter((item) => item.sequence < last && matches(item, filter))
          .slice(0, filter.limit)
          .map(snapshot),
      );
    },
    redrive(ids: readonly string[]): number {
      const now = clock.now();
      let redriven = 0;
      for (const id of new Set(ids)) {
        const item = items.get(id);
        if (item === undefined || (item.status !== "DEAD_LETTERED" && item.status !== "RETRYING")) continue;
        item.status = "PENDING";
        item.attempts = 0;
        item.dueAt = now;
        endpointOf(item.endpointId).wait(item);
        redriven += 1;
      }
      return redriven;
    },
  });
}

function nextDueMs(endpoints: Iterable<OutboxEndpoint>, now: number, perEndpoint: number): number | undefined {
  let next: number | undefined;
  for (const endpoint of endpoints) {
    // A full endpoint serves nobody before one of its leases ends.
    const dueAt = endpoint.inProgress(now) >= perEndpoint ? endpoint.firstLeaseEnd(now) : endpoint.firstDue();
    if (dueAt !== undefined && (next === undefined || dueAt < next)) next = dueAt;
  }
  return next === undefined ? undefined : Math.max(0, next - now);
}

function matches(item: OutboxItem, filter: ListFilter): boolean {
  return (
    (filter.workspaceId === undefined || item.workspaceId === filter.workspaceId) &&
    (filter.endpointId === undefined || item.endpointId === filter.endpointId) &&
    (filter.id === undefined || item.id === filter.id) &&
    (filter.statuses === undefined || filter.statuses.some((status: DeliveryStatus) => status === item.status))
  );
}

function snapshot(item: OutboxItem): Delivery {
  const { sequence: _sequence, leaseToken: _leaseToken, ...delivery } = item;
  return Object.freeze({ ...delivery, body: Uint8Array.from(item.body) });
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
