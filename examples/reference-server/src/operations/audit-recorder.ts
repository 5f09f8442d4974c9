import type { ApprovalEvent } from "@portcullis/approvals";
import type { Audit, AuditEventInput } from "@portcullis/audit";
import { auditFactsOf, type AuthEvent } from "@portcullis/auth";
import { correlationIdFact, type Facts } from "@portcullis/core";
import type { LimitedBy, RateLimitEvent } from "@portcullis/rate-limit";
import type { AssignmentEvent, RbacEvent, TrustedCallerEvent } from "@portcullis/rbac";
import type { WebhookEvent } from "@portcullis/webhooks";
import type { Logger } from "pino";
import { callerOf } from "../workspace.js";

/** What each concern tells, written into the audit trail. */
export interface AuditRecorder {
  readonly auth: (event: AuthEvent) => void;
  readonly rbac: (event: RbacEvent) => void;
  readonly assignment: (event: AssignmentEvent) => void;
  readonly trustedCaller: (event: TrustedCallerEvent) => void;
  readonly rateLimit: (event: RateLimitEvent) => void;
  readonly approval: (event: ApprovalEvent) => void;
  readonly webhook: (event: WebhookEvent) => void;
  /** Resolves once it is recorded: what cannot be recorded must not be done. */
  readonly limitChange: (facts: Facts, change: LimitChange) => Promise<unknown>;
  /** As `limitChange`, of who may do what. */
  readonly accessChange: (facts: Facts, change: Change) => Promise<unknown>;
}

/** What somebody is about to do. */
export type Change = Pick<AuditEventInput, "action" | "target" | "details">;

/** What an administrator is about to do to somebody's limits. */
export interface LimitChange {
  readonly action: "rate_limit.reset" | "rate_limit.block";
  readonly holder: LimitedBy;
  /** How long a block holds; 0 ends one. */
  readonly ms?: number;
}

type Entry = Pick<AuditEventInput, "category" | "action" | "outcome" | "actor"> & Partial<AuditEventInput>;

const SYSTEM = { type: "system", id: "portcullis" } as const;
const ANONYMOUS = { type: "anonymous", id: "anonymous" } as const;

/**
 * Translates the packages' events into audit events. They are told after the fact and cannot fail what they tell of: an event
 * that cannot be stored is logged as a fault. The request itself is recorded by the `auditRequests` guard.
 */
