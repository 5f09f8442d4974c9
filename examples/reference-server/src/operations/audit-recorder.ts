import type { ApprovalEvent } from "@portcullis/approvals";
import type { Audit, AuditEventInput } from "@portcullis/audit";
import type { AuthEvent } from "@portcullis/auth";
import type { RateLimitEvent } from "@portcullis/rate-limit";
import type { RbacEvent } from "@portcullis/rbac";
import type { WebhookEvent } from "@portcullis/webhooks";
import type { Logger } from "pino";

/** What each concern tells, written into the audit trail. */
export interface AuditRecorder {
  readonly auth: (event: AuthEvent) => void;
  readonly rbac: (event: RbacEvent) => void;
  readonly rateLimit: (event: RateLimitEvent) => void;
  readonly approval: (event: ApprovalEvent) => void;
  readonly webhook: (event: WebhookEvent) => void;
}

type Entry = Pick<AuditEventInput, "category" | "action" | "outcome" | "actor"> & Partial<AuditEventInput>;

const SYSTEM = { type: "system", id: "portcullis" } as const;
const ANONYMOUS = { type: "anonymous", id: "anonymous" } as const;

/**
 * Translates the packages' events into audit events. They are told after the fact and cannot fail what they tell of: an event
 * that cannot be stored is logged as a fault. The request itself is recorded by the `auditRequests` guard.
 */
export function auditRecorder(audit: Pick<Audit, "append">, logger: Logger): AuditRecorder {
  const write = (entry: Entry): void => {
    Promise.resolve(audit.append(entry)).catch((error: unknown) => logger.error({ err: error, action: entry.action }, "audit event lost"));
  };
  return Object.freeze({
    auth(event: AuthEvent) {
      const { kind, ...details } = event;
      const userId = "userId" in event ? event.userId : undefined;
      const isRefusal = kind === "login_failed" || kind === "account_locked" || kind === "refresh_reused" || kind === "token_version_ahead";
      write({
        category: kind === "account_locked" || kind === "refresh_reused" || kind === "token_version_ahead" ? "security" : "authentication",
        action: kind.replace("_", "."),
        outcome: isRefusal ? "denied" : "success",
        actor: userId === undefined ? ANONYMOUS : { type: "user", id: userId },
        details,
      });
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
    rateLimit(event: RateLimitEvent) {
      // A flood must not become a flood of audit entries: refusals are metrics and the request's own entry.
      if (event.type === "denied") return;
      if (event.type === "store_unavailable") return logger.warn({ outage: event.outage }, "rate limit store is away");
      logger.info({ event: event.type }, "rate limiter");
    },
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
