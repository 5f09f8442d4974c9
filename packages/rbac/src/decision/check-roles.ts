import { own } from "../own-options.js";
import type { PersonaAccess } from "../policy/compile-personas.js";
import { hasAccess } from "../policy/compile-personas.js";
import { includesRole } from "../policy/compile-roles.js";
import type { Policy } from "../policy/policy.js";
import { scopesOf, unionOf } from "./decide.js";
import type { CheckOptions, Identity, RoleDecision } from "./decision.js";
import { findOrgRole } from "./find-org-role.js";
import { makeRoleDecision } from "./make-decision.js";

/** Whether the identity has one of the roles. Never throws. */
export function checkRoles(
  policy: Policy,
  identity: Identity | undefined,
  roles: readonly string[],
  options: (CheckOptions & { readonly exact?: boolean }) | undefined,
): RoleDecision {
  try {
    const union = unionOf(policy, identity, options);
    if (typeof union === "string") return makeRoleDecision(policy, union);
    const exact = options !== undefined && own(options, "exact") === true;
    const found = union.roles.find((role) => roles.some((wanted) => (exact ? role.name === wanted : includesRole(role, wanted))));
    if (found === undefined) return makeRoleDecision(policy, union.roles.length === 0 ? "no_roles" : "missing_role");
    return makeRoleDecision(policy, isUnbounded(identity) ? "granted" : "out_of_scope", { role: found.name, scope: undefined });
  } catch {
    return makeRoleDecision(policy, "malformed");
  }
}

/** Whether the identity may change the configuration of an organisation, or of one of its departments. Never throws. */
export function checkOrgMutation(policy: Policy, identity: Identity | undefined, options: CheckOptions): RoleDecision {
  try {
    const union = unionOf(policy, identity, options);
    if (typeof union === "string" || identity === undefined)
      return makeRoleDecision(policy, typeof union === "string" ? union : "unauthenticated");
    // Denials are of permissions, and changing an organisation is none; but who is denied everything is denied that too.
    if (union.deniesAll) return makeRoleDecision(policy, "explicit_deny");
    const { reason, role, scope } = findOrgRole(policy.orgRoles, identity, options, ({ mutates }) => mutates);
    const because = { role: role?.name, scope };
    return makeRoleDecision(policy, reason === "granted" && !isUnbounded(identity) ? "out_of_scope" : reason, because);
  } catch {
    return makeRoleDecision(policy, "malformed");
  }
}

/** Whether one of the identity's personas has the access, or is one of those named. Never throws. */
export function checkPersona(policy: Policy, identity: Identity | undefined, wanted: PersonaAccess | readonly string[]): RoleDecision {
  if (identity === undefined || (identity as unknown) === null) return makeRoleDecision(policy, "unauthenticated");
  try {
    const personas = own(identity, "personas");
    const role = Array.isArray(personas) ? (personas as readonly unknown[]).find((name) => satisfies(policy, name, wanted)) : undefined;
    // A persona lets pass where a guard asks for one: a credential made for less than everything does not carry it.
    const reason = role === undefined ? "persona_required" : isUnbounded(identity) ? "granted" : "out_of_scope";
    return makeRoleDecision(policy, reason, {
      role: role as string | undefined,
      scope: undefined,
    }); // a key of the policy's personas
  } catch {
    return makeRoleDecision(policy, "malformed");
  }
}

function satisfies(policy: Policy, name: unknown, wanted: PersonaAccess | readonly string[]): boolean {
  const persona = policy.personas.get(name as string); // a Map: what is no string is not found
  if (persona === undefined) return false;
  return typeof wanted === "string" ? hasAccess(persona, wanted) : wanted.includes(name as string); // found: a string
}

// A role says more than any list of permissions: a credential made for less than everything does not carry it.
function isUnbounded(identity: Identity | undefined): boolean {
  const scopes = scopesOf(identity);
  return scopes === undefined || scopes.includes("*");
}
