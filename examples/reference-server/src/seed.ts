import type { Auth } from "@portcullis/auth";

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
export async function seed(auth: Auth): Promise<boolean> {
  if (!(await auth.users.isEmpty())) return false;
  for (const [role, email] of Object.entries(DEMO_USERS)) {
    const made = await auth.createAccount({
      email,
      password: DEMO_PASSWORD,
      roles: [role],
      orgId: "acme",
      workspaceId: "acme-main",
      name: `Demo ${role}`,
    });
    // Another instance that starts at the same time may have made the account; anything else is a bug.
    if (made.kind !== "ok" && made.problem.status !== 409) throw new Error(`Could not seed ${email}: ${made.problem.detail}`);
  }
  return true;
}
