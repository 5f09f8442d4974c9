import type { Clock, Grants, GrantsWrite, MaybePromise, SubjectGrants } from "@portcullis/core";
import type { AssignmentPlace, Consistency, SubjectAssignments } from "./assignments.js";
import { type Assignment, fromHeldRole, toHeldRole } from "./held-role.js";
import { SubjectCache } from "./subject-cache.js";

/** What subjects hold: in the store, and as this process remembers it. */
export class Subjects {
  readonly #cache: SubjectCache<SubjectAssignments>;

  constructor(
    private readonly grants: Grants,
    clock: Clock,
    maxStalenessMs: number,
    maxSubjects: number,
  ) {
    this.#cache = new SubjectCache(
      (key) => this.#read(placeOf(key)),
      () => clock.monotonic(),
      maxStalenessMs,
      maxSubjects,
    );
  }

  of(place: AssignmentPlace, consistency: Consistency): MaybePromise<SubjectAssignments> {
    return this.#cache.get(keyOf(place), consistency === "strong");
  }

  /** As the store has it, past what is remembered, to be changed. */
  async readToChange(place: AssignmentPlace): Promise<SubjectAssignments> {
    return this.#read(place);
  }

  write(place: AssignmentPlace, epoch: number, assignments: readonly Assignment[], kept: readonly string[]): Promise<GrantsWrite> {
    return this.#invalidating(place, () =>
      this.grants.writeSubject(place.orgId, place.subjectId, epoch, assignments.map(toHeldRole), kept),
    );
  }

  /** Writes what is there. @returns the new epoch. */
  async bump(place: AssignmentPlace): Promise<number> {
    const { orgId, subjectId } = place;
    for (;;) {
      const { epoch, held } = await this.grants.readSubject(orgId, subjectId);
      const written = await this.#invalidating(place, () => this.grants.writeSubject(orgId, subjectId, epoch, held, []));
      if (written.kind === "written") return written.epoch;
    }
  }

  // Also where the write failed: it may have taken effect.
  async #invalidating(place: AssignmentPlace, write: () => MaybePromise<GrantsWrite>): Promise<GrantsWrite> {
    try {
      return await write();
    } finally {
      this.#cache.invalidate(keyOf(place));
    }
  }

  #read({ orgId, subjectId }: AssignmentPlace): MaybePromise<SubjectAssignments> {
    const stored = this.grants.readSubject(orgId, subjectId);
    return stored instanceof Promise ? stored.then(toAssignments) : toAssignments(stored);
  }
}

function toAssignments({ epoch, held }: SubjectGrants): SubjectAssignments {
  return Object.freeze({ epoch, assignments: Object.freeze(held.map(fromHeldRole)) });
}

// JSON: no two places have one key, whatever their ids are made of.
function keyOf({ orgId, subjectId }: AssignmentPlace): string {
  return JSON.stringify([orgId, subjectId]);
}

function placeOf(key: string): AssignmentPlace {
  const [orgId, subjectId] = JSON.parse(key) as [string, string]; // keyOf
  return { orgId, subjectId };
}
