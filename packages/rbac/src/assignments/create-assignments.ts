import {
  type Clock,
  invalidOption,
  type MaybePromise,
  type Principal,
  quietly,
  type StoreWith,
  type SubjectGrants,
  subjectOf,
  systemClock,
} from "@portcullis/core";
import { normaliseDepartment } from "../decision/find-org-role.js";
import { ownOptions } from "../own-options.js";
import type { Rbac } from "../policy/rbac.js";
import type {
  AssignmentActor,
  AssignmentEvent,
  AssignmentPlace,
  AssignmentResult,
  Assignments,
  Consistency,
  Held,
  NewAssignment,
  ResolvedPrincipal,
  SubjectAssignments,
} from "./assignments.js";
import { checkHow, checkPlace, keptNames, nameOf, unfit } from "./assignment-rules.js";
import { changedRoles, escalationByGiving, escalationByRoles, escalationByTaking } from "./escalation.js";
import { type Assignment, type AssignmentKind, fromHeldRole, heldName, isActive, toHeldRole } from "./held-role.js";
import { refused, type Refusal, settled } from "./refusal.js";
import { resolveFrom } from "./resolve-principal.js";
import { type RoleDefinitions, StoredRoles } from "./stored-roles.js";
import { SubjectCache } from "./subject-cache.js";

/** Where assignments are kept, and by which rules they change. */
export interface AssignmentsOptions<RoleName extends string = string, OrgRoleName extends string = string> {
  readonly store: StoreWith<"grants">;
  /** How long what was read of a subject, and the stored roles, may be used, ms; 0 (read every time) to 60,000, default 1,000. */
  readonly maxStalenessMs?: number;
  /** Subjects that are remembered; default 10,000. */
  readonly maxSubjects?: number;
  /**
   * Roles and organisation roles that never lose their last permanent holder in an organisation; default those named `owner`, as far
   * as the policy defines them.
   */
  readonly keep?: { readonly roles?: readonly RoleName[]; readonly orgRoles?: readonly OrgRoleName[] };
  /** Name of the stored roles, where several policies share a store; default `rbac`. */
  readonly policyName?: string;
  /** Told of every change and every refusal; what it throws is dropped. */
  readonly onEvent?: (event: AssignmentEvent) => void;
  readonly clock?: Clock;
}

