import { createApp, toFetchHandler } from "@portcullis/core";
import { approvalRoutes } from "@portcullis/approvals";
import { describe, expect, it } from "vitest";
import { fixture, type Fixture, identify, operation, outcomeOf, policy } from "./approvals-fixture.js";

type Outcome = Awaited<ReturnType<typeof outcomeOf>>;

function inbox(): Fixture & { readonly call: (user: string, target: string, body?: object) => Promise<Outcome> } {
  const made = fixture({ prefix: "/v1" });
  const handler = toFetchHandler(createApp({ routes: approvalRoutes(made.approvals, { guards: [identify] }) }));
  const call = (user: string, target: string, body?: object): Promise<Outcome> =>
    outcomeOf(
      handler(
        new Request(`http://localhost/v1/approvals${target}`, {
          headers: { "x-user": user, "content-type": "application/json" },
          ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
        }),
      ),
    );
  return { ...made, call };
}
const asked = { riskLevel: "HIGH", operationType: "database:drop", description: "Drop staging", ttlSeconds: 60 };

describe("the approvals routes", () => {
  it("ask, list, look, approve", async () => {
    const { call, clock } = inbox();
    const { status, headers, body } = await call("ada", "", { ...asked, input: { table: "users", token: "t0ken" } });
    expect([status, headers.get("location"), body.status]).toEqual([201, `/v1/approvals/${body.id}`, "PENDING"]);
    // With the rest shown, a redacted PIN could be tried against it.
    expect(body).not.toHaveProperty("digest");
    expect(body).toMatchObject({
      expiresAt: new Date(clock.now() + 60_000).toISOString(),
      request: { input: { table: "users", token: "[redacted]" } },
    });
    expect((await call("ada", "", { ...asked, input: { table: "users", token: "t0ken" } })).status).toBe(200);
    expect((await call("bob", "?limit=1")).body).toMatchObject({ data: [{ id: body.id }], pagination: { limit: 1 } });
    expect((await call("bob", `/${body.id}/approve`, {})).body).toMatchObject({ status: "APPROVED", decision: { by: "bob" } });
    expect((await call("ada", `/${body.id}`)).body).toMatchObject({ status: "APPROVED" });
    expect((await call("bob", "")).body).toEqual({ data: [], pagination: { limit: 50 } });
  });

  it("what was asked over HTTP runs through gate, exactly as asked", async () => {
    const { call, approvals } = inbox();
    const { body } = await call("ada", "", { ...asked, input: { table: "users" } });
    await call("bob", `/${body.id}/resolve`, { decision: "approve" });
    const same = { ...operation, approvalId: body.id };
    expect(await approvals.gate({ ...same, input: { table: "accounts" } }, () => 1)).toMatchObject({
      kind: "refused",
      problem: { code: 4004 },
    });
    expect(await approvals.gate({ ...same, input: { table: "users" } }, () => 1)).toMatchObject({ kind: "executed" });
  });

  it("APR-6 reject wants a reason", async () => {
    const { call } = inbox();
    const { body } = await call("ada", "", asked);
    expect(await call("bob", `/${body.id}/reject`, {})).toMatchObject({ status: 422, body: { code: 2008 } });
    expect(await call("bob", `/${body.id}/reject`, { notes: "No" })).toMatchObject({
      status: 200,
      body: { status: "DENIED", decision: { notes: "No" } },
    });
    expect(await call("bob", `/${body.id}/approve`, {})).toMatchObject({
      status: 409,
      body: { code: 4006, status: 409, approvalId: body.id },
    });
  });

  it("APR-10 refuses the requester, and cancels for it only", async () => {
    const { call } = inbox();
    const { body } = await call("ada-key", "", asked);
    expect(await call("ada-key", `/${body.id}/approve`, {})).toMatchObject({ status: 403, body: { code: 1106 } });
    expect((await call("bob", `/${body.id}/cancel`, {})).status).toBe(403);
    expect((await call("ada", `/${body.id}/cancel`, { reason: "Typo" })).body).toMatchObject({
      status: "CANCELLED",
      closing: { by: "ada", reason: "Typo" },
    });
  });

  it("APR-3 another workspace's approval answers exactly as one that never was, and so does one that is not for these eyes", async () => {
    const { call } = inbox();
    const { body } = await call("ada", "", asked);
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/approve"],
      ["POST", "/reject"],
      ["POST", "/cancel"],
    ] as const) {
      const content = method === "GET" ? undefined : {};
      const unknown = await call("bob", `/unknown${path}`, content);
      expect(unknown.status).toBe(404);
      for (const user of ["bob-elsewhere", "ada-elsewhere", "eve"])
        expect((await call(user, `/${body.id}${path}`, content)).body).toEqual(unknown.body);
    }
  });

  it("nothing is decided by GET, without credentials, or with a body that says more", async () => {
    const { call } = inbox();
    const { body } = await call("ada", "", asked);
    expect((await call("bob", `/${body.id}/approve`)).status).toBe(405);
    expect((await call("nobody", `/${body.id}/approve`, {})).status).toBe(401);
    expect((await call("bob", `/${body.id}/approve`, { notes: "ok", by: "eve" })).status).toBe(422);
    expect((await call("ada", "", { ...asked, ttlSeconds: 59 })).status).toBe(422);
    expect((await call("ada", "", { ...asked, metadata: { a: 1 } })).status).toBe(422);
  });

  it("do not mount without a guard that authenticates", () => {
    expect(() => approvalRoutes(fixture({ policy }).approvals, { guards: [] })).toThrow(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });
});
