import type { CheckOptions, Identity } from "../decision/decision.js";
import type { PersonaAccess } from "../policy/compile-personas.js";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentResult } from "./assignments.js";
import type { Assignment } from "./held-role.js";

/** Why somebody may not make a change: it would give away what the actor does not have. */
export type Escalation = Pick<AssignmentResult, "reason" | "missing">;

const ACCESSES: readonly PersonaAccess[] = ["read", "write", "approve"];

/** Whether the actor may give what an assignment gives. @returns why not. */
export function escalationByGiving(rbac: AnyRbac, actor: Identity, orgId: string, assignment: Assignment): Escalation | undefined {
  // Also where there are no organisations: whoever belongs to one has no say there.
  if ((actor.orgId ?? "") !== orgId) return { reason: "wrong_org", missing: [] };
  const { kind, name, departments } = assignment;
  const here: CheckOptions | undefined = orgId === "" ? undefined : { org: orgId };
  if (kind === "role") return refusalOf(rbac.canGrant(actor, { role: name }, here));
  if (kind === "persona") return escalationByPersona(rbac, actor, name);
  const places = departments.length === 0 ? [here] : departments.map((department) => ({ ...here, scope: { department } }));
  return places.map((place) => refusalOf(rbac.canGrant(actor, { orgRole: name }, place))).find((refusal) => refusal !== undefined);
}

/** Whether the actor may take it away: as for giving it; and what the role denies becomes allowed where another role grants it. */
export function escalationByTaking(rbac: AnyRbac, actor: Identity, orgId: string, assignment: Assignment): Escalation | undefined {
  const denied = assignment.kind === "role" ? (rbac.describeRole(assignment.name)?.denied ?? []) : [];
  return escalationByGiving(rbac, actor, orgId, assignment) ?? escalationByPermissions(rbac, actor, denied);
}

/** Roles that are new, gone, or give or deny something else than before. */
export function changedRoles(before: AnyRbac, after: AnyRbac): readonly string[] {
  return [...new Set([...before.roles, ...after.roles])].filter((role) => {
    const [was, is] = [before.describeRole(role), after.describeRole(role)];
    return (
      was?.allowed.join() !== is?.allowed.join() || was?.denied.join() !== is?.denied.join() || (was === undefined) !== (is === undefined)
    );
  });
}

/** Whether the actor may make these changes of roles: it has what they give, what they gave, and what they stop to deny. */
export function escalationByRoles(before: AnyRbac, after: AnyRbac, actor: Identity, roles: readonly string[]): Escalation | undefined {
  const touched = new Set(
    roles.flatMap((role) => {
      const [was, is] = [before.describeRole(role), after.describeRole(role)];
      return [...(was?.allowed ?? []), ...(is?.allowed ?? []), ...(was?.denied ?? []).filter((key) => is?.denied.includes(key) !== true)];
    }),
  );
  return escalationByPermissions(before, actor, [...touched]);
}

function escalationByPermissions(rbac: AnyRbac, actor: Identity, permissions: readonly string[]): Escalation | undefined {
  return permissions.length === 0 ? undefined : refusalOf(rbac.canGrant(actor, { permissions }));
}

// A persona grants nothing, but lets its holder pass where guards ask for one. The internal one is the program's to give.
function escalationByPersona(rbac: AnyRbac, actor: Identity, name: string): Escalation | undefined {
  const accesses = ACCESSES.filter((access) => rbac.checkPersona({ roles: [], personas: [name] }, access).allowed);
  if (accesses.length === 0) return { reason: "persona_required", missing: [] };
  const refused = accesses.map((access) => rbac.checkPersona(actor, access)).find(({ allowed }) => !allowed);
  return refused === undefined ? undefined : { reason: refused.reason, missing: [] };
}

function refusalOf({ allowed, reason, missing }: { readonly allowed: boolean } & Escalation): Escalation | undefined {
  return allowed ? undefined : { reason, missing };
}
