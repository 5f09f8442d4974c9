import type { ApprovalStatus } from "@portcullis/core";
import type { Approval } from "./approval.js";

/** What happened to an approval: told once, by the process whose change the store accepted. */
export type ApprovalEvent =
  | {
      readonly type:
        | "approval.requested"
        | "approval.approved"
        | "approval.denied"
        | "approval.expired"
        | "approval.cancelled"
        | "approval.revoked"
        | "approval.executing"
        | "approval.executed"
        | "approval.failed"
        | "approval.unresolved";
      /** Epoch ms, store time. */
      readonly at: number;
      readonly approval: Approval;
    }
  | {
      /** Someone tried what they may not; nothing changed. */
      readonly type: "approval.refused";
      readonly at: number;
      readonly reason: "self_approval" | "not_eligible" | "mismatch" | "consumed";
      /** `subjectOf` of who tried. */
      readonly by: string;
      readonly approval: Approval;
    };

/** The event of reaching each status. */
export const EVENT_OF_STATUS = Object.freeze({
  PENDING: "approval.requested",
  APPROVED: "approval.approved",
  DENIED: "approval.denied",
  EXPIRED: "approval.expired",
  CANCELLED: "approval.cancelled",
  REVOKED: "approval.revoked",
  EXECUTING: "approval.executing",
  EXECUTED: "approval.executed",
  FAILED: "approval.failed",
  UNKNOWN: "approval.unresolved",
} as const satisfies Record<ApprovalStatus, ApprovalEvent["type"]>);
