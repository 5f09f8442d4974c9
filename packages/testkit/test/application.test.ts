import { createApp, defineRoute, type Guard, principalFact, problems, toFetchHandler } from "@portcullis/core";
import { allowAll, authenticateAs, denyAll, principal } from "@portcullis/testkit";
import { describe, expect, test } from "vitest";

async function answerOf(guards: readonly Guard[]): Promise<{ readonly status: number; readonly body: unknown }> {
  const who = defineRoute({
    method: "GET",
    path: "/who",
    operationId: "who",
    summary: "Says who calls",
    handle: (_request, { facts }) => Response.json(facts.get(principalFact)?.id ?? null),
  });
  const response = await toFetchHandler(createApp({ guards, routes: [who] }))(new Request("http://localhost/who"));
  return { status: response.status, body: await response.json() };
}

describe("principal", () => {
  test("is a user without rights by default, complete and frozen", () => {
    const user = principal();
    expect(user).toMatchObject({ type: "user", roles: [], orgRoles: [], scopes: undefined, mfaAt: undefined, mustChangePassword: false });
    expect([user, user.roles, user.orgRoles].every((part) => Object.isFrozen(part))).toBe(true);
  });

  test("has what the test cares about, of every kind", () => {
    expect(principal({ roles: ["admin"], mfaAt: 5 })).toMatchObject({ type: "user", roles: ["admin"], mfaAt: 5 });
    expect(principal({ type: "service", name: "billing" })).toMatchObject({ type: "service", name: "billing", authMethod: "token" });
    expect(principal({ type: "apiKey", ownerId: "ada", scopes: ["a.b"] })).toMatchObject({
      type: "apiKey",
      ownerId: "ada",
      scopes: ["a.b"],
    });
    expect(principal({ type: "system" })).toMatchObject({ type: "system", audience: "test" });
  });

  test("does not follow what it was made from", () => {
    const roles = ["viewer"];
    const user = principal({ roles });
    roles.push("owner");
    expect(user.roles).toEqual(["viewer"]);
  });
});

describe("stand-ins", () => {
  test("authenticateAs makes every request the principal's", async () => {
    expect(await answerOf([authenticateAs(principal({ id: "ada" }))])).toEqual({ status: 200, body: "ada" });
  });

  test("allowAll lets pass, denyAll does not", async () => {
    expect(await answerOf([allowAll()])).toEqual({ status: 200, body: null });
    expect(await answerOf([denyAll()])).toMatchObject({ status: 403, body: { code: 1101 } });
    expect(await answerOf([denyAll(problems.notFound())])).toMatchObject({ status: 404, body: { code: 3001 } });
  });
});
