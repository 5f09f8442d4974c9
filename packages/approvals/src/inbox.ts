import {
  type ApprovalRecord,
  type Approvals as ApprovalsPort,
  type ApprovalStatus,
  invalidOption,
  type Principal,
  subjectOf,
} from "@portcullis/core";
import type { Approval } from "./approval.js";
import { ApprovalError } from "./errors.js";
import { type RiskPolicy, whyNotEligible } from "./policy.js";
import type { RiskLevel } from "./risk.js";
import type { Transitions } from "./transitions.js";

/** Whose view of the approvals is asked for. */
export interface ApprovalView {
  /** An approval of another workspace does not exist. */
  readonly workspaceId?: string;
  /** Only what this principal asked for itself or may decide about; everything else does not exist. */
  readonly visibleTo?: Principal;
}

/** A page of a list. */
export interface ApprovalPage {
  /** Lists never cross workspaces. */
  readonly workspaceId: string;
  readonly visibleTo?: Principal;
  /** 1 to 200; default 50. */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** Approvals, and where the next page starts; no `nextCursor` on the last page. */
export interface ApprovalList {
  readonly approvals: readonly Approval[];
  readonly nextCursor?: string;
}

/** Looking at approvals. */
export interface Inbox {
  /**
   * One approval as it is now; `undefined` where there is none to be seen.
   *
   * @throws {ApprovalError} `unreadable_approval`: it was written by another version.
   */
  get(id: string, view?: ApprovalView): Promise<Approval | undefined>;
  /** What waits for a decision, the oldest first; expired ones are never in it. */
  listPending(page: ApprovalPage): Promise<ApprovalList>;
  /** Executions whose outcome nobody recorded: find out, then `reconcile`. */
  listUnresolved(page: ApprovalPage): Promise<ApprovalList>;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
// A page that finds little among many lapsed or hidden approvals ends early, with a cursor.
const MAX_READS = 20;

/** Reads through the transitions, so that deadlines have been applied to everything shown. */
export function createInbox(
  port: ApprovalsPort,
  transitions: Transitions,
  policy: Readonly<Record<RiskLevel, Required<RiskPolicy>>>,
): Inbox {
  const isVisible = async (approval: Approval, { workspaceId, visibleTo }: ApprovalView): Promise<boolean> => {
    if (workspaceId !== undefined && approval.workspaceId !== workspaceId) return false;
    if (visibleTo === undefined || subjectOf(visibleTo) === approval.requesterId) return true;
    return (await whyNotEligible(policy[approval.riskLevel], visibleTo, approval)) === undefined;
  };

  // `wanted` are the statuses shown; `stored` those under which a row may still lie when it has lapsed into one of them.
  const list = async (stored: readonly ApprovalStatus[], wanted: ApprovalStatus, page: ApprovalPage): Promise<ApprovalList> => {
    const { workspaceId, limit = DEFAULT_LIMIT, cursor } = page;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) throw invalidOption("limit", limit, `1 to ${MAX_LIMIT}`);
    const approvals: Approval[] = [];
    let after = cursor;
    for (let read = 0; read < MAX_READS; read += 1) {
      const { records, now } = await port.list({ workspaceId, statuses: stored, limit, ...(after === undefined ? {} : { after }) });
      for (const record of records) {
        const approval = await current(record, now);
        after = record.id;
        if (approval?.status !== wanted || !(await isVisible(approval, page))) continue;
        approvals.push(approval);
        if (approvals.length === limit) return { approvals, nextCursor: after };
      }
      if (records.length < limit) return { approvals };
    }
    return { approvals, ...(after === undefined ? {} : { nextCursor: after }) };
  };

  const current = async (record: ApprovalRecord, now: number): Promise<Approval | undefined> =>
    (await transitions.current(record, now))?.approval;

  return {
    async get(id, view = {}) {
      const loaded = await transitions.load(id);
      if (loaded === "unreadable")
        throw new ApprovalError(
          "unreadable_approval",
          "The approval was written by another version. Wait until it expires, or migrate it.",
        );
      return loaded !== undefined && (await isVisible(loaded.approval, view)) ? loaded.approval : undefined;
    },
    listPending: (page) => list(["PENDING"], "PENDING", page),
    listUnresolved: (page) => list(["EXECUTING", "UNKNOWN"], "UNKNOWN", page),
  };
}
