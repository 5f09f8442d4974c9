import { hasFromClass } from "../own-options.js";
import { hasBit } from "../policy/compile-permissions.js";
import { covers, sourceOf } from "../policy/compile-roles.js";
import type { Permission } from "../policy/permission-key.js";
import type { Policy } from "../policy/policy.js";
import type { RoleUnion } from "../policy/role-unions.js";
import type { CheckOptions, Decision, DecisionReason, Identity } from "./decision.js";
import { findOrgRole } from "./find-org-role.js";
import { makeDecision } from "./make-decision.js";

const NO_SCOPES: readonly string[] = Object.freeze([]);

/** Decides about a declared permission. Never throws; allocates nothing for a question asked before, unless an organisation role decides. */
export function decide(
  policy: Policy,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): Decision {
  try {
    const union = unionOf(policy, identity, options);
    const decided =
      typeof union === "string" ? makeDecision(policy, union, permission.key) : decideFor(policy, union, permission, identity, options);
    return withVia(decided, identity);
  } catch {
    // A getter or a proxy that throws: no identity that authentication made.
    return makeDecision(policy, "malformed", permission.key);
  }
}

/** Whoever acts for somebody else stands in every decision (RBAC-24); where nobody does, the remembered one serves. */
export function withVia(decision: Decision, identity: Identity | undefined): Decision {
  const via = identity === undefined || (identity as unknown) === null || !Object.hasOwn(identity, "via") ? undefined : identity.via;
  return via === undefined ? decision : Object.freeze({ ...decision, via });
}

/**
 * What the identity's roles amount to for a resource of that organisation, or the reason why nothing.
 * Own properties only: with `Object.prototype` polluted, an identity without roles still has none (CWE-1321).
 */
export function unionOf(policy: Policy, identity: Identity | undefined, options: CheckOptions | undefined): RoleUnion | DecisionReason {
  // null is what JSON has for undefined.
  if (identity === undefined || (identity as unknown) === null) return "unauthenticated";
  const roles: unknown = Object.hasOwn(identity, "roles") ? identity.roles : undefined;
  const union = Array.isArray(roles) ? policy.unions.of(roles) : undefined;
  if (union === undefined) return "malformed";
  if (union.isApart) return "separation_of_duty";
  if (options !== undefined && Object.hasOwn(options, "org")) {
    // A resource whose organisation is not known belongs to nobody: `{ org: undefined }` must not skip the comparison.
    const org: unknown = options.org;
    if (typeof org !== "string" || org === "" || !Object.hasOwn(identity, "orgId") || identity.orgId !== org) return "wrong_org";
  }
  return union;
}

/**
 * The credential's bound; `undefined` without one. A bound that is not a list covers nothing. Nor does one that the identity has
 * from its class: it is not read, but it is not overlooked either, as then the credential would have no bound at all.
 */
export function scopesOf(identity: Identity | undefined): readonly string[] | undefined {
  if (identity === undefined) return undefined;
  if (!Object.hasOwn(identity, "scopes")) {
    const isPlain = Object.getPrototypeOf(identity) === Object.prototype; // nearly always, and asked on the way of every decision
    return isPlain || !hasFromClass(identity, "scopes") ? undefined : NO_SCOPES;
  }
  const { scopes } = identity;
  return scopes === undefined || Array.isArray(scopes) ? scopes : NO_SCOPES;
}

/** Whether one of the scopes covers the permission. */
export function isCovered(scopes: readonly string[], permission: Permission): boolean {
  for (let index = 0; index < scopes.length; index += 1) {
    const scope = scopes[index];
    if (scope !== undefined && covers(scope, permission)) return true;
  }
  return false;
}

function decideFor(
  policy: Policy,
  union: RoleUnion,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): Decision {
  const byRoles = union.decisions.get(permission.bit) ?? decideByRoles(policy, union, permission);
  const decided = byRoles.allowed ? byRoles : orByOrgRole(policy, byRoles, permission, identity, options);
  if (!decided.allowed) return decided;
  const scopes = scopesOf(identity);
  if (scopes === undefined || isCovered(scopes, permission)) return decided;
  return makeDecision(policy, "out_of_scope", permission.key, decided);
}

function decideByRoles(policy: Policy, union: RoleUnion, permission: Permission): Decision {
  const { bit, key } = permission;
  const allowed = hasBit(union.effective, bit);
  const denying = allowed ? undefined : union.roles.find((role) => hasBit(role.deny, bit));
  const deciding = allowed ? union.roles.find((role) => hasBit(role.allow, bit)) : denying;
  const reason = allowed
    ? "granted"
    : denying !== undefined
      ? "explicit_deny"
      : union.roles.length === 0
        ? "no_roles"
        : "missing_permission";
  const source = deciding === undefined ? undefined : sourceOf(deciding, permission, allowed ? "grants" : "denies");
  const made = makeDecision(policy, reason, key, { role: deciding?.name, grant: source?.grant });
  policy.unions.remember(union, bit, made);
  return made;
}

// What no role grants, an organisation role may: for a resource that is said to be of its organisation, and never what a role denies.
function orByOrgRole(
  policy: Policy,
  byRoles: Decision,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): Decision {
  if (!policy.orgRoles.grantAnything || byRoles.reason === "explicit_deny") return byRoles;
  if (identity === undefined || options === undefined || !Object.hasOwn(options, "org") || !holdsOrgRoles(identity)) return byRoles;
  const { reason, role, scope } = findOrgRole(policy.orgRoles, identity, options, ({ allow }) => hasBit(allow, permission.bit));
  if (reason === "missing_org_role" || reason === "wrong_org") return byRoles;
  const grant = role?.grants.find((written) => covers(written, permission));
  return makeDecision(policy, reason, permission.key, { role: role?.name, grant, scope });
}

// Most hold none: nothing is looked for, and nothing allocated.
function holdsOrgRoles(identity: Identity): boolean {
  const held = Object.hasOwn(identity, "orgRoles") ? identity.orgRoles : undefined;
  return Array.isArray(held) && held.length > 0;
}

/** Whether no role denies the permission and an organisation role grants it, for a resource that is said to be of its organisation. */
export function isGrantedByOrgRole(
  policy: Policy,
  union: RoleUnion,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): boolean {
  if (!policy.orgRoles.grantAnything || identity === undefined || options === undefined) return false;
  if (!Object.hasOwn(options, "org") || union.roles.some(({ deny }) => hasBit(deny, permission.bit))) return false;
  return findOrgRole(policy.orgRoles, identity, options, ({ allow }) => hasBit(allow, permission.bit)).reason === "granted";
}
