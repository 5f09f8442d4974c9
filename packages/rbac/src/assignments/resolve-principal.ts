import type { Principal } from "@portcullis/core";
import type { AnyRbac } from "../policy/rbac.js";
import type { ResolvedPrincipal, SubjectAssignments } from "./assignments.js";
import { type Assignment, type AssignmentKind, isActive } from "./held-role.js";

/** The principal with what its subject holds now. */
export function resolveFrom(
  rbac: AnyRbac,
  principal: Principal,
  { epoch, assignments }: SubjectAssignments,
  now: number,
): ResolvedPrincipal {
  const active = assignments.filter((assignment) => isActive(assignment, now));
  const isForwarded = principal.via !== undefined;
  const held = namesOf(active, "role");
  const isKey = principal.type === "apiKey";
  const { roles, scopes } = isForwarded || isKey ? namedOnly(rbac, principal, held) : { roles: held, scopes: principal.scopes };
  return Object.freeze({
    ...principal,
    roles: Object.freeze(roles),
    orgRoles: Object.freeze(isForwarded ? [] : namesOf(active, "orgRole")),
    scopedDepartments: Object.freeze([...new Set(active.flatMap(({ departments }) => departments))]),
    // A key is nobody: guards that ask for a person are not for it.
    personas: Object.freeze(isForwarded || isKey ? [] : namesOf(active, "persona")),
    scopes,
    subjectEpoch: epoch,
  });
}

/**
 * A trusted caller speaks for its users with the roles it was given, not with all that they have elsewhere (RBAC-23), and a key has the
 * roles that it was made with, as far as its owner still has them. What denies something cannot be left out: such a role stays, and
 * what else it gives is bounded to what the named ones give.
 */
function namedOnly(rbac: AnyRbac, principal: Principal, held: readonly string[]): Pick<Principal, "roles" | "scopes"> {
  const named = held.filter((role) => principal.roles.includes(role));
  const denying = held
    .filter((role) => !named.includes(role))
    .map((role) => rbac.describeRole(role))
    .filter((described) => described !== undefined && described.denied.length > 0);
  const givesMore = denying.some((described) => described !== undefined && described.allowed.length > 0);
  return {
    roles: [...named, ...denying.flatMap((described) => described?.role ?? [])],
    scopes: givesMore ? rbac.permissionsOf({ ...principal, roles: named }) : principal.scopes,
  };
}

function namesOf(assignments: readonly Assignment[], wanted: AssignmentKind): string[] {
  return assignments.filter(({ kind }) => kind === wanted).map(({ name }) => name);
}
