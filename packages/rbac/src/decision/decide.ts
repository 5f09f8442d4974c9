import { hasFromClass } from "../own-options.js";
import { hasBit } from "../policy/compile-permissions.js";
import { covers, type Role, sourceOf } from "../policy/compile-roles.js";
import type { Permission } from "../policy/permission-key.js";
import type { Policy } from "../policy/policy.js";
import type { RoleUnion } from "../policy/role-unions.js";
import type { CheckOptions, Decision, DecisionReason, Identity } from "./decision.js";
import { DecisionShelf } from "./decision-shelf.js";
import { findOrgRole } from "./find-org-role.js";
import { makeDecision } from "./make-decision.js";

const NO_SCOPES: readonly string[] = Object.freeze([]);
/** Of checks; `exact` is of role checks only. */
const CHECK_OPTIONS: ReadonlySet<string> = new Set(["org", "scope", "exact"]);

/** Decides about a declared permission. Never throws; allocates nothing for a question asked before, unless an organisation role decides. */
export function decide(
  policy: Policy,
  permission: Permission,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): Decision {
  try {
    if (options === undefined && identity !== undefined) {
      const known = policy.known.get(identity);
      if (known !== undefined) return within(policy, decideByRoles(policy, known.union, permission), permission, known.scopes, known.via);
    }
    const union = unionOf(policy, identity, options);
    if (typeof union === "string") return withVia(makeDecision(policy, union, permission.key), identity);
    if (options === undefined && identity !== undefined) policy.known.meet(identity, union, policy.unions);
    const byRoles = decideByRoles(policy, union, permission);
    const decided = byRoles.allowed ? byRoles : orByOrgRole(policy, byRoles, permission, identity, options);
    return within(policy, decided, permission, scopesOf(identity), viaOf(identity));
  } catch {
    // A getter or a proxy that throws: no identity that authentication made.
    return makeDecision(policy, "malformed", permission.key);
  }
}

/** Whoever acts for somebody else stands in every decision (RBAC-24); where nobody does, the remembered one serves. */
export function withVia(decision: Decision, identity: Identity | undefined): Decision {
  return ofCaller(decision, viaOf(identity));
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
  // A misspelt option would leave its comparison out: { orgId: "b" } for { org: "b" } is refused, not overlooked.
  if (options !== undefined && !Object.keys(options).every((name) => CHECK_OPTIONS.has(name))) return "malformed";
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

// The rows of the shelf: 0 is none, then two for what no role decides, then two for each role, its grants and its denials.
const NO_ROLES_ROW = 1;
const MISSING_ROW = 2;
const FIRST_ROLE_ROW = 3;

/** Where the decisions of a policy are remembered. */
export function createShelf(roles: number, permissions: number): DecisionShelf {
  return new DecisionShelf(FIRST_ROLE_ROW + 2 * roles, permissions);
}

function decideByRoles(policy: Policy, union: RoleUnion, permission: Permission): Decision {
  const { bit } = permission;
  const row = union.rows[bit] || findRow(union, bit); // 0: not found out yet; absent: a large universe
  return policy.shelf.get(row, bit) ?? policy.shelf.put(row, bit, makeByRoles(policy, union, permission));
}

function findRow(union: RoleUnion, bit: number): number {
  const { role, isAllowed } = decidingRole(union, bit);
  const row =
    role === undefined ? (union.roles.length === 0 ? NO_ROLES_ROW : MISSING_ROW) : FIRST_ROLE_ROW + 2 * role.index + (isAllowed ? 0 : 1);
  // A row that does not fit would be another one, cut off.
  if (row <= 0xffff) union.rows[bit] = row;
  return row;
}

function makeByRoles(policy: Policy, union: RoleUnion, permission: Permission): Decision {
  const { role, isAllowed } = decidingRole(union, permission.bit);
  if (role === undefined) return makeDecision(policy, union.roles.length === 0 ? "no_roles" : "missing_permission", permission.key);
  const grant = sourceOf(role, permission, isAllowed ? "grants" : "denies")?.grant;
  return makeDecision(policy, isAllowed ? "granted" : "explicit_deny", permission.key, { role: role.name, grant, scope: undefined });
}

// The first that grants it, or the first that denies it.
function decidingRole({ roles, effective }: RoleUnion, bit: number): { readonly role: Role | undefined; readonly isAllowed: boolean } {
  const isAllowed = hasBit(effective, bit);
  return { role: roles.find(({ allow, deny }) => hasBit(isAllowed ? allow : deny, bit)), isAllowed };
}

// The credential's bound, and who acts for somebody else: that stands in every decision (RBAC-24).
function within(
  policy: Policy,
  decided: Decision,
  permission: Permission,
  scopes: readonly string[] | undefined,
  via: string | undefined,
): Decision {
  if (!decided.allowed || scopes === undefined || isCovered(scopes, permission)) return ofCaller(decided, via);
  return ofCaller(makeDecision(policy, "out_of_scope", permission.key, decided), via);
}

function ofCaller(decided: Decision, via: string | undefined): Decision {
  return via === undefined ? decided : Object.freeze({ ...decided, via });
}

function viaOf(identity: Identity | undefined): string | undefined {
  return identity === undefined || (identity as unknown) === null || !Object.hasOwn(identity, "via") ? undefined : identity.via;
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
