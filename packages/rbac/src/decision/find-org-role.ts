import { hasFromClass, own } from "../own-options.js";
import type { OrgRole } from "../policy/compile-org-roles.js";
import type { OrgRoles } from "../policy/policy.js";
import type { CheckOptions, DecisionReason, Identity, Scope } from "./decision.js";

/** The organisation role that does what was asked for, or why none does. */
export interface OrgRoleFinding {
  readonly reason: DecisionReason;
  readonly role: OrgRole | undefined;
  /** The department in the form that was compared, where the request names one. */
  readonly scope: Scope | undefined;
}

/**
 * Looks for an organisation role of the identity that does something in an organisation. One that is held for all of it is found
 * before one that is bound to departments.
 *
 * The resource's organisation must be given, and be the identity's own: a role in one organisation says nothing about another.
 */
export function findOrgRole(
  orgRoles: OrgRoles,
  identity: Identity,
  options: CheckOptions,
  does: (role: OrgRole) => boolean,
): OrgRoleFinding {
  const org = own(options, "org");
  if (typeof org !== "string" || org === "" || own(identity, "orgId") !== org) return without("wrong_org");
  const names = own(identity, "orgRoles");
  // A human's roles in an organisation are not for the programs that act for it, unless the policy says so.
  if (!Array.isArray(names) || !orgRoles.heldBy.has(kindOf(identity))) return without("missing_org_role");
  const department = departmentOf(options);
  const scope = department === undefined ? undefined : normaliseDepartment(department);
  let bound: OrgRole | undefined;
  for (const name of names as readonly unknown[]) {
    const role = orgRoles.byName.get(name as string); // a Map: what is no string is not found
    if (role === undefined || !does(role)) continue;
    if (role.extent === "organisation") return { reason: "granted", role, scope: toScope(scope) };
    bound ??= role;
  }
  if (bound === undefined) return without("missing_org_role");
  if (department === undefined) return { reason: "scope_param_missing", role: bound, scope: undefined };
  if (scope === undefined) return { reason: "invalid_scope", role: bound, scope: undefined };
  const isHeld = departmentsOf(identity).some((held) => normaliseDepartment(held) === scope);
  return { reason: isHeld ? "granted" : "wrong_scope", role: bound, scope: toScope(scope) };
}

// Absent: a user. One that is there, but not as an own property, is of no kind: as a user's, its roles would count.
function kindOf(identity: Identity): unknown {
  return hasFromClass(identity, "type") && !Object.hasOwn(identity, "type") ? undefined : (own(identity, "type") ?? "user");
}

const DEPARTMENT = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * A department's name as it is compared: lower case. `undefined` for what is none.
 *
 * ASCII only, and checked before the case changes: U+212A, the Kelvin sign, would become a plain k.
 */
export function normaliseDepartment(name: unknown): string | undefined {
  return typeof name === "string" && DEPARTMENT.test(name) ? name.toLowerCase() : undefined;
}

// A list is what a router gives for a parameter that occurs twice: no department is named.
function departmentOf(options: CheckOptions): string | undefined {
  const scope = own(options, "scope");
  const department = typeof scope === "object" && scope !== null ? own(scope, "department") : undefined;
  return typeof department === "string" && department !== "" ? department : undefined;
}

function departmentsOf(identity: Identity): readonly unknown[] {
  const departments = own(identity, "scopedDepartments");
  return Array.isArray(departments) ? (departments as readonly unknown[]) : [];
}

function toScope(department: string | undefined): Scope | undefined {
  return department === undefined ? undefined : Object.freeze({ department });
}

function without(reason: DecisionReason): OrgRoleFinding {
  return { reason, role: undefined, scope: undefined };
}
