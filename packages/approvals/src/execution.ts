import { createFactKey, type FactKey, type Problem, problems, StoreUnavailable } from "@portcullis/core";
import type { Approval } from "./approval.js";
import type { ApprovalEvent } from "./approval-event.js";
import type { Loaded, Transitions } from "./transitions.js";

/** The right to run an approved operation once. The guard publishes it as {@link approvalFact}. */
export interface ApprovalGrant {
  /** As it was claimed: status `EXECUTING`, with who approved it. */
  readonly approval: Approval;
  /** Names this run; `approval.execution.attemptId` again. */
  readonly attemptId: string;
  /**
   * Records how the operation ended, at once; the first report counts. Without it the response's status says it, and a response
   * that the client did not wait for says nothing: the approval becomes `UNKNOWN` when the attempt's time is over.
   */
  report(outcome: "executed" | "failed"): Promise<void>;
}

/** The approval under which a request runs; absent on requests that needed none. */
export const approvalFact: FactKey<ApprovalGrant> = createFactKey<ApprovalGrant>("approval");

/** What must be the same as when it was asked for. */
export interface Claimant {
  readonly digest: string;
  readonly workspaceId: string;
  readonly subject: string;
}

/** Whether an approved operation may run now. */
export type Admission =
  | { readonly kind: "run"; readonly attempt: Attempt }
  | { readonly kind: "wait"; readonly approval: Approval }
  | { readonly kind: "refuse"; readonly problem: Problem; readonly approval: Approval | undefined };

/** A claimed run. */
export interface Attempt {
  readonly grant: ApprovalGrant;
  /** Whether the outcome is recorded already. */
  isReported(): boolean;
  /** Records the outcome unless it is recorded. @returns the approval after it; `undefined` when a person closed it first. */
  finish(outcome: "executed" | "failed", httpStatus?: number): Promise<Approval | undefined>;
}

/** Claims approvals and records how their operations ended. */
export interface Executions {
  admit(id: string, claimant: Claimant): Promise<Admission>;
}

// More rivals than this changing one row between a read and a write means a store that contradicts itself.
const MAX_RACES = 100;

/** Claims by compare-and-set: of any number of concurrent claims of one approval exactly one runs. */
export function createExecutions(
  transitions: Transitions,
  createId: () => string,
  attemptTtlMs: number,
  onEvent: (event: ApprovalEvent) => void,
): Executions {
  const refused = (reason: "mismatch" | "consumed", { approval, now }: Loaded, by: string): void =>
    onEvent({ type: "approval.refused", at: now, reason, by, approval });

  const run = (claimed: Loaded, attemptId: string): Attempt => {
    let report: Promise<Approval | undefined> | undefined;
    const finish: Attempt["finish"] = (outcome, httpStatus) => {
      report ??= record(claimed.approval.id, attemptId, outcome, httpStatus).catch((error: unknown) => {
        report = undefined; // the store did not answer: the next report may get through
        throw error;
      });
      return report;
    };
    const grant: ApprovalGrant = Object.freeze({
      approval: claimed.approval,
      attemptId,
      report: async (outcome: "executed" | "failed") => void (await finish(outcome)),
    });
    return { grant, finish, isReported: () => report !== undefined };
  };

  const record = async (
    id: string,
    attemptId: string,
    outcome: "executed" | "failed",
    httpStatus: number | undefined,
  ): Promise<Approval | undefined> => {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const loaded = await transitions.load(id);
      if (loaded === undefined || loaded === "unreadable") return undefined;
      const { approval, stored, now } = loaded;
      // UNKNOWN too: the one who ran it came back late and knows better. A person who reconciled it first is not overruled.
      const isOpen = approval.status === "EXECUTING" || approval.status === "UNKNOWN";
      if (!isOpen || stored.execution?.attemptId !== attemptId) return undefined;
      const execution = { ...stored.execution, endedAt: now, ...(httpStatus === undefined ? {} : { httpStatus }) };
      const ended = await transitions.apply(loaded, { to: outcome === "executed" ? "EXECUTED" : "FAILED", stored: { execution } });
      if (ended !== undefined) return ended.approval;
    }
    throw new StoreUnavailable("approvals.update");
  };

  return {
    async admit(id, claimant) {
      for (let race = 0; race < MAX_RACES; race += 1) {
        const loaded = await transitions.load(id);
        // An unknown approval, another's and another request's look the same: no oracle for ids.
        const mismatch: Admission = { kind: "refuse", problem: problems.approvalMismatch(), approval: undefined };
        if (loaded === undefined || loaded === "unreadable") return mismatch;
        const { approval, now } = loaded;
        if (!covers(approval, claimant)) {
          refused("mismatch", loaded, claimant.subject);
          return mismatch;
        }
        if (approval.status === "PENDING") return { kind: "wait", approval };
        if (approval.status !== "APPROVED") {
          const { problem, isConsumed } = refusalOf(approval);
          if (isConsumed) refused("consumed", loaded, claimant.subject);
          return { kind: "refuse", problem, approval };
        }
        const attemptId = createId();
        const claimed = await transitions.apply(loaded, {
          to: "EXECUTING",
          stored: { execution: { attemptId, startedAt: now } },
          before: approval.executeBy ?? approval.expiresAt,
          attemptTtlMs,
        });
        if (claimed !== undefined) return { kind: "run", attempt: run(claimed, attemptId) };
      }
      throw new StoreUnavailable("approvals.update");
    },
  };
}

function covers(approval: Approval, { digest, workspaceId, subject }: Claimant): boolean {
  return approval.digest === digest && approval.workspaceId === workspaceId && approval.requesterId === subject;
}

function refusalOf({ id, status, execution }: Approval): { readonly problem: Problem; readonly isConsumed: boolean } {
  const extensions = { approvalId: id, status };
  switch (status) {
    case "DENIED":
      return { problem: problems.approvalDenied({ extensions }), isConsumed: false };
    case "EXPIRED":
      return { problem: problems.approvalExpired({ extensions }), isConsumed: false };
    case "CANCELLED":
    case "REVOKED":
      return { problem: problems.approvalDecided({ extensions }), isConsumed: false };
    default: {
      // A repeat after a lost response is told what became of the first run.
      const executedAt = execution === undefined ? {} : { executedAt: new Date(execution.endedAt ?? execution.startedAt).toISOString() };
      return { problem: problems.approvalConsumed({ extensions: { ...extensions, ...executedAt } }), isConsumed: true };
    }
  }
}
