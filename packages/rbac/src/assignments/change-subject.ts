import type { Clock } from "@portcullis/core";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentEvent, AssignmentPlace, AssignmentResult } from "./assignments.js";
import { type Assignment, type AssignmentKind, isActive } from "./held-role.js";
import { refused, type Refusal, settled } from "./refusal.js";
import type { StoredRoles } from "./stored-roles.js";
import type { Subjects } from "./subjects.js";

/** What changes take part in. */
export interface ChangeParts {
  readonly rbac: AnyRbac;
  readonly roles: StoredRoles;
  readonly subjects: Subjects;
  /** Names, as the store has them, of what may not lose its last holder. */
  readonly kept: readonly string[];
  readonly clock: Clock;
  readonly tell: (event: AssignmentEvent) => void;
}

/** A change of what a subject holds, as events name it. */
export interface SubjectChange {
  readonly change: "assign" | "revoke" | "activate" | "deactivate";
  readonly kind: AssignmentKind;
  readonly name: string;
  readonly actorId: string;
  /** What the subject holds afterwards, or why not. @param held What is over already is not among it. */
  readonly edit: (held: readonly Assignment[], now: number) => Promise<readonly Assignment[] | Refusal>;
}

/** Applies one change as often as somebody else was faster, each time to what they left. */
export async function changeSubject(parts: ChangeParts, place: AssignmentPlace, what: SubjectChange): Promise<AssignmentResult> {
  const result = await tryToChange(parts, place, what);
  const { change, kind: held, name, actorId } = what;
  const kind = result.allowed ? "assignment_changed" : "assignment_refused";
  parts.tell({ kind, change, subjectId: place.subjectId, orgId: place.orgId, held, name, actorId, reason: result.reason });
  return result;
}

async function tryToChange(
  { rbac, roles, subjects, kept, clock }: ChangeParts,
  place: AssignmentPlace,
  { change, edit }: SubjectChange,
): Promise<AssignmentResult> {
  for (;;) {
    await roles.reload();
    const { epoch, assignments } = await subjects.readToChange(place);
    const now = clock.now();
    const edited = await edit(
      assignments.filter(({ expiresAt }) => expiresAt === undefined || now < expiresAt),
      now,
    );
    if (isRefusal(edited)) return refused(edited);
    // Only what adds something can bring roles together. Roles that a later policy keeps apart must not stay because of it.
    const apart = change === "assign" || change === "activate" ? keptApart(rbac, edited, now) : undefined;
    if (apart !== undefined) return refused(apart);
    const written = await subjects.write(place, epoch, edited, kept);
    if (written.kind === "written") return settled(written.epoch);
    if (written.kind === "last_holder") return refused({ reason: "last_holder" });
  }
}

function isRefusal(edited: readonly Assignment[] | Refusal): edited is Refusal {
  return !Array.isArray(edited);
}

function keptApart(rbac: AnyRbac, assignments: readonly Assignment[], now: number): Refusal | undefined {
  const known = assignments.filter(({ kind, name }) => kind === "role" && rbac.describeRole(name) !== undefined);
  const assigned = rbac.checkAssignment(known.map(({ name }) => name));
  if (!assigned.allowed) return { reason: "separation_of_duty", constraint: assigned.constraint };
  const active = rbac.checkActivation(known.filter((assignment) => isActive(assignment, now)).map(({ name }) => name));
  return active.allowed ? undefined : { reason: "separation_of_duty", constraint: active.constraint };
}
