import { randomUUID } from "node:crypto";
import type { ClaimedDelivery, Outbox } from "@portcullis/core";
import { ask, type Operation } from "./driver/driver.js";
import { number, numberOrNone, text } from "./driver/row.js";
import { DELIVERY_COLUMNS, deliveryOf } from "./outbox-delivery.js";

const ACTIVE = "status IN ('PENDING', 'RETRYING', 'IN_PROGRESS')";
const heldAt = (endpoint: string): string =>
  `FROM portcullis_outbox AS held WHERE held.endpoint_id = ${endpoint} AND held.status = 'IN_PROGRESS' AND held.due_at > {now}`;
// Endpoints with something due and room for it, those served longest ago first; one that another worker is claiming from is
// left to it. A plain search for due deliveries would find nothing but the slow endpoint's backlog.
const LOCK_ENDPOINTS = `SELECT endpoint.id FROM portcullis_outbox_endpoints AS endpoint
  WHERE EXISTS (SELECT 1 FROM portcullis_outbox WHERE endpoint_id = endpoint.id AND ${ACTIVE} AND due_at <= {now})
    AND (SELECT COUNT(*) ${heldAt("endpoint.id")}) < $2
  ORDER BY endpoint.claimed_at, endpoint.id LIMIT $1 {skipLocked}`;
const COUNT_HELD = `SELECT COUNT(*) AS held ${heldAt("$1")}`;
const CLAIM = `UPDATE portcullis_outbox SET
    reclaims = reclaims + CASE status WHEN 'IN_PROGRESS' THEN 1 ELSE 0 END,
    status = 'IN_PROGRESS', lease_token = $3, due_at = {now} + CAST($4 AS BIGINT)
  WHERE seq IN (
    SELECT seq FROM portcullis_outbox WHERE endpoint_id = $1 AND ${ACTIVE} AND due_at <= {now} ORDER BY due_at, seq LIMIT $2
  )
  RETURNING seq, ${DELIVERY_COLUMNS}`;
const SERVED = "UPDATE portcullis_outbox_endpoints SET claimed_at = {now} WHERE id = $1";
// A full endpoint serves nobody before one of its leases ends.
const NEXT_DUE = `SELECT MIN(CASE WHEN (SELECT COUNT(*) ${heldAt("endpoint.id")}) >= $1
    THEN (SELECT MIN(held.due_at) ${heldAt("endpoint.id")})
    ELSE (SELECT MIN(due_at) FROM portcullis_outbox WHERE endpoint_id = endpoint.id AND ${ACTIVE})
  END) - {now} AS due_ms FROM portcullis_outbox_endpoints AS endpoint`;

type Claim = Awaited<ReturnType<Outbox["claim"]>>;

/** Leases what is due, endpoint by endpoint, each locked while its deliveries are counted and taken. Runs in a transaction. */
export function* claimDeliveries(options: Parameters<Outbox["claim"]>[0]): Operation<Claim> {
  const { limit, perEndpoint, leaseMs } = options;
  const deliveries: ClaimedDelivery[] = [];
  for (const row of yield ask(LOCK_ENDPOINTS, limit, perEndpoint)) {
    if (deliveries.length >= limit) break;
    const endpointId = text(row, "id");
    // Counted before the lock was ours, so counted again.
    const held = number((yield ask(COUNT_HELD, endpointId))[0], "held");
    const room = Math.min(limit - deliveries.length, perEndpoint - held);
    if (room <= 0) continue;
    // One token for all that is taken here: `settle` asks for the id too.
    const leaseToken = randomUUID();
    const taken = yield ask(CLAIM, endpointId, room, leaseToken, Math.ceil(leaseMs));
    for (const claimed of taken.toSorted((a, b) => number(a, "seq") - number(b, "seq"))) {
      deliveries.push(Object.freeze({ ...deliveryOf(claimed), leaseToken }));
    }
    yield ask(SERVED, endpointId);
  }
  const dueMs = numberOrNone((yield ask(NEXT_DUE, perEndpoint))[0], "due_ms");
  return Object.freeze({
    deliveries: Object.freeze(deliveries),
    nextDueMs: dueMs === undefined ? undefined : Math.max(0, dueMs),
  });
}
