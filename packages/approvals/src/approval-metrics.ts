import type { ApprovalStatus, Metrics } from "@portcullis/core";
import type { Approval } from "./approval.js";

const REQUEST_OUTCOMES: Partial<Record<ApprovalStatus, string>> = {
  PENDING: "requested",
  APPROVED: "approved",
  DENIED: "denied",
  EXPIRED: "expired",
  CANCELLED: "cancelled",
  REVOKED: "revoked",
};
const EXECUTION_OUTCOMES: Partial<Record<ApprovalStatus, string>> = { EXECUTED: "executed", FAILED: "failed", UNKNOWN: "unknown" };

/** Counts one change of status, for the process whose change the store accepted. */
export type CountStatus = (approval: Approval, at: number) => void;

/** The package's metrics. */
export function createApprovalMetrics(metrics: Metrics): CountStatus {
  const total = metrics.counter({ name: "approvals_total", help: "Approvals by what became of them.", labelNames: ["risk", "outcome"] });
  const executions = metrics.counter({
    name: "approval_execution_total",
    help: "Executions of approved operations.",
    labelNames: ["outcome"],
  });
  const decisionSeconds = metrics.histogram({
    name: "approval_decision_seconds",
    help: "From the request to the decision of a person.",
    buckets: [10, 30, 60, 300, 900, 3600, 14_400, 86_400],
  });
  return (approval, at) => {
    const { status, riskLevel, createdAt } = approval;
    const requestOutcome = REQUEST_OUTCOMES[status];
    const executionOutcome = EXECUTION_OUTCOMES[status];
    if (requestOutcome !== undefined) total.add({ risk: riskLevel, outcome: requestOutcome });
    if (executionOutcome !== undefined) executions.add({ outcome: executionOutcome });
    if (status === "APPROVED" || status === "DENIED") decisionSeconds.observe(Math.max(0, at - createdAt) / 1000);
  };
}
