import { invalidOption } from "@portcullis/core";
import { normaliseDepartment } from "../decision/find-org-role.js";
import { ownOptions } from "../own-options.js";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentPlace, Assignable, NewAssignment } from "./assignments.js";
import { type Assignment, type AssignmentKind, heldName } from "./held-role.js";
import type { Refusal } from "./refusal.js";

const MOST_DEPARTMENTS = 256;
const MOST_ID_BYTES = 512;

/** What may not lose its last holder: the roles, and everything under the names that the store knows. */
export interface Kept {
  readonly roles: readonly string[];
  readonly names: readonly string[];
}

/** @throws {ConfigurationError} `invalid_option` */
export function readKept(
  rbac: AnyRbac,
  keep: { readonly roles?: readonly string[]; readonly orgRoles?: readonly string[] } | undefined,
): Kept {
  const { roles = rbac.roles.filter(isOwner), orgRoles = rbac.orgRoles.filter(isOwner) } = ownOptions(
    "createAssignments.keep",
    keep ?? {},
    ["roles", "orgRoles"],
  );
  if (!Array.isArray(roles) || roles.some((role) => !rbac.roles.includes(role)))
    throw invalidOption("createAssignments.keep.roles", roles, "a list of roles of the policy");
  if (!Array.isArray(orgRoles) || orgRoles.some((role) => !rbac.orgRoles.includes(role)))
    throw invalidOption("createAssignments.keep.orgRoles", orgRoles, "a list of organisation roles of the policy");
  const names = [...roles.map((name) => heldName("role", name)), ...orgRoles.map((name) => heldName("orgRole", name))];
  return Object.freeze({ roles: Object.freeze([...roles]), names: Object.freeze(names) });
}

/** A copy: what is checked is what is written, also where the caller's object changes meanwhile. @throws {ConfigurationError} `invalid_option` */
export function readPlace({ subjectId, orgId }: AssignmentPlace): AssignmentPlace {
  for (const [name, value] of [["subjectId", subjectId] as const, ["orgId", orgId] as const])
    if (typeof value !== "string" || Buffer.byteLength(value) > MOST_ID_BYTES)
      throw invalidOption(name, value, `a string of up to ${MOST_ID_BYTES} bytes`);
  return Object.freeze({ subjectId, orgId });
}

/** @throws {ConfigurationError} `invalid_option`: it would be over before it begins, or names no department. */
export function readHow(now: number, how: NewAssignment): Pick<Assignment, "departments" | "expiresAt" | "activatableForMs"> {
  const { departments = [], expiresAt, activatableForMs } = ownOptions("assign", how, ["departments", "expiresAt", "activatableForMs"]);
  const names = Array.isArray(departments) ? Array.from(departments, normaliseDepartment) : [undefined];
  if (names.length > MOST_DEPARTMENTS || !names.every((name) => name !== undefined))
    throw invalidOption("assign.departments", departments, `a list of up to ${MOST_DEPARTMENTS} names of a-z, 0-9, - and _`);
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > now))
    throw invalidOption("assign.expiresAt", expiresAt, "an instant in the future, epoch ms");
  if (activatableForMs !== undefined && !(Number.isSafeInteger(activatableForMs) && activatableForMs > 0))
    throw invalidOption("assign.activatableForMs", activatableForMs, "an integer from 1 ms");
  return { departments: [...new Set(names)], expiresAt, activatableForMs };
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
export function nameOf(held: Assignable): { readonly kind: AssignmentKind; readonly name: string } {
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