export function auditRecorder(audit: Pick<Audit, "append">, logger: Logger): AuditRecorder {
  const attempt = (facts: Facts, change: Change): Promise<unknown> => {
    const { type, id, workspaceId } = callerOf(facts);
    const correlationId = facts.get(correlationIdFact);
    return audit.append({ category: "admin", outcome: "attempted", actor: { type, id }, correlationId, workspaceId, ...change });
  };
  const write = (entry: Entry): void => {
    Promise.resolve(audit.append(entry)).catch((error: unknown) => logger.error({ err: error, action: entry.action }, "audit event lost"));
  };
  return Object.freeze({
    auth(event: AuthEvent) {
      const { kind, ...details } = event;
      write({ ...auditFactsOf(event), action: kind.replace("_", "."), ...whoOf(event), details });
    },
    rbac(event: RbacEvent) {
      if (event.kind !== "access_denied")
        return write({ category: "admin", action: "policy.replaced", outcome: "success", actor: SYSTEM, details: event });
      const { subjectId, correlationId, reason, permission } = event;
      write({
        category: "authorization",
        action: "permission.denied",
        outcome: "denied",
        actor: subjectId === undefined ? ANONYMOUS : { type: "user", id: subjectId },
        reason,
        correlationId,
        details: { permission, guard: event.guard, role: event.role, grant: event.grant, policyVersion: event.policyVersion },
      });
    },
    assignment(event: AssignmentEvent) {
      const { kind, actorId, reason, ...details } = event;
      write({
        category: "admin",
        action: "change" in event ? `role.${event.change}` : "roles.replace",
        outcome: kind === "roles_changed" || kind === "assignment_changed" ? "success" : "denied",
        actor: actorId === "program" ? SYSTEM : { type: "user", id: actorId },
        target: "subjectId" in event ? { type: "user", id: event.subjectId } : { type: "policy" },
        reason,
        details,
      });
    },
    trustedCaller({ kind, reason, callerId, ip }: TrustedCallerEvent) {
      write({
        category: kind === "identity_accepted" ? "authentication" : "security",
        action: kind.replace("_", "."),
        // Headers beside a credential that names the same user are superfluous; all others that are not accepted are believed by nobody.
        outcome: reason === "accepted" || reason === "credential_wins" ? "success" : "denied",
        actor: callerId === undefined ? ANONYMOUS : { type: "service", id: callerId },
        reason,
        ip,
      });
    },
    rateLimit(event: RateLimitEvent) {
      switch (event.type) {
        // A flood must not become a flood of audit entries: refusals are metrics and the request's own entry.
        case "denied":
        case "shadow_denied":
        // Told at start, by lintRateLimits.
        case "operation_exceeds_floor":
          return;
        case "store_unavailable":
          return logger.warn({ outage: event.outage }, "rate limit store is away");
        case "lease_lost":
          return logger.warn({ operation: event.operation, err: event.error }, "a place in flight was lost");
        case "unknown_tier":
        case "store_recovered":
          return logger.info({ event: event.type }, "rate limiter");
      }
    },
    limitChange(facts: Facts, { action, holder, ms }: LimitChange) {
      const [kind, name] = Object.entries(holder)[0] as [string, string]; // a holder has one name
      return attempt(facts, { action, target: { type: kind, id: name }, ...(ms === undefined ? {} : { details: { ms } }) });
    },
    accessChange: attempt,
    approval(event: ApprovalEvent) {
      const { type, approval } = event;
      const decision = approval.decision;
      const isDecision = type === "approval.approved" || type === "approval.denied";
      write({
        category: "admin",
        action: type,
        outcome: type === "approval.refused" || type === "approval.denied" ? "denied" : type === "approval.failed" ? "error" : "success",
        actor: {
          type: "user",
          id: event.type === "approval.refused" ? event.by : isDecision && decision !== undefined ? decision.by : approval.requesterId,
        },
        target: { type: "approval", id: approval.id },
        workspaceId: approval.workspaceId,
        details: {
          operation: approval.operationType,
          risk: approval.riskLevel,
          status: approval.status,
          digest: approval.digest,
          ...(decision === undefined ? {} : { decision }),
        },
      });
    },
    webhook(event: WebhookEvent) {
      if (event.type === "webhook.fault") return logger.error({ err: event.error, source: event.source }, "webhook fault");
      if (event.type !== "webhook.dead_lettered" && event.type !== "webhook.endpoint_disabled") return;
      const { type, workspaceId, endpointId, ...details } = event;
      write({
        category: "data",
        action: type,
        outcome: "failure",
        actor: SYSTEM,
        target: { type: "webhook_endpoint", id: endpointId },
        workspaceId,
        details,
      });
    },
  });
}

// Who did it, and to whom where that is somebody else.
function whoOf(event: AuthEvent): Pick<Entry, "actor" | "target"> {
  switch (event.kind) {
    case "mfa_bypass_granted":
      return { actor: { type: "user", id: event.approvedBy }, target: { type: "service", id: event.serviceId } };
    // Who revoked it is for the application to record: the event names who approved it.
    case "mfa_bypass_revoked":
    case "mfa_bypass_expired":
      return { actor: SYSTEM, target: { type: "service", id: event.serviceId } };
    case "mfa_bypass_used":
      return { actor: { type: "service", id: event.serviceId } };
    case "system_token_issued":
    case "system_token_revoked":
    case "system_tokens_revoked":
      return { actor: SYSTEM, target: { type: "service", id: event.service } };
    default:
      return { actor: "userId" in event && event.userId !== undefined ? { type: "user", id: event.userId } : ANONYMOUS };
  }
}
