import { type Principal, subjectOf } from "@portcullis/core";
import type { Identity } from "../decision/decision.js";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentActor, AssignmentPlace, SubjectAssignments } from "./assignments.js";
import type { Assignment } from "./held-role.js";
import { resolveFrom } from "./resolve-principal.js";

/** Where a principal's roles are. */
export function placeOfPrincipal(principal: Principal): AssignmentPlace {
  return { subjectId: subjectOf(principal), orgId: principal.orgId ?? "" };
}

/** Whom events lay a change to. */
export function idOf(actor: AssignmentActor): string {
  return actor === "program" ? actor : actor.id;
}

/** Whether a place is the actor's own, and the actor is there with a credential of its own; the program is everywhere. */
export function isHolder(actor: AssignmentActor, { subjectId, orgId }: AssignmentPlace): boolean {
  if (actor === "program") return true;
  const own = placeOfPrincipal(actor);
  return actor.type !== "apiKey" && actor.via === undefined && own.subjectId === subjectId && own.orgId === orgId;
}

/** How long, and at whose, what is given lasts. */
export interface Lasting {
  /** `undefined`: without end. */
  readonly expiresAt: number | undefined;
  /** Of an assignment, whose it becomes, and how long an activation of it lasts. */
  readonly to?: { readonly subjectId: string; readonly activatableForMs: number | undefined };
}

/**
 * Those who must all have what is given: the actor with all that it holds, so that every denial counts, and the actor with only
 * what it holds for as long. Who holds a role for a time must not make it last by giving it, to itself or to an accomplice; nor
 * free its own from being activated. None for the program, which gives what it likes.
 */
export function giversOf(
  rbac: AnyRbac,
  actor: AssignmentActor,
  held: SubjectAssignments | undefined,
  now: number,
  lasting: Lasting | undefined,
): readonly Identity[] {
  if (actor === "program") return [];
  if (held === undefined) return [actor]; // the system's own: it holds nothing in a store
  const giver = resolveFrom(rbac, actor, held, now);
  if (lasting === undefined) return [giver];
  const { subjectId } = placeOfPrincipal(actor);
  const lastingLong = held.assignments.filter((assignment) => lastsAsLong(assignment, lasting, subjectId));
  return [giver, resolveFrom(rbac, actor, { ...held, assignments: lastingLong }, now)];
}

function lastsAsLong(held: Assignment, { expiresAt = Infinity, to }: Lasting, subjectId: string): boolean {
  if ((held.expiresAt ?? Infinity) < expiresAt) return false;
  if (held.activatableForMs === undefined) return true;
  if (to === undefined) return false; // stored roles stay: an activation does not
  if (to.subjectId !== subjectId) return true;
  return to.activatableForMs !== undefined && to.activatableForMs <= held.activatableForMs;
}
