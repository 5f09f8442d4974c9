import { randomUUID } from "node:crypto";
import type { ClaimedDelivery, Delivery, DeliveryStatus, Outbox, Settlement } from "@portcullis/core";
import { after, bytes, type Connection, type Database, number, optionalText, type Row, text } from "./database.js";
import type { SqlValue } from "./statement.js";

const COLUMNS = "id, endpoint_id, workspace_id, event_type, body, status, attempts, reclaims, created_at, due_at, last_error";
const IS_WAITING = "status IN ('PENDING', 'RETRYING', 'IN_PROGRESS')";
const BUSY = "SELECT endpoint_id, count(*) AS leased FROM deliveries WHERE status = 'IN_PROGRESS' AND due_at > :now GROUP BY endpoint_id";

type NewDelivery = Parameters<Outbox["enqueue"]>[0][number];

/** Deliveries in a table. Claims are serialised, so that an endpoint's bound holds over all workers. */
export function createSqlOutbox(database: Database): Outbox {
  return Object.freeze({
    enqueue(deliveries: readonly NewDelivery[]) {
      return database.serialised(["outbox", "enqueue"], async (connection) => {
        const results: ("created" | "exists" | "conflict")[] = [];
        const fresh = new Map<string, NewDelivery>();
        for (const delivery of deliveries) {
          const known = fresh.get(delivery.id) ?? (await findDelivery(connection, delivery.id));
          if (known === undefined) fresh.set(delivery.id, delivery);
          results.push(known === undefined ? "created" : isSame(known, delivery) ? "exists" : "conflict");
        }
        if (!results.includes("conflict")) for (const delivery of fresh.values()) await insert(connection, delivery);
        return Object.freeze(results);
      });
    },
    claim({ limit, perEndpoint, leaseMs }: { readonly limit: number; readonly perEndpoint: number; readonly leaseMs: number }) {
      return database.serialised(["outbox", "claim"], async (connection) => {
        const due = await connection.query(
          `WITH busy AS (${BUSY}), ranked AS (
             SELECT id, endpoint_id, sequence, row_number() OVER (PARTITION BY endpoint_id ORDER BY due_at, sequence) AS place
             FROM deliveries WHERE ${IS_WAITING} AND due_at <= :now)
           SELECT ranked.id FROM ranked LEFT JOIN busy ON busy.endpoint_id = ranked.endpoint_id
           WHERE place <= $2 - coalesce(leased, 0) ORDER BY place, ranked.sequence LIMIT CAST($1 AS integer)`,
          [limit, perEndpoint],
        );
        const deliveries: ClaimedDelivery[] = [];
        for (const row of due) {
          const leaseToken = randomUUID();
          const [claimed] = await connection.query(
            `UPDATE deliveries SET reclaims = reclaims + CASE WHEN status = 'IN_PROGRESS' THEN 1 ELSE 0 END,
               status = 'IN_PROGRESS', due_at = :now + $2, lease_token = $3 WHERE id = $1 RETURNING ${COLUMNS}`,
            [text(row, "id"), leaseMs, leaseToken],
          );
          if (claimed !== undefined) deliveries.push(Object.freeze({ ...toDelivery(claimed), leaseToken }));
        }
        // Of an endpoint with all its leases taken nothing can be claimed before one of them ends.
        const [next] = await connection.query(
          `WITH busy AS (${BUSY})
           SELECT min(due_at) - :now AS wait FROM deliveries LEFT JOIN busy ON busy.endpoint_id = deliveries.endpoint_id
           WHERE ${IS_WAITING} AND (status = 'IN_PROGRESS' AND due_at > :now OR coalesce(leased, 0) < $1)`,
          [perEndpoint],
        );
        const nextDueMs = next === undefined || next.wait === null ? undefined : Math.max(0, number(next, "wait"));
        return Object.freeze({ deliveries: Object.freeze(deliveries), nextDueMs });
      });
    },
    settle(settlements: readonly Settlement[]) {
      return database.transaction(async (connection) => {
        const results: boolean[] = [];
        for (const { id, leaseToken, status, delayMs = 0, attempted, error = null } of settlements) {
          const settled = await connection.query(
            `UPDATE deliveries SET status = $3, due_at = :now + $4, attempts = attempts + $5, last_error = $6, lease_token = NULL
             WHERE id = $1 AND lease_token = $2 AND status = 'IN_PROGRESS' AND due_at > :now RETURNING id`,
            [id, leaseToken, status, status === "RETRYING" ? delayMs : 0, attempted ? 1 : 0, error],
          );
          results.push(settled.length > 0);
        }
        return Object.freeze(results);
      });
    },
    list(filter: Parameters<Outbox["list"]>[0]) {
      const values: SqlValue[] = [filter.limit];
      const conditions = ["1 = 1"];
      const add = (value: SqlValue | undefined, condition: (parameter: string) => string): void => {
        if (value !== undefined) conditions.push(condition(`$${values.push(value)}`));
      };
      add(filter.workspaceId, (parameter) => `workspace_id = ${parameter}`);
      add(filter.endpointId, (parameter) => `endpoint_id = ${parameter}`);
      add(filter.id, (parameter) => `id = ${parameter}`);
      add(filter.statuses && JSON.stringify(filter.statuses), (parameter) => `status IN :texts(${parameter})`);
      add(filter.after, (parameter) => `sequence < (SELECT sequence FROM deliveries WHERE id = ${parameter})`);
      return after(
        database.query(
          `SELECT ${COLUMNS} FROM deliveries WHERE ${conditions.join(" AND ")} ORDER BY sequence DESC LIMIT CAST($1 AS integer)`,
          values,
        ),
        (rows) => Object.freeze(rows.map(toDelivery)),
      );
    },
    redrive(ids: readonly string[]) {
      return database.transaction(async (connection) => {
        let redriven = 0;
        for (const id of new Set(ids)) {
          const rows = await connection.query(
            "UPDATE deliveries SET status = 'PENDING', attempts = 0, due_at = :now WHERE id = $1 AND status IN ('DEAD_LETTERED', 'RETRYING') RETURNING id",
            [id],
          );
          redriven += rows.length;
        }
        return redriven;
      });
    },
  });
}

async function findDelivery(connection: Connection, id: string): Promise<Delivery | undefined> {
  const [row] = await connection.query(`SELECT ${COLUMNS} FROM deliveries WHERE id = $1`, [id]);
  return row === undefined ? undefined : toDelivery(row);
}

async function insert(connection: Connection, { id, endpointId, workspaceId, eventType, body }: NewDelivery): Promise<void> {
  await connection.query(`INSERT INTO deliveries (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, 'PENDING', 0, 0, :now, :now, NULL)`, [
    id,
    endpointId,
    workspaceId,
    eventType,
    body,
  ]);
}

function isSame(known: Pick<Delivery, "endpointId" | "body">, given: NewDelivery): boolean {
  return known.endpointId === given.endpointId && Buffer.compare(known.body, given.body) === 0;
}

function toDelivery(row: Row): Delivery {
  return Object.freeze({
    id: text(row, "id"),
    endpointId: text(row, "endpoint_id"),
    workspaceId: text(row, "workspace_id"),
    eventType: text(row, "event_type"),
    body: bytes(row, "body"),
    status: text(row, "status") as DeliveryStatus, // written by this module only
    attempts: number(row, "attempts"),
    reclaims: number(row, "reclaims"),
    createdAt: number(row, "created_at"),
    dueAt: number(row, "due_at"),
    lastError: optionalText(row, "last_error"),
  });
}
