import type { MaybePromise } from "../guard/guard.js";

/** The states of an approval. Only the edges of `@portcullis/approvals` connect them. */
export type ApprovalStatus =
  | "PENDING"
  | "APPROVED"
  | "DENIED"
  | "EXPIRED"
  | "CANCELLED"
  | "REVOKED"
  | "EXECUTING"
  | "EXECUTED"
  | "FAILED"
  | "UNKNOWN";

/** One stored approval. */
export interface ApprovalRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly requesterId: string;
  readonly status: ApprovalStatus;
  readonly risk: string;
  readonly operation: string;
  /** Digest of the exact request, hex. At most one open approval exists per (workspace, requester, digest). */
  readonly digest: string;
  /** Epoch ms, store time. */
  readonly createdAt: number;
  /** Approve-by. */
  readonly expiresAt: number;
  /** Execute-by; set when it is approved. */
  readonly executeBy: number | undefined;
  /** When the execution claim runs out and its outcome counts as unknown. */
  readonly attemptExpiresAt: number | undefined;
  /** Counts changes; the compare-and-set of `update` goes by it. */
  readonly revision: number;
  /** Description, redacted request, votes, outcome: JSON of the approvals package. */
  readonly data: string;
}

/** What a change may set. Durations become instants on the store's clock. */
export interface ApprovalChange {
  readonly status?: ApprovalStatus;
  readonly executeWithinMs?: number;
  readonly attemptTtlMs?: number;
  readonly data?: string;
}

/** Approvals with compare-and-set transitions on the store's clock. */
export interface Approvals {
  /**
   * Stores a PENDING approval, unless an open one (PENDING or APPROVED, deadline ahead) exists for the same workspace,
   * requester and digest; then returns that one. Of 100 concurrent calls one creates.
   */
  open(
    approval: Pick<ApprovalRecord, "id" | "workspaceId" | "requesterId" | "risk" | "operation" | "digest" | "data"> & {
      readonly ttlMs: number;
    },
  ): MaybePromise<{ readonly record: ApprovalRecord; readonly created: boolean }>;
  /** With the store's time of the read, so that deadlines are compared on one clock. */
  find(id: string): MaybePromise<{ readonly record: ApprovalRecord; readonly now: number } | undefined>;
  /**
   * Applies the change if the revision is still `revision` and, with `before`, the store's time is still less than it
   * (half-open: at the instant itself it is too late).
   *
   * @returns the record after the change, or `undefined` and nothing changed.
   */
  update(
    id: string,
    condition: { readonly revision: number; readonly before?: number },
    change: ApprovalChange,
  ): MaybePromise<ApprovalRecord | undefined>;
  /** Oldest first, of one workspace, with any of the statuses; `after` is the last id of the page before. */
  list(filter: {
    readonly workspaceId: string;
    readonly statuses: readonly ApprovalStatus[];
    readonly limit: number;
    readonly after?: string;
  }): MaybePromise<{ readonly records: readonly ApprovalRecord[]; readonly now: number }>;
}
