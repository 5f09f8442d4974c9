// Roles that a store keeps, not the token: who is given one that needs a second factor is asked for it on the very next request.
import { authenticate, createAuth, createUserDirectory, requireMfaForRoles } from "@portcullis/auth";
import { createApp, createMemoryStore, defineRoute, toFetchHandler } from "@portcullis/core";
import { loadAssignments } from "@portcullis/rbac";
import { expect, it } from "vitest";
import { openAssignments } from "./assignments-policy.js";

const secret = (purpose: string): string => `${purpose}-secret-0123456789-abcdefghijklmnop`;

it("AUTH-M2 a role assigned in the store counts on the next request of the same token, and taken away no longer", async () => {
  const store = createMemoryStore();
  const users = createUserDirectory({ store });
  const auth = createAuth({ store, users, secrets: secret("token"), apiKeyPeppers: secret("pepper"), mfa: { keys: secret("sealing") } });
  const { assignments } = openAssignments(store);
  const who = defineRoute({
    method: "GET",
    path: "/who",
    operationId: "who",
    summary: "Says that somebody was let in",
    guards: [authenticate(auth, { required: true }), loadAssignments(assignments), requireMfaForRoles(auth)],
    handle: () => Response.json({}),
  });
  const handler = toFetchHandler(createApp({ routes: [who] }));
  const subject = { userId: "ada", orgId: "acme", role: "member" };
  const plain = await auth.createTokenPair(subject);
  const proved = await auth.createTokenPair(subject, { amr: ["pwd", "otp", "mfa"], mfaAt: Date.now() });
  const statusOf = async ({ accessToken }: typeof plain) =>
    (await handler(new Request("http://localhost/who", { headers: { authorization: `Bearer ${accessToken}` } }))).status;

  expect([await statusOf(plain), await statusOf(proved)]).toEqual([200, 200]);
  const place = { subjectId: "ada", orgId: "acme" };
  await assignments.assign("program", { subjectId: "other", orgId: "acme" }, { role: "owner" });
  await assignments.assign("program", place, { role: "owner" });
  expect([await statusOf(plain), await statusOf(proved)]).toEqual([403, 200]);
  await assignments.revoke("program", place, { role: "owner" });
  expect([await statusOf(plain), await statusOf(proved)]).toEqual([200, 200]);
});
