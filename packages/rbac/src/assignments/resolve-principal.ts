import type { Principal } from "@portcullis/core";
import type { ResolvedPrincipal, SubjectAssignments } from "./assignments.js";
import { type Assignment, type AssignmentKind, isActive } from "./held-role.js";

/** The principal with what its subject holds now. */
export function resolveFrom(principal: Principal, { epoch, assignments }: SubjectAssignments, now: number): ResolvedPrincipal {
  const active = assignments.filter((assignment) => isActive(assignment, now));
  const isForwarded = principal.via !== undefined;
  const roles = namesOf(active, "role");
  return Object.freeze({
    ...principal,
    // A trusted caller speaks for its users with the roles it was given, not with all that they have elsewhere (RBAC-23).
    roles: Object.freeze(isForwarded ? roles.filter((role) => principal.roles.includes(role)) : roles),
    orgRoles: Object.freeze(isForwarded ? [] : namesOf(active, "orgRole")),
    scopedDepartments: Object.freeze([...new Set(active.flatMap(({ departments }) => departments))]),
    personas: Object.freeze(isForwarded ? [] : namesOf(active, "persona")),
    subjectEpoch: epoch,
  });
}

function namesOf(assignments: readonly Assignment[], wanted: AssignmentKind): string[] {
  return assignments.filter(({ kind }) => kind === wanted).map(({ name }) => name);
}
