import { invalidOption, type Principal, problems, ProblemError, StoreUnavailable, subjectOf } from "@portcullis/core";
import type { Approval } from "./approval.js";
import type { ApprovalEvent } from "./approval-event.js";
import { readNotes, readReason } from "./new-approval.js";
import { type RiskPolicy, whyNotEligible } from "./policy.js";
import type { RiskLevel } from "./risk.js";
import type { Loaded, Transition, Transitions } from "./transitions.js";

/** A person's yes or no. */
export interface Decision {
  readonly decision: "approve" | "reject";
  readonly by: Principal;
  /** Mandatory, and visible, with `reject`; up to 4096 characters. */
  readonly notes?: string | undefined;
  /** When given, an approval of another workspace does not exist. */
  readonly workspaceId?: string;
}

/** Taking a request back. */
export interface Cancellation {
  /** The requester: nobody else may. */
  readonly by: Principal;
  readonly reason?: string | undefined;
  /** When given, an approval of another workspace does not exist. */
  readonly workspaceId?: string;
}

/** What was found out about an execution whose outcome was unknown. */
export interface Reconciliation {
  readonly outcome: "executed" | "not_executed";
  /** How it was found out; up to 4096 characters. */
  readonly reason: string;
  /** Who says so. The caller checks that it may. */
  readonly by: Principal;
  /** When given, an approval of another workspace does not exist. */
  readonly workspaceId?: string;
}

/** What people do to approvals. */
export interface Decisions {
  resolve(id: string, decision: Decision): Promise<Approval>;
  cancel(id: string, cancellation: Cancellation): Promise<Approval>;
  reconcile(id: string, reconciliation: Reconciliation): Promise<Approval>;
}

// As in execution.ts: each lost race means that someone else made a change.
const MAX_RACES = 100;

/** Decisions by compare-and-set: of any number of concurrent ones exactly one counts, the others are told the final state. */
export function createDecisions(
  transitions: Transitions,
  policy: Readonly<Record<RiskLevel, Required<RiskPolicy>>>,
  executeWithinMs: number,
  onEvent: (event: ApprovalEvent) => void,
): Decisions {
  // Reads, asks for the change, applies it; reads again when someone else was faster.
  const change = async (
    id: string,
    workspaceId: string | undefined,
    decide: (loaded: Loaded) => Promise<Transition> | Transition,
  ): Promise<Approval> => {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const loaded = await transitions.load(id);
      if (loaded === undefined || loaded === "unreadable" || (workspaceId !== undefined && loaded.approval.workspaceId !== workspaceId)) {
        throw new ProblemError(problems.notFound());
      }
      const changed = await transitions.apply(loaded, await decide(loaded));
      if (changed !== undefined) return changed.approval;
    }
    throw new StoreUnavailable("approvals.update");
  };

  return {
    async resolve(id, { decision, by, notes, workspaceId }) {
      // Not trusted to the types: what is neither would be kept as a denial that nobody can read.
      if (decision !== "approve" && decision !== "reject") throw invalidOption("decision", decision, '"approve" or "reject"');
      const said = decision === "reject" ? readReason(notes) : readNotes(notes);
      return change(id, workspaceId, async ({ approval, now }) => {
        const refusal = await whyNotEligible(policy[approval.riskLevel], by, approval);
        if (refusal !== undefined) {
          onEvent({ type: "approval.refused", at: now, reason: refusal, by: subjectOf(by), approval });
          throw new ProblemError(refusal === "self_approval" ? problems.selfApproval() : problems.forbidden());
        }
        requireStatus(approval, "PENDING");
        const made = { decision, by: subjectOf(by), at: now, ...(said === undefined ? {} : { notes: said }) };
        const outcome = decision === "approve" ? ({ to: "APPROVED", executeWithinMs } as const) : ({ to: "DENIED" } as const);
        return { ...outcome, stored: { decision: made }, before: approval.expiresAt };
      });
    },

    async cancel(id, { by, reason, workspaceId }) {
      const said = readNotes(reason);
      return change(id, workspaceId, ({ approval, now }) => {
        if (subjectOf(by) !== approval.requesterId) throw new ProblemError(problems.forbidden());
        requireStatus(approval, "PENDING");
        const closing = { by: subjectOf(by), at: now, ...(said === undefined ? {} : { reason: said }) };
        return { to: "CANCELLED", stored: { closing }, before: approval.expiresAt };
      });
    },

    async reconcile(id, { outcome, reason, by, workspaceId }) {
      if (outcome !== "executed" && outcome !== "not_executed") throw invalidOption("outcome", outcome, '"executed" or "not_executed"');
      const said = readReason(reason);
      return change(id, workspaceId, ({ approval, now }) => {
        requireStatus(approval, "UNKNOWN");
        return { to: outcome === "executed" ? "EXECUTED" : "FAILED", stored: { closing: { by: subjectOf(by), at: now, reason: said } } };
      });
    },
  };
}

function requireStatus({ id, status }: Approval, required: Approval["status"]): void {
  if (status === required) return;
  const extensions = { approvalId: id, status };
  throw new ProblemError(status === "EXPIRED" ? problems.approvalExpired({ extensions }) : problems.approvalDecided({ extensions }));
}
