import { correlationIdFact, deny, type GuardRequest, type JsonValue, type Principal, problems, type Verdict } from "@portcullis/core";
import type { Decision, RoleDecision } from "../decision/decision.js";
import type { AnyRbac } from "../policy/rbac.js";

/** What a guard of this package reports and answers when it denies. */
export interface DeniedRequest {
  readonly rbac: AnyRbac;
  readonly guard: string;
  readonly decision: Decision | RoleDecision;
  readonly principal: Principal | undefined;
  readonly request: GuardRequest;
  /** Members that say what was asked for; left out where the policy redacts. */
  readonly asked: { readonly [name: string]: JsonValue };
}

/** Reports a denial in full and answers with what a client may know of it: never which roles, grants or denials exist (RBAC-34). */
export function denial({ rbac, guard, decision, principal, request, asked }: DeniedRequest): Verdict {
  rbac.reportDenial({ decision, guard, principal, correlationId: request.facts.get(correlationIdFact) });
  if (decision.status === 401) return deny(problems.unauthenticated());
  if (rbac.redactDenials) return deny(problems.forbidden());
  return deny(problems.forbidden({ extensions: { ...asked, reason: clientReason(decision) } }));
}

// A denial rule, a foreign organisation and a missing grant look alike from outside.
function clientReason({
  reason,
}: Decision | RoleDecision): "missing_permission" | "missing_role" | "insufficient_scope" | "persona_required" {
  if (reason === "out_of_scope") return "insufficient_scope";
  if (reason === "persona_required") return reason;
  return reason === "missing_role" || reason === "missing_org_role" ? "missing_role" : "missing_permission";
}
