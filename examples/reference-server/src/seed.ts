import type { Auth } from "@portcullis/auth";
import { type Accounts, createMember, giveFirstRoles, placeOf } from "./accounts.js";
import type { ServiceAssignments } from "./permissions.js";

/** The organisation of the seeded users. */
export const DEMO_ORGANISATION = "acme";

/** The e-mail addresses of the seeded users; each has the role of its name. */
export const DEMO_USERS = Object.freeze({
  viewer: "viewer@acme.example",
  member: "member@acme.example",
  admin: "admin@acme.example",
  owner: "owner@acme.example",
} as const);

/** Of every seeded user; development only, and printed at start. */
export const DEMO_PASSWORD = "correct horse battery staple";

/** Makes the organisation "acme" with one user per role, unless there are users already. @returns whether it did. */
export async function seed({
  auth,
  assignments,
}: Accounts & { readonly auth: Auth; readonly assignments: ServiceAssignments }): Promise<boolean> {
  const isNew = await auth.users.isEmpty();
  for (const [role, email] of Object.entries(DEMO_USERS)) {
    const made = isNew ? await createMember({ auth, assignments }, demoUser(role, email)) : undefined;
    // Another instance that starts at the same time may have made the account; anything else is a bug.
    if (made?.kind === "denied" && made.problem.status !== 409) throw new Error(`Could not seed ${email}: ${made.problem.detail}`);
    // One that was never given anything: its process died in between, or is of a time when roles were in the directory alone.
    const account = await auth.users.byEmail(email);
    if (account !== undefined && (await assignments.of(placeOf(account))).epoch === 0) await giveFirstRoles({ assignments }, account);
  }
  return isNew;
}

function demoUser(role: string, email: string) {
  return {
    email,
    password: DEMO_PASSWORD,
    role,
    // Departments and who has a say in them are the organisation's own affair.
    ...(role === "owner" ? { orgRole: "owner" } : {}),
    orgId: DEMO_ORGANISATION,
    workspaceId: "acme-main",
    name: `Demo ${role}`,
  };
}
