import type { Decision, DecisionReason, RoleDecision, Scope } from "./decision.js";

/** What a decision names beside its reason. */
interface Because {
  readonly role: string | undefined;
  readonly grant: string | undefined;
  readonly scope: Scope | undefined;
}

// Every member is its own: an absent one would be looked up in Object.prototype (CWE-1321).
const NOTHING: Because = Object.freeze({ role: undefined, grant: undefined, scope: undefined });

/** A frozen decision. */
export function makeDecision(
  policy: { readonly version: number },
  reason: DecisionReason,
  permission: string,
  { role, grant, scope }: Because = NOTHING,
): Decision {
  return Object.freeze({
    allowed: reason === "granted",
    reason,
    permission,
    role,
    grant,
    scope,
    policyVersion: policy.version,
    status: statusOf(reason),
    via: undefined,
  });
}

/** A frozen decision about roles, organisation roles or personas. */
export function makeRoleDecision(
  policy: { readonly version: number },
  reason: DecisionReason,
  { role, scope }: Omit<Because, "grant"> = NOTHING,
): RoleDecision {
  return Object.freeze({ allowed: reason === "granted", reason, role, scope, policyVersion: policy.version, status: statusOf(reason) });
}

/** What a response to it would be: 401 asks for credentials, 403 says that they do not suffice (RFC 9110 §15.5.2, §15.5.4). */
export function statusOf(reason: string): 200 | 401 | 403 {
  if (reason === "granted") return 200;
  return reason === "unauthenticated" ? 401 : 403;
}
