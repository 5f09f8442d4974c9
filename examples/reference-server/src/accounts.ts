import type { Auth, AuthResult, NewAccount, StoredUserDirectory, AccountInfo } from "@portcullis/auth";
import { freezePrincipal, type Principal, ProblemError, problems, userPrincipal } from "@portcullis/core";
import type { AssignmentPlace } from "@portcullis/rbac";
import type { ServiceAssignments } from "./permissions.js";

/** Who can log in, and who may do what: an account alone may do nothing. */
export interface Accounts {
  readonly auth: Pick<Auth, "createAccount">;
  readonly assignments: Pick<ServiceAssignments, "assign">;
}

/** An account to be made, with what it may do. */
export interface NewMember extends Omit<NewAccount, "roles" | "orgRoles"> {
  readonly role: string;
  /** Its role in the organisation itself, if any. */
  readonly orgRole?: string;
}

/**
 * Makes an account and gives it its role: the one way in which accounts are made here. A process that dies in between leaves an
 * account that may do nothing.
 *
 * @throws {Error} There is an account, but the policy does not let it have the role.
 */
export async function createMember(accounts: Accounts, { role, orgRole, ...account }: NewMember): Promise<AuthResult<AccountInfo>> {
  const orgRoles = orgRole === undefined ? [] : [orgRole];
  const made = await accounts.auth.createAccount({ ...account, roles: [role], orgRoles });
  if (made.kind === "ok") await giveFirstRoles(accounts, made.value);
  return made;
}

/** Gives an account the roles that its entry in the directory names. @throws {Error} The policy does not let it have one of them. */
export async function giveFirstRoles({ assignments }: Pick<Accounts, "assignments">, account: AccountInfo): Promise<void> {
  const held = [...account.roles.map((role) => ({ role })), ...account.orgRoles.map((orgRole) => ({ orgRole }))];
  for (const one of held) {
    const { allowed, reason } = await assignments.assign("program", placeOf(account), one);
    if (!allowed) throw new Error(`The account ${account.id} could not be given ${JSON.stringify(one)}: ${reason}`);
  }
}

/** Where an account's roles are. */
export function placeOf({ id, orgId }: Pick<AccountInfo, "id" | "orgId">): AssignmentPlace {
  return { subjectId: id, orgId: orgId ?? "" };
}

/** An account as it would call, with no roles but those that assignments give it. */
export function principalOf({ id, type, orgId, workspaceId, name, email, mustChangePassword }: AccountInfo): Principal {
  const base = { id, orgId, workspaceId, roles: [], orgRoles: [] };
  if (type === "user") return userPrincipal({ ...base, email, mustChangePassword });
  return freezePrincipal({ ...base, type, scopes: undefined, authMethod: "token", name: name ?? id });
}

/** An account of the caller's organisation. @throws {ProblemError} 3001: there is none, or it is another organisation's. */
export async function findColleague(users: Pick<StoredUserDirectory, "byId">, caller: Principal, id: string): Promise<AccountInfo> {
  const account = await users.byId(id);
  if (account === undefined || account.orgId !== caller.orgId) throw new ProblemError(problems.notFound());
  return account;
}

/**
 * Writes the roles that somebody holds without end into the directory, from where new tokens have them. Those decide nothing about
 * access; they are what clients are shown, and choose the tier of rate limits.
 */
export async function syncDirectory(
  users: Pick<StoredUserDirectory, "update">,
  assignments: Pick<ServiceAssignments, "of">,
  account: AccountInfo,
): Promise<void> {
  for (;;) {
    const { epoch, assignments: held } = await assignments.of(placeOf(account), { consistency: "strong" });
    const lasting = held.filter(({ expiresAt, activatableForMs }) => expiresAt === undefined && activatableForMs === undefined);
    const namesOf = (wanted: "role" | "orgRole"): string[] => lasting.filter(({ kind }) => kind === wanted).map(({ name }) => name);
    await users.update(account.id, { roles: namesOf("role"), orgRoles: namesOf("orgRole") });
    // Of two changes at once the later one may have been written first: whoever sees that writes again.
    if ((await assignments.of(placeOf(account), { consistency: "strong" })).epoch === epoch) return;
  }
}
