import type { CheckOptions, Identity } from "../decision/decision.js";
import type { PersonaAccess } from "../policy/compile-personas.js";
import type { AnyRbac, RoleDescription } from "../policy/rbac.js";
import type { AssignmentResult } from "./assignments.js";
import type { Assignment } from "./held-role.js";

/** Why somebody may not make a change: it would give away, or take away, what the actor does not have. */
export type Escalation = Pick<AssignmentResult, "reason" | "missing">;

const ACCESSES: readonly PersonaAccess[] = ["read", "write", "approve"];

/** Whether the actor has a say in an organisation at all. @returns why not. */
export function escalationByPlace(actor: Identity, orgId: string): Escalation | undefined {
  // Also where there are no organisations: whoever belongs to one has no say there.
  return (actor.orgId ?? "") === orgId ? undefined : { reason: "wrong_org", missing: [] };
}

/**
 * Whether the actor may give what an assignment gives, and deny what it denies the subject.
 *
 * @param others What else the subject holds: what it loses of that by a denial the actor must have, as for taking it away.
 * @returns why not.
 */
export function escalationByGiving(
  rbac: AnyRbac,
  actor: Identity,
  orgId: string,
  assignment: Assignment,
  others: readonly Assignment[],
): Escalation | undefined {
  const { kind, name, departments } = assignment;
  const here: CheckOptions | undefined = orgId === "" ? undefined : { org: orgId };
  if (kind === "persona") return escalationByPersona(rbac, actor, name);
  if (kind === "role") {
    const denied = rbac.describeRole(name)?.denied ?? [];
    const lost = denied.filter((key) => others.some((other) => givenBy(rbac, orgId, other).includes(key)));
    return (
      refusalOf(rbac.canGrant(actor, { role: name }, here)) ??
      escalationByPermissions(rbac, actor, lost) ??
      escalationByInheriting(rbac, rbac, actor, name)
    );
  }
  const places = departments.length === 0 ? [here] : departments.map((department) => ({ ...here, scope: { department } }));
  return places.map((place) => refusalOf(rbac.canGrant(actor, { orgRole: name }, place))).find((refusal) => refusal !== undefined);
}

/** Whether the actor may take it away: as for giving it; and what the role denies becomes allowed where another role grants it. */
export function escalationByTaking(rbac: AnyRbac, actor: Identity, orgId: string, assignment: Assignment): Escalation | undefined {
  const { kind, name } = assignment;
  const described = kind === "role" ? rbac.describeRole(name) : undefined;
  // Nobody knows what it gave, or denied: another release of the program may. Whoever has everything has that too.
  const isGone = kind === "role" ? described === undefined : !rbac[kind === "orgRole" ? "orgRoles" : "personas"].includes(name);
  if (isGone) return escalationByPermissions(rbac, actor, ["*"]);
  return escalationByGiving(rbac, actor, orgId, assignment, []) ?? escalationByPermissions(rbac, actor, described?.denied ?? []);
}

/** Roles that are new, gone, or written otherwise than before, or that give or deny something else. */
export function changedRoles(before: AnyRbac, after: AnyRbac): readonly string[] {
  return [...new Set([...before.roles, ...after.roles])].filter((role) => {
    const [was, is] = [before.describeRole(role), after.describeRole(role)];
    return JSON.stringify(was) !== JSON.stringify(is);
  });
}

/**
 * Whether the actor may make these changes of roles: it has what they give and gave, and of roles that there were what they begin or
 * stop to deny.
 */
export function escalationByRoles(before: AnyRbac, after: AnyRbac, actor: Identity, roles: readonly string[]): Escalation | undefined {
  const changes = roles.map((role) => ({ was: before.describeRole(role), is: after.describeRole(role) }));
  // A newer release wrote them, for permissions that this one does not know: whether the actor has those nobody can say.
  const dropped = changes.flatMap(({ was, is }) => linesOf(was).filter((line) => !linesOf(is).includes(line)));
  const unknown = dropped.find((line) => before.canGrant(actor, { permissions: [line] }).reason === "unknown_permission");
  if (unknown !== undefined) return { reason: "unknown_permission", missing: [] };
  const touched = changes.flatMap(({ was, is }) => [
    ...(was?.allowed ?? []),
    ...(is?.allowed ?? []),
    ...(was?.denied ?? []).filter((key) => is?.denied.includes(key) !== true),
    ...(is?.denied ?? []).filter((key) => was?.denied.includes(key) === false),
  ]);
  const named = roles.filter((role) => after.roles.includes(role));
  return (
    escalationByPermissions(before, actor, [...new Set(touched)]) ??
    named.map((role) => escalationByInheriting(before, after, actor, role)).find((refusal) => refusal !== undefined)
  );
}

// Where a guard asks for a role, one that inherits it passes, whatever it denies: who gives it has that role, or all that it gives.
function escalationByInheriting(before: AnyRbac, after: AnyRbac, actor: Identity, name: string): Escalation | undefined {
  const queue = new Set(after.describeRole(name)?.inherits);
  for (const junior of queue) {
    for (const next of after.describeRole(junior)?.inherits ?? []) queue.add(next);
    if (before.roles.includes(junior) && before.checkRoles(actor, [junior]).allowed) continue;
    const refusal = escalationByPermissions(before, actor, after.describeRole(junior)?.allowed ?? []);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function linesOf(role: RoleDescription | undefined): readonly string[] {
  return role === undefined ? [] : [...role.grants, ...role.denies];
}

function escalationByPermissions(rbac: AnyRbac, actor: Identity, permissions: readonly string[]): Escalation | undefined {
  return permissions.length === 0 ? undefined : refusalOf(rbac.canGrant(actor, { permissions }));
}

// A persona grants nothing, but lets its holder pass where guards ask for one. The internal one is the program's to give.
function escalationByPersona(rbac: AnyRbac, actor: Identity, name: string): Escalation | undefined {
  // As for roles: a persona says more than any list of permissions, so a credential that is bounded by one does not carry it.
  if (actor.scopes !== undefined && !actor.scopes.includes("*")) return { reason: "out_of_scope", missing: [] };
  const accesses = ACCESSES.filter((access) => rbac.checkPersona({ roles: [], personas: [name] }, access).allowed);
  if (accesses.length === 0) return { reason: "persona_required", missing: [] };
  if (rbac.checkPersona(actor, [name]).allowed) return undefined;
  // Guards may ask for a persona by its name: one of the same rank is given by whoever has it, a lower one by whoever may more.
  const having = ACCESSES.filter((access) => rbac.checkPersona(actor, access).allowed);
  const mayMore = having.length > accesses.length && accesses.every((access) => having.includes(access));
  return mayMore ? undefined : { reason: "persona_required", missing: [] };
}

/** What an assignment gives when it is active. */
function givenBy(rbac: AnyRbac, orgId: string, { kind, name, departments }: Assignment): readonly string[] {
  if (kind === "persona") return [];
  if (kind === "role") return rbac.describeRole(name)?.allowed ?? [];
  const holder: Identity = { roles: [], orgId, orgRoles: [name], scopedDepartments: departments };
  const [department] = departments;
  return rbac.permissionsOf(holder, { org: orgId, ...(department === undefined ? {} : { scope: { department } }) });
}

function refusalOf({ allowed, reason, missing }: { readonly allowed: boolean } & Escalation): Escalation | undefined {
  return allowed ? undefined : { reason, missing };
}
