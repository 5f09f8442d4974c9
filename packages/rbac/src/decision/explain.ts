import { sourceOf } from "../policy/compile-roles.js";
import { isCovered, type Policy, scopesOf } from "./decide.js";
import type { Decision, Explanation, Identity, RoleExplanation } from "./decision.js";
import type { Permission } from "../policy/permission-key.js";

const NO_ROLES: readonly RoleExplanation[] = Object.freeze([]);

/** Spells a decision out, role by role. Never throws. */
export function explainDecision(
  policy: Policy,
  permission: Permission | undefined,
  identity: Identity | undefined,
  decision: Decision,
): Explanation {
  const nothing: Explanation = Object.freeze({ decision, roles: NO_ROLES, scopes: "unbounded" });
  // Nothing more to say where the question itself was refused.
  if (permission === undefined || identity === undefined || decision.reason === "unauthenticated" || decision.reason === "malformed")
    return nothing;
  try {
    const roles = identity.roles.map((name) => explainRole(policy, permission, name));
    const scopes = scopesOf(identity);
    return Object.freeze({
      decision,
      roles: Object.freeze(roles),
      scopes: scopes === undefined ? "unbounded" : isCovered(scopes, permission) ? "covered" : "not_covered",
    });
  } catch {
    return nothing;
  }
}

function explainRole(policy: Policy, permission: Permission, name: string): RoleExplanation {
  const role = policy.roles.get(name);
  return Object.freeze({
    role: name,
    known: role !== undefined,
    granted: role === undefined ? undefined : sourceOf(role, permission, "grants"),
    denied: role === undefined ? undefined : sourceOf(role, permission, "denies"),
  });
}
