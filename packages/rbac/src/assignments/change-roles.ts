import type { Identity } from "../decision/decision.js";
import type { AnyRbac } from "../policy/rbac.js";
import type { AssignmentEvent, AssignmentResult } from "./assignments.js";
import { changedRoles, escalationByRoles } from "./escalation.js";
import { refused, type Refusal, settled } from "./refusal.js";
import type { RoleDefinitions, StoredRoles } from "./stored-roles.js";

/** What changes of roles take part in. */
export interface RoleParts {
  readonly rbac: AnyRbac;
  readonly roles: StoredRoles;
  /** Roles that there must be, because somebody must hold them. */
  readonly keptRoles: readonly string[];
  readonly tell: (event: AssignmentEvent) => void;
}

/** Who stores which roles, in the place of which. */
export interface RoleChange {
  readonly actorId: string;
  /** Those who must all have what the change touches; asked for when the roles are known. */
  readonly authors: () => Promise<readonly Identity[]>;
  /** The organisation whose members may make it, as far as they have what it touches. */
  readonly orgId: string;
  readonly definitions: RoleDefinitions;
  readonly expectedRevision: number;
}

/** Stores roles if the actor may change what changes, and puts them in force here. @throws {RbacError} They do not compile. */
export async function changeRoles(parts: RoleParts, change: RoleChange): Promise<AssignmentResult> {
  const { rbac, roles, tell } = parts;
  // Copied before anything is waited for: what is stored must be what was looked at.
  const definitions = structuredClone(change.definitions);
  await roles.reload();
  const after = rbac.withRoles(definitions);
  const changed = changedRoles(rbac, after);
  const refusal = await refusalOf(parts, change, after, changed);
  const isWritten = refusal === undefined && (await roles.write(definitions, change.expectedRevision));
  const result = isWritten ? settled(roles.revision) : refused(refusal ?? { reason: "changed_meanwhile" });
  const kind = result.allowed ? "roles_changed" : "roles_refused";
  tell({ kind, actorId: change.actorId, reason: result.reason, roles: changed, policyVersion: rbac.policyVersion });
  return result;
}

async function refusalOf(
  { rbac, roles, keptRoles }: RoleParts,
  { authors, orgId, expectedRevision }: RoleChange,
  after: AnyRbac,
  changed: readonly string[],
): Promise<Refusal | undefined> {
  if (roles.revision !== expectedRevision) return { reason: "changed_meanwhile" };
  // Of a role that there is no more nobody is a holder who counts.
  if (keptRoles.some((role) => !after.roles.includes(role))) return { reason: "last_holder" };
  for (const author of await authors()) {
    // Roles mean the same in every organisation: who owns one must not decide what a viewer may in the others.
    if ((author.orgId ?? "") !== orgId) return { reason: "wrong_org" };
    const escalation = escalationByRoles(rbac, after, author, changed);
    if (escalation !== undefined) return escalation;
  }
  return undefined;
}
