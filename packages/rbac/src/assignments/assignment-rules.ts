import { invalidOption } from "@portcullis/core";
import { normaliseDepartment } from "../decision/find-org-role.js";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentPlace, Held, NewAssignment } from "./assignments.js";
import { type Assignment, type AssignmentKind, heldName } from "./held-role.js";
import type { Refusal } from "./refusal.js";

const MOST_DEPARTMENTS = 256;
const MOST_ID_BYTES = 512;

/** Names of what may not lose its last holder, as the store knows them. @throws {ConfigurationError} `invalid_option` */
export function keptNames(
  rbac: AnyRbac,
  keep: { readonly roles?: readonly string[]; readonly orgRoles?: readonly string[] } | undefined,
): readonly string[] {
  const { roles = rbac.roles.filter(isOwner), orgRoles = rbac.orgRoles.filter(isOwner) } = keep ?? {};
  for (const role of roles)
    if (!rbac.roles.includes(role)) throw invalidOption("createAssignments.keep.roles", role, "roles of the policy");
  for (const role of orgRoles)
    if (!rbac.orgRoles.includes(role)) throw invalidOption("createAssignments.keep.orgRoles", role, "organisation roles of the policy");
  return Object.freeze([...roles.map((name) => heldName("role", name)), ...orgRoles.map((name) => heldName("orgRole", name))]);
}

/** @throws {ConfigurationError} `invalid_option` */
export function checkPlace(place: AssignmentPlace): AssignmentPlace {
  for (const [name, value] of [["subjectId", place.subjectId] as const, ["orgId", place.orgId] as const])
    if (typeof value !== "string" || Buffer.byteLength(value) > MOST_ID_BYTES)
      throw invalidOption(name, value, `a string of up to ${MOST_ID_BYTES} bytes`);
  return place;
}

/** @throws {ConfigurationError} `invalid_option`: it would be over before it begins, or names no department. */
export function checkHow(now: number, { departments = [], expiresAt, activatableForMs }: NewAssignment): void {
  if (
    !Array.isArray(departments) ||
    departments.length > MOST_DEPARTMENTS ||
    departments.some((name) => normaliseDepartment(name) === undefined)
  )
    throw invalidOption("assign.departments", departments, `a list of up to ${MOST_DEPARTMENTS} names of a-z, 0-9, - and _`);
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > now))
    throw invalidOption("assign.expiresAt", expiresAt, "an instant in the future, epoch ms");
  if (activatableForMs !== undefined && !(Number.isSafeInteger(activatableForMs) && activatableForMs > 0))
    throw invalidOption("assign.activatableForMs", activatableForMs, "an integer from 1 ms");
}

/** Whether an assignment fits the policy, and what else the subject holds. @returns why not. */
export function unfit(rbac: AnyRbac, assignment: Assignment, others: readonly Assignment[]): Refusal | undefined {
  const { kind, name, departments } = assignment;
  const known: Readonly<Record<AssignmentKind, readonly string[]>> = { role: rbac.roles, orgRole: rbac.orgRoles, persona: rbac.personas };
  if (!known[kind].includes(name)) return { reason: "unknown_role" };
  if (kind === "orgRole" && rbac.isBoundToDepartments(name) ? departments.length === 0 : departments.length > 0)
    throw invalidOption(
      "assign.departments",
      departments,
      "the departments of an organisation role that is bound to some, and absent for anything else",
    );
  // An identity has one list of departments: of two roles for different ones, each would count for all of them.
  const differing = others.find(
    (other) => other.name !== name && other.departments.length > 0 && other.departments.toSorted().join() !== departments.toSorted().join(),
  );
  return departments.length > 0 && differing !== undefined ? { reason: "departments_differ" } : undefined;
}

/** What is meant, by kind and name. @throws {ConfigurationError} `invalid_option` */
export function nameOf(held: Held): { readonly kind: AssignmentKind; readonly name: string } {
  const entries = typeof held === "object" && (held as unknown) !== null ? Object.entries(held) : [];
  const [entry] = entries;
  const kind = entry?.[0];
  const name: unknown = entry?.[1];
  if (entries.length !== 1 || (kind !== "role" && kind !== "orgRole" && kind !== "persona") || typeof name !== "string")
    throw invalidOption("held", held, "{ role }, { orgRole } or { persona }");
  return { kind, name };
}

function isOwner(name: string): boolean {
  return name === "owner";
}
