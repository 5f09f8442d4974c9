import type { ApprovalChange, ApprovalRecord, Approvals, ApprovalStatus } from "../ports/approvals.js";
import type { Clock } from "../runtime/clock.js";

type NewApproval = Parameters<Approvals["open"]>[0];

/** Approvals in this process. */
export function createMemoryApprovals(clock: Clock): Approvals {
  const records = new Map<string, ApprovalRecord>();
  const openIds = new Map<string, string>();

  return Object.freeze({
    open(approval: NewApproval): { readonly record: ApprovalRecord; readonly created: boolean } {
      const now = clock.now();
      const key = requestKey(approval);
      const openId = openIds.get(key);
      const known = openId === undefined ? undefined : records.get(openId);
      if (known !== undefined && isOpen(known, now)) return Object.freeze({ record: known, created: false });
      const { ttlMs, id, workspaceId, requesterId, risk, operation, digest, data } = approval;
      const record: ApprovalRecord = Object.freeze({
        ...{ id, workspaceId, requesterId, status: "PENDING" as const, risk, operation, digest, createdAt: now, expiresAt: now + ttlMs },
        ...{ executeBy: undefined, attemptExpiresAt: undefined, revision: 1, data },
      });
      records.set(id, record);
      openIds.set(key, id);
      return Object.freeze({ record, created: true });
    },
    find(id: string): { readonly record: ApprovalRecord; readonly now: number } | undefined {
      const record = records.get(id);
      return record && Object.freeze({ record, now: clock.now() });
    },
    update(
      id: string,
      condition: { readonly revision: number; readonly before?: number },
      change: ApprovalChange,
    ): ApprovalRecord | undefined {
      const record = records.get(id);
      const now = clock.now();
      if (record === undefined || record.revision !== condition.revision) return undefined;
      if (condition.before !== undefined && !(now < condition.before)) return undefined;
      const changed = Object.freeze({
        ...record,
        status: change.status ?? record.status,
        executeBy: change.executeWithinMs === undefined ? record.executeBy : now + change.executeWithinMs,
        attemptExpiresAt: change.attemptTtlMs === undefined ? record.attemptExpiresAt : now + change.attemptTtlMs,
        data: change.data ?? record.data,
        revision: record.revision + 1,
      });
      records.set(id, changed);
      return changed;
    },
    list(filter: {
      readonly workspaceId: string;
      readonly statuses: readonly ApprovalStatus[];
      readonly limit: number;
      readonly after?: string;
    }): { readonly records: readonly ApprovalRecord[]; readonly now: number } {
      const page: ApprovalRecord[] = [];
      // Maps keep insertion order, and an update keeps the place: oldest first.
      let isPast = filter.after === undefined;
      for (const record of records.values()) {
        if (page.length >= filter.limit) break;
        if (isPast && record.workspaceId === filter.workspaceId && filter.statuses.includes(record.status)) page.push(record);
        isPast ||= record.id === filter.after;
      }
      return Object.freeze({ records: Object.freeze(page), now: clock.now() });
    },
  });
}

function isOpen(record: ApprovalRecord, now: number): boolean {
  if (record.status === "PENDING") return now < record.expiresAt;
  return record.status === "APPROVED" && now < (record.executeBy ?? record.expiresAt);
}

/** Injective: a separator could be part of an id. */
function requestKey({ workspaceId, requesterId, digest }: Pick<ApprovalRecord, "workspaceId" | "requesterId" | "digest">): string {
  return JSON.stringify([workspaceId, requesterId, digest]);
}
