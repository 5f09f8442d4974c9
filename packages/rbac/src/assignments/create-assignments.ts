import { type Clock, invalidOption, type MaybePromise, type Principal, quietly, type StoreWith, systemClock } from "@portcullis/core";
import type { Identity } from "../decision/decision.js";
import { ownOptions } from "../own-options.js";
import type { Rbac } from "../policy/rbac.js";
import { giversOf, idOf, isHolder, type Lasting, placeOfPrincipal } from "./actor-now.js";
import { nameOf, readHow, readKept, readPlace, unfit } from "./assignment-rules.js";
import type {
  AssignmentActor,
  AssignmentEvent,
  AssignmentPlace,
  AssignmentResult,
  Assignments,
  Consistency,
  Assignable,
  NewAssignment,
  ResolvedPrincipal,
  SubjectAssignments,
} from "./assignments.js";
import { changeRoles } from "./change-roles.js";
import { changeSubject } from "./change-subject.js";
import { type Escalation, escalationByGiving, escalationByPlace, escalationByTaking } from "./escalation.js";
import { type Assignment, type AssignmentKind, fromHeldRole, heldName } from "./held-role.js";
import { resolveFrom } from "./resolve-principal.js";
import { type RoleDefinitions, StoredRoles } from "./stored-roles.js";
import { Subjects } from "./subjects.js";

/** Where assignments are kept, and by which rules they change. */
export interface AssignmentsOptions<RoleName extends string = string, OrgRoleName extends string = string> {
  readonly store: StoreWith<"grants">;
  /** How long what was read of a subject, and the stored roles, may be used, ms; 0 (read every time) to 60,000, default 1,000. */
  readonly maxStalenessMs?: number;
  /** Subjects that are remembered; default 10,000. */
  readonly maxSubjects?: number;
  /**
   * Roles and organisation roles that never lose their last permanent holder in an organisation; default those named `owner`, as far
   * as the policy defines them. Such a role cannot be taken out of the stored roles either.
   */
  readonly keep?: { readonly roles?: readonly RoleName[]; readonly orgRoles?: readonly OrgRoleName[] };
  /** Name of the stored roles, where several policies share a store; default `rbac`. */
  readonly policyName?: string;
  /**
   * Organisation whose members may change the stored roles, as far as they have what they change; default: none, only who belongs
   * to no organisation, and the program. Roles mean the same in every organisation.
   */
  readonly rolesOrgId?: string;
  /** Told of every change and every refusal; what it throws is dropped. */
  readonly onEvent?: (event: AssignmentEvent) => void;
  readonly clock?: Clock;
}

const OPTIONS = ["store", "maxStalenessMs", "maxSubjects", "keep", "policyName", "rolesOrgId", "onEvent", "clock"] as const;
const MOST_STALENESS_MS = 60_000;

/**
 * Keeps who holds which roles in a store.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createAssignments, defineRbac, standardPermissions, standardRoles } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles });
 * const assignments = createAssignments(rbac, { store: createMemoryStore() });
 * await assignments.assign("program", { subjectId: "ada", orgId: "acme" }, { role: "owner" });
 * const last = await assignments.revoke("program", { subjectId: "ada", orgId: "acme" }, { role: "owner" });
 * console.log(last.reason); // last_holder
 * ```
 */
