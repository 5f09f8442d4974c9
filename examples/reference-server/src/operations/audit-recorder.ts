import type { ApprovalEvent } from "@portcullis/approvals";
import type { Audit, AuditEventInput } from "@portcullis/audit";
import type { AuthEvent } from "@portcullis/auth";
import { correlationIdFact, type Facts } from "@portcullis/core";
import type { LimitedBy, RateLimitEvent } from "@portcullis/rate-limit";
import type { RbacEvent } from "@portcullis/rbac";
import type { WebhookEvent } from "@portcullis/webhooks";
import type { Logger } from "pino";
import { callerOf } from "../workspace.js";

/** What each concern tells, written into the audit trail. */
export interface AuditRecorder {
  readonly auth: (event: AuthEvent) => void;
  readonly rbac: (event: RbacEvent) => void;
  readonly rateLimit: (event: RateLimitEvent) => void;
  readonly approval: (event: ApprovalEvent) => void;
  readonly webhook: (event: WebhookEvent) => void;
  /** Resolves once it is recorded: what cannot be recorded must not be done. */
  readonly limitChange: (facts: Facts, change: LimitChange) => Promise<unknown>;
}

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
      const { type, id, workspaceId } = callerOf(facts);
      const [kind, name] = Object.entries(holder)[0] as [string, string]; // a holder has one name
      return audit.append({
        category: "admin",
        action,
        outcome: "attempted",
        actor: { type, id },
        target: { type: kind, id: name },
        correlationId: facts.get(correlationIdFact),
        workspaceId,
        ...(ms === undefined ? {} : { details: { ms } }),
      });
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
