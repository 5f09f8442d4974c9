import { hasBit } from "../policy/compile-permissions.js";
import { covers, type Role, sourceOf } from "../policy/compile-roles.js";
import type { CheckOptions, Decision, DecisionReason, Identity, RoleDecision } from "./decision.js";
import type { Permission } from "../policy/permission-key.js";
import type { RoleUnion, RoleUnions } from "../policy/role-unions.js";

/** Roles in force with all that was derived from them: replaced as one. */
export interface Policy {
  readonly version: number;
  readonly roles: ReadonlyMap<string, Role>;
  readonly unions: RoleUnions;
}

const NO_SCOPES: readonly string[] = Object.freeze([]);

/** Decides about a declared permission. Never throws; allocates nothing for a question asked before. */
export function decide(
  policy: Policy,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): Decision {
  try {
    const union = unionOf(policy, identity, options);
    if (typeof union === "string") return decision(union, permission.key, policy.version);
    const byRoles = union.decisions.get(permission.bit) ?? decideByRoles(policy, union, permission);
    if (!byRoles.allowed) return byRoles;
    const scopes = scopesOf(identity);
    if (scopes === undefined || isCovered(scopes, permission)) return byRoles;
    return decision("out_of_scope", permission.key, policy.version, byRoles.role, byRoles.grant);
  } catch {
    // A getter or a proxy that throws: no identity that authentication made.
    return decision("malformed", permission.key, policy.version);
  }
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
    const prototype: unknown = Object.getPrototypeOf(identity);
    const isPlain = prototype === Object.prototype || typeof prototype !== "object" || prototype === null;
    return isPlain || !("scopes" in prototype) ? undefined : NO_SCOPES;
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

/** A frozen decision. */
export function decision(reason: DecisionReason, permission: string, policyVersion: number, role?: string, grant?: string): Decision {
  return Object.freeze({ allowed: reason === "granted", reason, permission, role, grant, policyVersion, status: statusOf(reason) });
}

/** A frozen decision about roles. */
export function roleDecision(reason: DecisionReason, role: string | undefined, policyVersion: number): RoleDecision {
  return Object.freeze({ allowed: reason === "granted", reason, role, policyVersion, status: statusOf(reason) });
}

/** What a response to it would be: 401 asks for credentials, 403 says that they do not suffice (RFC 9110 §15.5.2, §15.5.4). */
export function statusOf(reason: string): 200 | 401 | 403 {
  if (reason === "granted") return 200;
  return reason === "unauthenticated" ? 401 : 403;
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
  const made = decision(reason, key, policy.version, deciding?.name, source?.grant);
  policy.unions.remember(union, bit, made);
  return made;
}
