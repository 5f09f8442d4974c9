import { own } from "../own-options.js";
import type { Decision, DecisionReason, RoleDecision, Scope } from "./decision.js";

/** What a decision names beside its reason. */
interface Because {
  readonly role?: string | undefined;
  readonly grant?: string | undefined;
  readonly scope?: Scope | undefined;
}

const NOTHING: Because = Object.freeze({});

/** A frozen decision. */
export function makeDecision(
  policy: { readonly version: number },
  reason: DecisionReason,
  permission: string,
  because: Because = NOTHING,
): Decision {
  return Object.freeze({
    allowed: reason === "granted",
    reason,
    permission,
    // Own ones: what was left out must not be read from a polluted prototype into decisions that are remembered and audited.
    role: own(because, "role") as string | undefined, // as Because has them
    grant: own(because, "grant") as string | undefined,
    scope: own(because, "scope") as Scope | undefined,
    policyVersion: policy.version,
    status: statusOf(reason),
    via: undefined,
  });
}

/** A frozen decision about roles, organisation roles or personas. */
export function makeRoleDecision(
  policy: { readonly version: number },
  reason: DecisionReason,
  because: Omit<Because, "grant"> = NOTHING,
): RoleDecision {
  return Object.freeze({
    allowed: reason === "granted",
    reason,
    role: own(because, "role") as string | undefined, // as Because has them
    scope: own(because, "scope") as Scope | undefined,
    policyVersion: policy.version,
    status: statusOf(reason),
  });
}

/** What a response to it would be: 401 asks for credentials, 403 says that they do not suffice (RFC 9110 §15.5.2, §15.5.4). */
export function statusOf(reason: string): 200 | 401 | 403 {
  if (reason === "granted") return 200;
  return reason === "unauthenticated" ? 401 : 403;
}
