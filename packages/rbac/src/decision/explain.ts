import { own } from "../own-options.js";
import { hasBit } from "../policy/compile-permissions.js";
import { covers, sourceOf } from "../policy/compile-roles.js";
import type { Policy } from "../policy/policy.js";
import { isCovered, scopesOf } from "./decide.js";
import type { CheckOptions, Decision, Explanation, Identity, OrgRoleExplanation, RoleExplanation } from "./decision.js";
import { findOrgRole } from "./find-org-role.js";
import type { Permission } from "../policy/permission-key.js";

const NONE: readonly never[] = Object.freeze([]);

/** Spells a decision out, role by role. Never throws. */
export function explainDecision(
  policy: Policy,
  permission: Permission | undefined,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
  decision: Decision,
): Explanation {
  const nothing: Explanation = Object.freeze({ decision, roles: NONE, orgRoles: NONE, scopes: "unbounded" });
  // Nothing more to say where the question itself was refused.
  if (permission === undefined || identity === undefined || decision.reason === "unauthenticated" || decision.reason === "malformed")
    return nothing;
  try {
    const roles = identity.roles.map((name) => explainRole(policy, permission, name));
    const scopes = scopesOf(identity);
    return Object.freeze({
      decision,
      roles: Object.freeze(roles),
      orgRoles: explainOrgRoles(policy, permission, identity, options),
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

function explainOrgRoles(
  policy: Policy,
  permission: Permission,
  identity: Identity,
  options: CheckOptions | undefined,
): readonly OrgRoleExplanation[] {
  const names = own(identity, "orgRoles");
  if (!Array.isArray(names)) return NONE;
  const explained = (names as readonly string[]).map((name) => {
    const role = policy.orgRoles.byName.get(name);
    const only = { ...identity, orgRoles: [name] };
    const { reason } = findOrgRole(policy.orgRoles, only, options ?? {}, ({ allow }) => hasBit(allow, permission.bit));
    return Object.freeze({ role: name, known: role !== undefined, grant: role?.grants.find((grant) => covers(grant, permission)), reason });
  });
  return Object.freeze(explained);
}
