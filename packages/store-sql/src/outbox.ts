import type { Delivery, Outbox, Settlement } from "@portcullis/core";
import { ask, type Driver, type Operation, type SqlValue, TransactionConflict } from "./driver/driver.js";
import { bytes, text } from "./driver/row.js";
import { claimDeliveries } from "./outbox-claim.js";
import { DELIVERY_COLUMNS, deliveryOf } from "./outbox-delivery.js";

const FIND_QUEUED = "SELECT endpoint_id, body FROM portcullis_outbox WHERE id = $1";
const ADD_ENDPOINT = "INSERT INTO portcullis_outbox_endpoints (id, claimed_at) VALUES ($1, 0) ON CONFLICT (id) DO NOTHING";
const ADD = `INSERT INTO portcullis_outbox
    (id, endpoint_id, workspace_id, event_type, body, status, attempts, reclaims, created_at, due_at)
  VALUES ($1, $2, $3, $4, $5, 'PENDING', 0, 0, {now}, {now})
  ON CONFLICT (id) DO NOTHING RETURNING id`;
const SETTLE = `UPDATE portcullis_outbox SET
    status = $3, due_at = {now} + CAST($4 AS BIGINT), attempts = attempts + CAST($5 AS BIGINT), last_error = $6, lease_token = NULL
  WHERE id = $1 AND lease_token = $2 AND status = 'IN_PROGRESS' AND due_at > {now} RETURNING id`;
const REDRIVE = `UPDATE portcullis_outbox SET status = 'PENDING', attempts = 0, due_at = {now}
  WHERE id = $1 AND status IN ('DEAD_LETTERED', 'RETRYING') RETURNING id`;

type NewDelivery = Parameters<Outbox["enqueue"]>[0][number];
type ClaimOptions = Parameters<Outbox["claim"]>[0];
type ListFilter = Parameters<Outbox["list"]>[0];

/** Deliveries in a table, with a row per endpoint for claims to lock. */
export function createSqlOutbox(driver: Driver): Outbox {
  return Object.freeze({
    enqueue: (deliveries: readonly NewDelivery[]) => driver.transaction("outbox.enqueue", () => enqueue(deliveries)),
    claim: (options: ClaimOptions) => driver.transaction("outbox.claim", () => claimDeliveries(options)),
    settle: (settlements: readonly Settlement[]) => driver.transaction("outbox.settle", () => settle(settlements)),
    list: (filter: ListFilter) =>
      driver.run("outbox.list", function* () {
        if (filter.statuses?.length === 0) return Object.freeze([]);
        const { sql, values } = listQuery(filter);
        return Object.freeze((yield ask(sql, ...values)).map(deliveryOf));
      }),
    redrive: (ids: readonly string[]) =>
      driver.transaction("outbox.redrive", function* () {
        let redriven = 0;
        for (const id of new Set(ids)) redriven += (yield ask(REDRIVE, id)).length;
        return redriven;
      }),
  });
}

function* enqueue(deliveries: readonly NewDelivery[]): Operation<readonly ("created" | "exists" | "conflict")[]> {
  const fresh = new Map<string, NewDelivery>();
  const results: ("created" | "exists" | "conflict")[] = [];
  for (const delivery of deliveries) {
    const known = fresh.get(delivery.id) ?? (yield* findQueued(delivery.id));
    if (known === undefined) fresh.set(delivery.id, delivery);
    results.push(known === undefined ? "created" : isSame(known, delivery) ? "exists" : "conflict");
  }
  if (results.includes("conflict")) return Object.freeze(results);
  // In one order, so that two transactions never wait for each other's endpoints.
  const endpointIds = new Set([...fresh.values()].map(({ endpointId }) => endpointId));
  for (const endpointId of [...endpointIds].toSorted()) yield ask(ADD_ENDPOINT, endpointId);
  for (const { id, endpointId, workspaceId, eventType, body } of fresh.values()) {
    const added = yield ask(ADD, id, endpointId, workspaceId, eventType, body);
    // Queued by another since it was looked for: look again.
    if (added.length === 0) throw new TransactionConflict();
  }
  return Object.freeze(results);
}

function* findQueued(id: string): Operation<Pick<Delivery, "endpointId" | "body"> | undefined> {
  const [row] = yield ask(FIND_QUEUED, id);
  return row && { endpointId: text(row, "endpoint_id"), body: bytes(row, "body") };
}

function isSame(a: Pick<Delivery, "endpointId" | "body">, b: Pick<Delivery, "endpointId" | "body">): boolean {
  return a.endpointId === b.endpointId && a.body.length === b.body.length && a.body.every((byte, index) => byte === b.body[index]);
}

function* settle(settlements: readonly Settlement[]): Operation<readonly boolean[]> {
  const results: boolean[] = [];
  for (const { id, leaseToken, status, delayMs = 0, attempted, error = null } of settlements) {
    const delay = status === "RETRYING" ? Math.ceil(delayMs) : 0;
    results.push((yield ask(SETTLE, id, leaseToken, status, delay, attempted ? 1 : 0, error)).length === 1);
  }
  return Object.freeze(results);
}

function listQuery(filter: ListFilter): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const values: SqlValue[] = [filter.limit];
  const clauses: string[] = ["TRUE"];
  const where = (clause: string, value: string | undefined): void => {
    if (value !== undefined) clauses.push(clause.replace("?", `$${values.push(value)}`));
  };
  where("workspace_id = ?", filter.workspaceId);
  where("endpoint_id = ?", filter.endpointId);
  where("id = ?", filter.id);
  where("seq < (SELECT seq FROM portcullis_outbox WHERE id = ?)", filter.after);
  if (filter.statuses !== undefined) clauses.push(`status IN (${filter.statuses.map((status) => `$${values.push(status)}`).join(", ")})`);
  const sql = `SELECT ${DELIVERY_COLUMNS} FROM portcullis_outbox WHERE ${clauses.join(" AND ")} ORDER BY seq DESC LIMIT $1`;
  return { sql, values };
}
