export { approvalRoutes } from "./approval-routes.js";
export { createApprovals } from "./create-approvals.js";
export { ApprovalError } from "./errors.js";
export { approvalFact } from "./execution.js";
export { requireApproval } from "./require-approval.js";
export { RISK_LEVELS } from "./risk.js";

export type { Approval } from "./approval.js";
export type { ApprovalEvent } from "./approval-event.js";
export type { ApprovalRoutesOptions } from "./approval-routes.js";
export type { ApprovalDefaults, ApprovalRequest, Approvals, ApprovalsOptions, GateResult } from "./create-approvals.js";
export type { Cancellation, Decision, Decisions, Reconciliation } from "./decisions.js";
export type { ApprovalErrorCode } from "./errors.js";
export type { ApprovalGrant } from "./execution.js";
export type { ApprovalList, ApprovalPage, ApprovalView, Inbox } from "./inbox.js";
export type { ApprovalSubject } from "./new-approval.js";
export type { ApprovalPolicy, RiskPolicy } from "./policy.js";
export type { RequireApprovalOptions } from "./require-approval.js";
export type { RiskLevel } from "./risk.js";
