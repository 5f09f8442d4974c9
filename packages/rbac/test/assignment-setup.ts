// A policy in which there is something of everything, and assignments over it.
import { createMemoryStore, type Principal, type StoreWith, type UserPrincipal } from "@portcullis/core";
import {
  type AssignmentEvent,
  type AssignmentsOptions,
  createAssignments,
  defineRbac,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
} from "@portcullis/rbac";
import { createManualClock } from "@portcullis/testkit";
import { gatedGrants } from "./gated-grants.js";
import { userWith } from "./request.js";

export const ROLES = {
  ...standardRoles,
  /** A member that is denied something. */
  trainee: { inherits: ["member"], denies: ["workflows.update"] },
  /** Nothing but a denial. */
  suspended: { denies: ["*"] },
  frozen: { denies: ["workflows.approve"] },
  cashier: { grants: ["billing.manage"] },
  auditor: { grants: ["*.read"] },
  senior_cashier: { inherits: ["cashier"] },
  requester: { grants: ["workflows.create"] },
  approver: { grants: ["workflows.approve"] },
  chief_approver: { inherits: ["approver"] },
} as const;

export function testPolicy() {
  return defineRbac({
    permissions: standardPermissions,
    roles: ROLES,
    orgRoles: {
      ...standardOrgRoles,
      department_admin: { extent: "departments", mutates: true, grants: ["users.manage"] },
      department_reader: { extent: "departments", grants: ["users.read"] },
    },
    personas: standardPersonas,
    constraints: {
      static: [{ name: "till", roles: ["cashier", "auditor"] }],
      dynamic: [{ name: "four-eyes", roles: ["requester", "approver"] }],
    },
  });
}

type Options = Omit<AssignmentsOptions<keyof typeof ROLES, keyof typeof standardOrgRoles>, "store" | "clock" | "onEvent">;

/** Assignments of a process of its own: it has its own policy and clock, the store may be shared. */
export function startProcess(options: Options & { readonly store?: StoreWith<"grants"> } = {}) {
  const clock = createManualClock();
  const events: AssignmentEvent[] = [];
  const rbac = testPolicy();
  const { store = createMemoryStore(), ...rest } = options;
  const assignments = createAssignments(rbac, { ...rest, store, clock, onEvent: (event) => events.push(event) });
  return { rbac, clock, store, events, assignments };
}

export type Process = ReturnType<typeof startProcess>;

export const ACME = "acme";

/** Where somebody's roles are, in the organisation of these tests. */
export function at(subjectId: string, orgId: string = ACME) {
  return { subjectId, orgId };
}

/** Somebody with a credential that says it is an owner: what credentials say must not count. */
export function actor(id: string, more: Partial<UserPrincipal> = {}): Principal {
  return userWith(["owner"], { id, orgId: ACME, orgRoles: ["owner"], personas: ["ceo"], ...more });
}

/** A key of somebody's, made for less than its owner may. */
export function keyOf(ownerId: string, scopes: readonly string[] | undefined, roles: readonly string[] = ["owner"]): Principal {
  return {
    type: "apiKey",
    ...{ id: `key of ${ownerId}`, keyId: "k", ownerId, orgId: ACME, workspaceId: undefined },
    ...{ roles, orgRoles: [], scopes },
    authMethod: "apiKey",
  };
}

/** Everything the subject may in its organisation, as a request of its own would find it. */
export async function rightsOf({ assignments, rbac }: Process, id: string, orgId: string = ACME): Promise<readonly string[]> {
  return rbac.permissionsOf(await assignments.resolve(actor(id, { orgId })));
}

/** Names of what the subject holds. */
export async function namesOf({ assignments }: Process, id: string, orgId: string = ACME): Promise<readonly string[]> {
  return (await assignments.of(at(id, orgId), { consistency: "strong" })).assignments.map(({ kind, name }) => `${kind}:${name}`);
}

/** A process over a store with gates in which bob is an approver; the stored roles have been looked at, the subject not yet. */
export async function startWithApprover(options: Options = {}) {
  const store = gatedGrants();
  const process = startProcess({ ...options, store });
  await process.assignments.assign("program", at("bob"), { role: "approver" });
  await process.assignments.refresh();
  return { ...process, store, rights: () => rightsOf(process, "bob") };
}