export function createAssignments<RoleName extends string, OrgRoleName extends string, PersonaName extends string>(
  rbac: Rbac<string, RoleName, OrgRoleName, PersonaName>,
  options: AssignmentsOptions<NoInfer<RoleName>, NoInfer<OrgRoleName>>,
): Assignments<RoleName, OrgRoleName, PersonaName> {
  const {
    store,
    maxStalenessMs = 1000,
    maxSubjects = 10_000,
    keep,
    policyName = "rbac",
    rolesOrgId = "",
    onEvent = () => {},
    clock = systemClock,
  } = ownOptions("createAssignments", options, OPTIONS);
  if (typeof store?.grants?.writeSubject !== "function")
    throw invalidOption("createAssignments.store", store, 'a store with the port "grants"');
  if (!Number.isInteger(maxStalenessMs) || maxStalenessMs < 0 || maxStalenessMs > MOST_STALENESS_MS)
    throw invalidOption("createAssignments.maxStalenessMs", maxStalenessMs, `an integer of 0 to ${MOST_STALENESS_MS} ms`);
  if (!Number.isInteger(maxSubjects) || maxSubjects < 1)
    throw invalidOption("createAssignments.maxSubjects", maxSubjects, "an integer from 1");
  if (typeof policyName !== "string" || policyName === "")
    throw invalidOption("createAssignments.policyName", policyName, "a non-empty string");
  if (typeof onEvent !== "function") throw invalidOption("createAssignments.onEvent", onEvent, "a function");
  if (typeof rolesOrgId !== "string") throw invalidOption("createAssignments.rolesOrgId", rolesOrgId, "the id of an organisation");
  const { grants } = store;
  const kept = readKept(rbac, keep);
  const tell = quietly(onEvent);
  const roles = new StoredRoles(rbac, store, policyName, clock, maxStalenessMs);
  const subjects = new Subjects(grants, clock, maxStalenessMs, maxSubjects);
  const parts = { rbac, roles, subjects, kept: kept.names, keptRoles: kept.roles, clock, tell };

  function resolve(
    principal: Principal,
    { consistency = "bounded" }: { readonly consistency?: Consistency } = {},
  ): MaybePromise<ResolvedPrincipal> {
    if (principal.type === "system") return Object.freeze({ ...principal, subjectEpoch: 0 });
    // One after the other: what was read of the subject must not grow old while the roles are waited for.
    const refreshed = consistency === "strong" ? roles.reload() : roles.refresh();
    return refreshed === undefined ? resolveSubject(principal, consistency) : refreshed.then(() => resolveSubject(principal, consistency));
  }

  function resolveSubject(principal: Principal, consistency: Consistency): MaybePromise<ResolvedPrincipal> {
    const held = subjects.of(placeOfPrincipal(principal), consistency);
    const toResolved = (known: SubjectAssignments) => resolveFrom(rbac, principal, known, clock.now());
    return held instanceof Promise ? held.then(toResolved) : toResolved(held);
  }

  /** The actor as the store has it now: what it was given before it lost it does not count. */
  async function givers(actor: AssignmentActor, lasting?: Lasting): Promise<readonly Identity[]> {
    const isKept = actor !== "program" && actor.type !== "system";
    const held = isKept ? await subjects.of(placeOfPrincipal(actor), "strong") : undefined;
    return giversOf(rbac, actor, held, clock.now(), lasting);
  }

  function withActivation(
    actor: AssignmentActor,
    given: AssignmentPlace,
    held: Assignable,
    change: "activate" | "deactivate",
    activeUntil: (assignment: Assignment, now: number) => number | undefined,
  ): Promise<AssignmentResult> {
    const { kind, name } = nameOf(held);
    const place = readPlace(given);
    return changeSubject(parts, place, {
      change,
      kind,
      name,
      actorId: idOf(actor),
      async edit(assignments, now) {
        if (!isHolder(actor, place)) return { reason: "not_own" };
        const assignment = find(assignments, kind, name);
        if (assignment === undefined) return { reason: "not_held" };
        if (assignment.activatableForMs === undefined) return { reason: "not_activatable" };
        return [...without(assignments, assignment), { ...assignment, activeUntil: activeUntil(assignment, now) }];
      },
    });
  }

  return Object.freeze({
    maxStalenessMs,
    get rolesRevision() {
      return roles.revision;
    },
    of: (place: AssignmentPlace, { consistency = "bounded" }: { readonly consistency?: Consistency } = {}) =>
      subjects.of(readPlace(place), consistency),
    resolve,
    async assign(actor: AssignmentActor, given: AssignmentPlace, held: Assignable, how: NewAssignment = {}) {
      const place = readPlace(given);
      const actorId = idOf(actor);
      const made = { ...nameOf(held), ...readHow(clock.now(), how), activeUntil: undefined, assignedBy: actorId };
      const { kind, name, expiresAt, activatableForMs } = made;
      const lasting: Lasting = { expiresAt, to: { subjectId: place.subjectId, activatableForMs } };
      return changeSubject(parts, place, {
        change: "assign",
        kind,
        name,
        actorId,
        async edit(assignments, now) {
          const assignment: Assignment = { ...made, assignedAt: now };
          const earlier = find(assignments, kind, name);
          const others = without(assignments, earlier);
          const actors = await givers(actor, lasting);
          return (
            firstOf(actors, (giver) => escalationByPlace(giver, place.orgId)) ??
            unfit(rbac, assignment, others) ??
            firstOf(actors, (giver) => escalationByGiving(rbac, giver, place.orgId, assignment, others)) ??
            // What it was held for before goes: taken away like any other.
            (earlier && firstOf(actors, (giver) => escalationByTaking(rbac, giver, place.orgId, earlier))) ?? [...others, assignment]
          );
        },
      });
    },
    async revoke(actor: AssignmentActor, given: AssignmentPlace, held: Assignable) {
      const place = readPlace(given);
      const { kind, name } = nameOf(held);
      return changeSubject(parts, place, {
        change: "revoke",
        kind,
        name,
        actorId: idOf(actor),
        async edit(assignments) {
          const actors = await givers(actor);
          const stranger = firstOf(actors, (taker) => escalationByPlace(taker, place.orgId));
          const assignment = find(assignments, kind, name);
          if (stranger !== undefined || assignment === undefined) return stranger ?? { reason: "not_held" };
          const escalation = firstOf(actors, (taker) => escalationByTaking(rbac, taker, place.orgId, assignment));
          return escalation ?? without(assignments, assignment);
        },
      });
    },
    async activate(actor: AssignmentActor, place: AssignmentPlace, held: Assignable, forMs: number) {
      if (!Number.isInteger(forMs) || forMs < 1) throw invalidOption("activate.forMs", forMs, "an integer from 1 ms");
      return withActivation(actor, place, held, "activate", ({ activatableForMs = 0 }, now) => {
        if (forMs > activatableForMs) throw invalidOption("activate.forMs", forMs, `at most ${activatableForMs} ms, as it was assigned`);
        return now + forMs;
      });
    },
    deactivate: async (actor: AssignmentActor, place: AssignmentPlace, held: Assignable) =>
      withActivation(actor, place, held, "deactivate", () => undefined),
    async holders(orgId: string, held: Assignable, page: { readonly limit: number; readonly after?: string }) {
      const { kind, name } = nameOf(held);
      const role = heldName(kind, name);
      const found = await grants.listHolders(orgId, role, page);
      return Object.freeze(
        found.map(({ subjectId, standing, value }) => Object.freeze({ subjectId, assignment: fromHeldRole({ role, standing, value }) })),
      );
    },
    bumpEpoch: async (place: AssignmentPlace) => subjects.bump(readPlace(place)),
    replaceRoles: async (actor: AssignmentActor, definitions: RoleDefinitions, expectedRevision: number) =>
      changeRoles(parts, {
        actorId: idOf(actor),
        orgId: rolesOrgId,
        definitions,
        expectedRevision,
        authors: () => givers(actor, { expiresAt: undefined }), // roles stay as they are written
      }),
    refresh: () => roles.reload(),
  });
}

function find(assignments: readonly Assignment[], kind: AssignmentKind, name: string): Assignment | undefined {
  return assignments.find((assignment) => assignment.kind === kind && assignment.name === name);
}

function without(assignments: readonly Assignment[], one: Assignment | undefined): readonly Assignment[] {
  return assignments.filter((assignment) => assignment !== one);
}

function firstOf(actors: readonly Identity[], escalation: (actor: Identity) => Escalation | undefined): Escalation | undefined {
  return actors.map(escalation).find((refusal) => refusal !== undefined);
}
