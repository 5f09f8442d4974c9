import type { ApprovalChange, ApprovalRecord, Approvals, ApprovalStatus } from "@portcullis/core";
import { ask, type Driver, type Row, type SqlValue, wholeMs } from "./driver/driver.js";
import { number, numberOrNone, text } from "./driver/row.js";

const COLUMNS = `id, workspace_id, requester_id, status, risk, operation, digest, created_at, expires_at, execute_by,
  attempt_expires_at, revision, data`;
const SAME_REQUEST = "workspace_id = $1 AND requester_id = $2 AND digest = $3 AND is_open = 1";
// One that is past its deadline keeps its status, which is not the store's to change, but keeps nobody from asking again.
const GIVE_UP_PLACE = `UPDATE portcullis_approvals SET is_open = 0 WHERE ${SAME_REQUEST}
  AND CASE status WHEN 'APPROVED' THEN COALESCE(execute_by, expires_at) ELSE expires_at END <= {now}`;
const ADD = `INSERT INTO portcullis_approvals
    (id, workspace_id, requester_id, status, risk, operation, digest, created_at, expires_at, revision, data, is_open)
  VALUES ($4, $1, $2, 'PENDING', $5, $6, $3, {now}, {now} + $7, 1, $8, 1)
  ON CONFLICT (workspace_id, requester_id, digest) WHERE is_open = 1 DO NOTHING
  RETURNING ${COLUMNS}`;
const FIND_OPEN = `SELECT ${COLUMNS} FROM portcullis_approvals WHERE ${SAME_REQUEST}`;
const FIND = `SELECT ${COLUMNS}, {now} AS now FROM portcullis_approvals WHERE id = $1`;
const UPDATE = `UPDATE portcullis_approvals SET
    status = COALESCE($4, status),
    execute_by = COALESCE({now} + CAST($5 AS BIGINT), execute_by),
    attempt_expires_at = COALESCE({now} + CAST($6 AS BIGINT), attempt_expires_at),
    data = COALESCE($7, data),
    is_open = CASE WHEN COALESCE($4, status) IN ('PENDING', 'APPROVED') THEN is_open ELSE 0 END,
    revision = revision + 1
  WHERE id = $1 AND revision = $2 AND {now} < COALESCE(CAST($3 AS BIGINT), {now} + 1)
  RETURNING ${COLUMNS}`;
const NOW = "SELECT {now} AS now";

type NewApproval = Parameters<Approvals["open"]>[0];
type ListFilter = Parameters<Approvals["list"]>[0];

/** Approvals in a table: the unique index decides who opens, a conditional update who changes. */
export function createSqlApprovals(driver: Driver): Approvals {
  return Object.freeze({
    open: (approval: NewApproval) =>
      driver.run("approvals.open", function* () {
        const { id, workspaceId, requesterId, digest, risk, operation, ttlMs, data } = approval;
        const request = [workspaceId, requesterId, digest];
        for (;;) {
          yield ask(GIVE_UP_PLACE, ...request);
          const [created] = yield ask(ADD, ...request, id, risk, operation, wholeMs(ttlMs), data);
          if (created !== undefined) return Object.freeze({ record: recordOf(created), created: true });
          const [open] = yield ask(FIND_OPEN, ...request);
          if (open !== undefined) return Object.freeze({ record: recordOf(open), created: false });
          // Decided in between, so the place is free.
        }
      }),
    find: (id: string) =>
      driver.run("approvals.find", function* () {
        const [row] = yield ask(FIND, id);
        return row && Object.freeze({ record: recordOf(row), now: number(row, "now") });
      }),
    update: (id: string, condition: { readonly revision: number; readonly before?: number }, change: ApprovalChange) =>
      driver.run("approvals.update", function* () {
        const before = condition.before === undefined ? null : Math.ceil(condition.before);
        const durations = [change.executeWithinMs, change.attemptTtlMs].map((ms) => (ms === undefined ? null : wholeMs(ms)));
        const [row] = yield ask(UPDATE, id, condition.revision, before, change.status ?? null, ...durations, change.data ?? null);
        return row && recordOf(row);
      }),
    list: (filter: ListFilter) =>
      driver.run("approvals.list", function* () {
        const { sql, values } = listQuery(filter);
        const rows = filter.statuses.length === 0 ? [] : yield ask(sql, ...values);
        const now = number((yield ask(NOW))[0], "now");
        return Object.freeze({ records: Object.freeze(rows.map(recordOf)), now });
      }),
  });
}

function listQuery({ workspaceId, statuses, limit, after }: ListFilter): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const places = statuses.map((_, index) => `$${index + 3}`).join(", ");
  const since = `AND seq > (SELECT seq FROM portcullis_approvals WHERE id = $${statuses.length + 3})`;
  const sql = `SELECT ${COLUMNS} FROM portcullis_approvals WHERE workspace_id = $1 AND status IN (${places})
    ${after === undefined ? "" : since} ORDER BY seq LIMIT $2`;
  return { sql, values: [workspaceId, limit, ...statuses, ...(after === undefined ? [] : [after])] };
}

function recordOf(row: Row): ApprovalRecord {
  return Object.freeze({
    id: text(row, "id"),
    workspaceId: text(row, "workspace_id"),
    requesterId: text(row, "requester_id"),
    // A fact of `open` and `update`: only these were written.
    status: text(row, "status") as ApprovalStatus,
    risk: text(row, "risk"),
    operation: text(row, "operation"),
    digest: text(row, "digest"),
    createdAt: number(row, "created_at"),
    expiresAt: number(row, "expires_at"),
    executeBy: numberOrNone(row, "execute_by"),
    attemptExpiresAt: numberOrNone(row, "attempt_expires_at"),
    revision: number(row, "revision"),
    data: text(row, "data"),
  });
}
