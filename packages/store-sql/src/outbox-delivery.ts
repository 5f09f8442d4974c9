import type { Delivery, DeliveryStatus } from "@portcullis/core";
import type { Row } from "./driver/driver.js";
import { bytes, number, text, textOrNone } from "./driver/row.js";

/** What `deliveryOf` reads. */
export const DELIVERY_COLUMNS =
  "id, endpoint_id, workspace_id, event_type, body, status, attempts, reclaims, created_at, due_at, last_error";

export function deliveryOf(row: Row): Delivery {
  return Object.freeze({
    id: text(row, "id"),
    endpointId: text(row, "endpoint_id"),
    workspaceId: text(row, "workspace_id"),
    eventType: text(row, "event_type"),
    body: bytes(row, "body"),
    // A fact of the outbox's statements: only these are written.
    status: text(row, "status") as DeliveryStatus,
    attempts: number(row, "attempts"),
    reclaims: number(row, "reclaims"),
    createdAt: number(row, "created_at"),
    dueAt: number(row, "due_at"),
    lastError: textOrNone(row, "last_error"),
  });
}