const OPTIONS = ["store", "maxStalenessMs", "maxSubjects", "keep", "policyName", "onEvent", "clock"] as const;
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
  const { grants } = store;
  const kept = keptNames(rbac, keep);
  const tell = quietly(onEvent);
  const roles = new StoredRoles(rbac, store, policyName, clock, maxStalenessMs);
  const subjects = new SubjectCache<SubjectAssignments>(read, () => clock.monotonic(), maxStalenessMs, maxSubjects);

  function read(key: string): MaybePromise<SubjectAssignments> {
    const [orgId, subjectId] = placeOf(key);
    const stored = grants.readSubject(orgId, subjectId);
    return stored instanceof Promise ? stored.then(toAssignments) : toAssignments(stored);
  }

  function of({ orgId, subjectId }: AssignmentPlace, { consistency = "bounded" }: { readonly consistency?: Consistency } = {}) {
    return subjects.get(keyOf(orgId, subjectId), consistency === "strong");
  }

  function resolve(
    principal: Principal,
    { consistency = "bounded" }: { readonly consistency?: Consistency } = {},
  ): MaybePromise<ResolvedPrincipal> {
    if (principal.type === "system") return { ...principal, subjectEpoch: 0 };
    const refreshed = consistency === "strong" ? roles.reload() : roles.refresh();
    const held = of({ orgId: principal.orgId ?? "", subjectId: subjectOf(principal) }, { consistency });
    if (refreshed === undefined && !(held instanceof Promise)) return resolveFrom(principal, held, clock.now());
    return Promise.all([held, refreshed]).then(([known]) => resolveFrom(principal, known, clock.now()));
  }

  /** Applies one change as often as somebody else was faster, each time to what they left. */
  async function change(
    place: AssignmentPlace,
    what: {
      readonly kind: AssignmentKind;
      readonly name: string;
      readonly change: "assign" | "revoke" | "activate" | "deactivate";
      readonly actorId: string;
    },
    edit: (held: readonly Assignment[], now: number) => Promise<readonly Assignment[] | Refusal>,
  ): Promise<AssignmentResult> {
    const { subjectId, orgId } = checkPlace(place);
    const end = (result: AssignmentResult): AssignmentResult => {
      const { kind: held, name, change: changed, actorId } = what;
      tell({
        kind: result.allowed ? "assignment_changed" : "assignment_refused",
        change: changed,
        subjectId,
        orgId,
        held,
        name,
        actorId,
        reason: result.reason,
      });
      return result;
    };
    await roles.reload();
    for (;;) {
      const { epoch, assignments } = toAssignments(await grants.readSubject(orgId, subjectId));
      const now = clock.now();
      const edited = await edit(
        assignments.filter(({ expiresAt }) => expiresAt === undefined || now < expiresAt),
        now,
      );
      if (!Array.isArray(edited)) return end(refused(edited as Refusal)); // the other one of two
      const after = edited as readonly Assignment[];
      const apart = keptApart(after, now);
      if (apart !== undefined) return end(refused(apart));
      const written = await grants.writeSubject(orgId, subjectId, epoch, after.map(toHeldRole), kept);
      subjects.invalidate(keyOf(orgId, subjectId));
      if (written.kind === "written") return end(settled(written.epoch));
      if (written.kind === "last_holder") return end(refused({ reason: "last_holder" }));
    }
  }

  function keptApart(assignments: readonly Assignment[], now: number): Refusal | undefined {
    const known = assignments.filter(({ kind, name }) => kind === "role" && rbac.describeRole(name) !== undefined);
    const assigned = rbac.checkAssignment(known.map(({ name }) => name));
    if (!assigned.allowed) return { reason: "separation_of_duty", constraint: assigned.constraint };
    const active = rbac.checkActivation(known.filter((assignment) => isActive(assignment, now)).map(({ name }) => name));
    return active.allowed ? undefined : { reason: "separation_of_duty", constraint: active.constraint };
  }

  /** The actor as the store has it now: what it was given before it lost it does not count. */
  async function actorNow(actor: AssignmentActor): Promise<Principal | "program"> {
    return actor === "program" ? actor : resolve(actor, { consistency: "strong" });
  }

  async function withActivation(
    place: AssignmentPlace,
    held: Held,
    changed: "activate" | "deactivate",
    activeUntil: (assignment: Assignment, now: number) => number | undefined,
  ): Promise<AssignmentResult> {
    const { kind, name } = nameOf(held);
    const what = { kind, name, change: changed, actorId: place.subjectId };
    return change(place, what, async (assignments, now) => {
      const assignment = find(assignments, kind, name);
      if (assignment === undefined) return { reason: "not_held" };
      if (assignment.activatableForMs === undefined) return { reason: "not_activatable" };
      return replace(assignments, { ...assignment, activeUntil: activeUntil(assignment, now) });
    });
  }

  return Object.freeze({
    maxStalenessMs,
    get rolesRevision() {
      return roles.revision;
    },
    of: (place: AssignmentPlace, how?: { readonly consistency?: Consistency }) => of(checkPlace(place), how),
    resolve,
    async assign(actor: AssignmentActor, place: AssignmentPlace, held: Held, how: NewAssignment = {}) {
      const { kind, name } = nameOf(held);
      const { departments = [], expiresAt, activatableForMs } = ownOptions("assign", how, ["departments", "expiresAt", "activatableForMs"]);
      checkHow(clock.now(), how);
      const made = {
        kind,
        name,
        departments: departments.map((department) => normaliseDepartment(department) as string), // checkHow
        expiresAt,
        activatableForMs,
        activeUntil: undefined,
        assignedBy: idOf(actor),
      };
      return change(place, { kind, name, change: "assign", actorId: idOf(actor) }, async (assignments, now) => {
        const assignment: Assignment = { ...made, assignedAt: now };
        const refusal = unfit(rbac, assignment, assignments);
        if (refusal !== undefined) return refusal;
        const giver = await actorNow(actor);
        const earlier = find(assignments, kind, name);
        const escalation =
          giver === "program"
            ? undefined
            : (escalationByGiving(rbac, giver, place.orgId, assignment) ??
              // What it was held for before goes: taken away like any other.
              (earlier === undefined ? undefined : escalationByTaking(rbac, giver, place.orgId, earlier)));
        return escalation ?? replace(assignments, assignment);
      });
    },
    async revoke(actor: AssignmentActor, place: AssignmentPlace, held: Held) {
      const { kind, name } = nameOf(held);
      return change(place, { kind, name, change: "revoke", actorId: idOf(actor) }, async (assignments) => {
        const assignment = find(assignments, kind, name);
        if (assignment === undefined) return { reason: "not_held" };
        const taker = await actorNow(actor);
        const escalation = taker === "program" ? undefined : escalationByTaking(rbac, taker, place.orgId, assignment);
        return escalation ?? assignments.filter((other) => other !== assignment);
      });
    },
    activate(place: AssignmentPlace, held: Held, forMs: number) {
      if (!Number.isInteger(forMs) || forMs < 1) throw invalidOption("activate.forMs", forMs, "an integer from 1 ms");
      return withActivation(place, held, "activate", ({ activatableForMs = 0 }, now) => {
        if (forMs > activatableForMs) throw invalidOption("activate.forMs", forMs, `at most ${activatableForMs} ms, as it was assigned`);
        return now + forMs;
      });
    },
    deactivate: (place: AssignmentPlace, held: Held) => withActivation(place, held, "deactivate", () => undefined),
    async holders(orgId: string, held: Held, page: { readonly limit: number; readonly after?: string }) {
      const { kind, name } = nameOf(held);
      const found = await grants.listHolders(orgId, heldName(kind, name), page);
      return Object.freeze(
        found.map(({ subjectId, standing, value }) =>
          Object.freeze({ subjectId, assignment: fromHeldRole({ role: heldName(kind, name), standing, value }) }),
        ),
      );
    },
    async bumpEpoch(place: AssignmentPlace) {
      const { orgId, subjectId } = checkPlace(place);
      for (;;) {
        const { epoch, held } = await grants.readSubject(orgId, subjectId);
        const written = await grants.writeSubject(orgId, subjectId, epoch, held, []);
        subjects.invalidate(keyOf(orgId, subjectId));
        if (written.kind === "written") return written.epoch;
      }
    },
    async replaceRoles(actor: AssignmentActor, definitions: RoleDefinitions, expectedRevision: number) {
      await roles.reload();
      const after = rbac.withRoles(definitions);
      const changed = changedRoles(rbac, after);
      const end = (result: AssignmentResult): AssignmentResult => {
        const kind = result.allowed ? "roles_changed" : "roles_refused";
        tell({ kind, actorId: idOf(actor), reason: result.reason, roles: changed, policyVersion: rbac.policyVersion });
        return result;
      };
      if (roles.revision !== expectedRevision) return end(refused({ reason: "changed_meanwhile" }));
      const author = await actorNow(actor);
      const escalation = author === "program" ? undefined : escalationByRoles(rbac, after, author, changed);
      if (escalation !== undefined) return end(refused(escalation));
      const isWritten = await roles.write(structuredClone(definitions), expectedRevision);
      return end(isWritten ? settled(roles.revision) : refused({ reason: "changed_meanwhile" }));
    },
    refresh: () => roles.reload(),
  });
}

function idOf(actor: AssignmentActor): string {
  return actor === "program" ? actor : actor.id;
}

function toAssignments({ epoch, held }: SubjectGrants): SubjectAssignments {
  return Object.freeze({ epoch, assignments: Object.freeze(held.map(fromHeldRole)) });
}

function find(assignments: readonly Assignment[], kind: AssignmentKind, name: string): Assignment | undefined {
  return assignments.find((assignment) => assignment.kind === kind && assignment.name === name);
}

function replace(assignments: readonly Assignment[], by: Assignment): readonly Assignment[] {
  return [...assignments.filter(({ kind, name }) => kind !== by.kind || name !== by.name), by];
}

// JSON: no two places have one key, whatever their ids are made of.
function keyOf(orgId: string, subjectId: string): string {
  return JSON.stringify([orgId, subjectId]);
}

function placeOf(key: string): readonly [orgId: string, subjectId: string] {
  return JSON.parse(key) as [string, string]; // keyOf
}
