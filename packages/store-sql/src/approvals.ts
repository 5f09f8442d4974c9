import type { ApprovalChange, ApprovalRecord, Approvals, ApprovalStatus } from "@portcullis/core";
import { after, type Database, number, optionalNumber, type Row, text } from "./database.js";

const COLUMNS =
  "id, workspace_id, requester_id, status, risk, operation, digest, created_at, expires_at, execute_by, attempt_expires_at, revision, data";
const IS_OPEN = `(status = 'PENDING' AND expires_at > :now OR status = 'APPROVED' AND coalesce(execute_by, expires_at) > :now)`;

/** Approvals in a table. A transition is one conditional update; opening one is serialised by the request it is for. */
export function createSqlApprovals(database: Database): Approvals {
  return Object.freeze({
    open(approval: Parameters<Approvals["open"]>[0]) {
      const { id, workspaceId, requesterId, risk, operation, digest, data, ttlMs } = approval;
      return database.serialised(["approvals", workspaceId, requesterId, digest], async (connection) => {
        const [known] = await connection.query(
          `SELECT ${COLUMNS} FROM approvals WHERE workspace_id = $1 AND requester_id = $2 AND digest = $3 AND ${IS_OPEN} ORDER BY sequence DESC LIMIT 1`,
          [workspaceId, requesterId, digest],
        );
        if (known !== undefined) return Object.freeze({ record: toApproval(known), created: false });
        const [created] = await connection.query(
          `INSERT INTO approvals (${COLUMNS}) VALUES ($1, $2, $3, 'PENDING', $4, $5, $6, :now, :now + $7, NULL, NULL, 1, $8)
           RETURNING ${COLUMNS}`,
          [id, workspaceId, requesterId, risk, operation, digest, ttlMs, data],
        );
        return Object.freeze({ record: toApproval(created as Row), created: true }); // an insert returns its row
      });
    },
    find: (id: string) =>
      after(database.query(`SELECT ${COLUMNS}, :now AS now FROM approvals WHERE id = $1`, [id]), ([row]) =>
        row === undefined ? undefined : Object.freeze({ record: toApproval(row), now: number(row, "now") }),
      ),
    update(id: string, { revision, before }: { readonly revision: number; readonly before?: number }, change: ApprovalChange) {
      const { status = null, executeWithinMs = null, attemptTtlMs = null, data = null } = change;
      return after(
        database.query(
          `UPDATE approvals SET revision = revision + 1, status = coalesce($3, status), data = coalesce($4, data),
             execute_by = coalesce(:now + CAST($5 AS double precision), execute_by),
             attempt_expires_at = coalesce(:now + CAST($6 AS double precision), attempt_expires_at)
           WHERE id = $1 AND revision = $2 AND (CAST($7 AS double precision) IS NULL OR :now < CAST($7 AS double precision)) RETURNING ${COLUMNS}`,
          [id, revision, status, data, executeWithinMs, attemptTtlMs, before ?? null],
        ),
        ([row]) => (row === undefined ? undefined : toApproval(row)),
      );
    },
    async list(filter: {
      readonly workspaceId: string;
      readonly statuses: readonly ApprovalStatus[];
      readonly limit: number;
      readonly after?: string;
    }) {
      const { workspaceId, statuses, limit, after: last } = filter;
      const page = last === undefined ? "" : "AND sequence > (SELECT sequence FROM approvals WHERE id = $4)";
      const rows = await database.query(
        `SELECT ${COLUMNS} FROM approvals WHERE workspace_id = $1 AND status IN :texts($2) ${page} ORDER BY sequence LIMIT CAST($3 AS integer)`,
        [workspaceId, JSON.stringify(statuses), limit, ...(last === undefined ? [] : [last])],
      );
      const [clock] = await database.query("SELECT :now AS now");
      return Object.freeze({ records: Object.freeze(rows.map(toApproval)), now: number(clock as Row, "now") }); // a select without a table has one row
    },
  });
}

function toApproval(row: Row): ApprovalRecord {
  return Object.freeze({
    id: text(row, "id"),
    workspaceId: text(row, "workspace_id"),
    requesterId: text(row, "requester_id"),
    status: text(row, "status") as ApprovalStatus, // written by this module only
    risk: text(row, "risk"),
    operation: text(row, "operation"),
    digest: text(row, "digest"),
    createdAt: number(row, "created_at"),
    expiresAt: number(row, "expires_at"),
    executeBy: optionalNumber(row, "execute_by"),
    attemptExpiresAt: optionalNumber(row, "attempt_expires_at"),
    revision: number(row, "revision"),
    data: text(row, "data"),
  });
}
