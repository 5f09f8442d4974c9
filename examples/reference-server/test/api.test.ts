import { manifest, unguardedRoutes } from "@portcullis/rbac";
import { createMemoryStore, toFetchHandler } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createMember } from "../src/accounts.js";
import { parseConfig } from "../src/config.js";
import { createLogger } from "../src/logger.js";
import { createService, type Service } from "../src/service.js";
import { type ApiClient, createApiClient } from "../src/story/api-client.js";
import { logInAs, read } from "../src/story/story.js";
import { startService, type TestWorld } from "./start-service.js";

function serviceOfItsOwn(): Service {
  const secrets = {
    jwtSecrets: "abcdefgh".repeat(5),
    encryptionKeys: "0123456789abcdef".repeat(4),
    apiKeyPeppers: "ijklmnop".repeat(5),
    auditSigningKey: Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64"),
    mfaKeys: "qrstuvwx".repeat(5),
    generated: true,
  };
  return createService({
    config: parseConfig({}),
    secrets,
    store: createMemoryStore(),
    logger: createLogger({ logLevel: "silent" }),
    clock: createManualClock(0),
  });
}

describe("the API", () => {
  let world: TestWorld;
  let call: ApiClient;
  beforeAll(async () => {
    world = await startService("hono", "memory");
    call = createApiClient(world.url);
  });
  afterAll(() => world.close());

  it("is described by an OpenAPI document that changes only on purpose", async () => {
    const document = JSON.stringify(JSON.parse((await call("GET", "/openapi.json")).text), undefined, 2);
    await expect(`${document}\n`).toMatchFileSnapshot("openapi.snapshot.json");
  });

  it("guards every route that changes something, but for those that act on the caller's own account", () => {
    const { app, guardingThemselves } = serviceOfItsOwn();
    const open = unguardedRoutes(manifest(app.routes)).map(({ operationId }) => operationId);
    expect(guardingThemselves).toEqual(expect.arrayContaining(open));
    // Besides what proves who somebody is, there are two.
    expect(open.filter((id) => !id.startsWith("auth")).toSorted()).toEqual(["activateRole", "deactivateRole"]);
  });

  it("AUTH-M2 asks for a second factor by role in every route of the API but those that lead to one, or out", () => {
    const asks = serviceOfItsOwn().app.routes.filter(({ guards }) => !guards.some(({ name }) => name === "require-mfa-for-roles"));
    expect(asks.map(({ operationId }) => operationId).toSorted()).toMatchInlineSnapshot(`
      [
        "authConfirmEmail",
        "authConfirmPasswordReset",
        "authCsrf",
        "authLogin",
        "authLogout",
        "authMe",
        "authMfaEnroll",
        "authMfaStatus",
        "authMfaVerify",
        "authRefresh",
        "authRequestEmailVerification",
        "authRequestPasswordReset",
        "authRevokeToken",
        "docs",
        "docsStyle",
        "health",
        "loginPage",
        "loginScript",
        "loginStyle",
        "metrics",
        "openapi",
      ]
    `);
  });

  it("puts the correlation id into the response, the problem, the log and the audit trail", async () => {
    const headers = { "x-request-id": "trace-4711" };
    const answer = await call("GET", "/api/workflows", { headers });
    expect([answer.status, answer.headers.get("x-request-id"), answer.json?.errorDetail?.["instance"]]).toEqual([
      401,
      "trace-4711",
      "trace-4711",
    ]);
    expect(world.lines.some((line) => line.includes('"requestId":"trace-4711"'))).toBe(true);
    const token = await logInAs(call, "owner");
    const { events } = read(
      await call("GET", "/api/audit?limit=200", { token }),
      200,
      z.object({ events: z.array(z.object({ correlationId: z.string().optional() })) }),
    );
    expect(events.some(({ correlationId }) => correlationId === "trace-4711")).toBe(true);
  });

  it("answers with the envelope, or with the bare problem to those who ask for it", async () => {
    expect((await call("GET", "/nothing")).json).toMatchObject({ data: null, success: false, errorDetail: { code: 3001 } });
    const bare = await call("GET", "/nothing", { headers: { accept: "application/problem+json" } });
    expect([bare.headers.get("content-type"), JSON.parse(bare.text)]).toEqual([
      "application/problem+json",
      expect.objectContaining({ code: 3001, status: 404 }),
    ]);
  });

  it("sends what its documentation describes: every documented answer is in the envelope, a list with its page", async () => {
    const token = await logInAs(call, "owner");
    const { routes } = serviceOfItsOwn().app;
    for (const path of ["/api/health", "/api/auth/me", "/api/auth/api-keys", "/api/workflows", "/api/system/rate-limits"]) {
      const schema = routes.find((route) => route.method === "GET" && route.path === path)?.responses[200]?.schema;
      const answer: unknown = JSON.parse((await call("GET", path, { token })).text);
      expect(schema instanceof z.ZodObject && schema.strict().parse(answer), path).toMatchObject({ success: true });
    }
    expect(JSON.parse((await call("GET", "/api/approvals", { token })).text)).toMatchObject({ data: [], pagination: { limit: 50 } });
  });

  it("shows metrics by bounded labels, and its health", async () => {
    const metrics = await call("GET", "/api/metrics");
    expect(metrics.text).toContain("portcullis_rate_limit_checks_total");
    expect(metrics.text).toContain("portcullis_audit_events_total");
    expect(metrics.text).not.toMatch(/acme|@/);
    expect(read(await call("GET", "/api/health"), 200, z.object({ status: z.literal("ok") })).status).toBe("ok");
  });

  it("keeps workspaces apart and revisions honest", async () => {
    const token = await logInAs(call, "member");
    const body = { name: "W", steps: [{ tool: "math.sum", input: { values: [1, 2] } }] };
    const { id } = read(await call("POST", "/api/workflows", { token, body }), 201, z.object({ id: z.string() }));
    const put = (expectedRevision: number, headers: Record<string, string> = {}) =>
      call("PUT", `/api/workflows/${id}`, { token, body: { ...body, name: "W2", expectedRevision }, headers });
    expect((await put(1, { "if-match": '"9"' })).json?.errorDetail?.code).toBe(4002);
    const changed = await Promise.all(Array.from({ length: 20 }, () => put(1)));
    expect(changed.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(changed.filter(({ status }) => status === 409)).toHaveLength(19);
    expect((await call("GET", "/api/workflows/unknown", { token })).status).toBe(404);
  });

  it("shows an admin the audit events of the own workspace only, and the whole log to who runs the service", async () => {
    const { app, auth, assignments } = serviceOfItsOwn();
    const handler = toFetchHandler(app);
    const enter = async (name: string, role: string, workspaceId: string): Promise<(path: string) => Promise<Response>> => {
      const account = {
        email: `${name}@example.com`,
        password: "correct horse battery",
        name,
        role,
        orgId: workspaceId,
        workspaceId,
      };
      expect((await createMember({ auth, assignments }, account)).kind).toBe("ok");
      const login = await auth.login(account);
      const authorization = `Bearer ${login.kind === "ok" ? login.value.tokens.accessToken : ""}`;
      return async (path) => handler(new Request(`http://localhost${path}`, { headers: { authorization } }));
    };
    const [here, there, owner] = [
      await enter("ada", "admin", "here"),
      await enter("bob", "admin", "there"),
      await enter("eve", "owner", "there"),
    ];
    await (await here("/api/workflows")).text();
    const workspaces = async (get: (path: string) => Promise<Response>): Promise<readonly unknown[]> => {
      const answer = JSON.parse(await (await get("/api/audit?limit=200")).text()) as {
        readonly data: { readonly events: readonly { readonly workspaceId?: string }[] };
      }; // what auditRoutes answers
      return [...new Set(answer.data.events.map(({ workspaceId }) => workspaceId))];
    };
    expect(await workspaces(there)).toEqual(["there"]);
    expect((await there("/api/audit?workspace_id=here")).status).toBe(403);
    expect((await there("/api/audit/verify")).status).toBe(403);
    expect(await (await there("/api/audit/export?format=ndjson")).text()).not.toContain('"workspaceId":"here"');
    expect(await workspaces(owner)).toContain("here");
    expect((await owner("/api/audit/verify")).status).toBe(200);
  });

  it("of a risky workflow that changed after the approval runs nothing", async () => {
    const [member, admin] = [await logInAs(call, "member"), await logInAs(call, "admin")];
    const body = { name: "R", steps: [{ tool: "email.send", input: { to: "a@example.com" } }] };
    const { id } = read(await call("POST", "/api/workflows", { token: member, body }), 201, z.object({ id: z.string() }));
    const execute = { token: member, body: { expectedRevision: 1 } };
    const asked = await call("POST", `/api/workflows/${id}/execute`, execute);
    const location = asked.headers.get("location") ?? "";
    expect((await call("POST", `${location}/approve`, { token: admin, body: {} })).status).toBe(200);
    await call("PUT", `/api/workflows/${id}`, {
      token: member,
      body: { ...body, steps: [{ tool: "records.purge" }], expectedRevision: 1 },
    });
    const answer = await call("POST", `/api/workflows/${id}/execute`, {
      ...execute,
      headers: { "approval-id": location.split("/").at(-1) ?? "" },
    });
    expect([answer.status, answer.json?.errorDetail?.code]).toEqual([409, 4002]);
  });

  it("a revision that is yet to be written cannot be approved ahead", async () => {
    const member = await logInAs(call, "member");
    const body = { name: "T", steps: [{ tool: "email.send", input: { to: "a@example.com" } }] };
    const { id } = read(await call("POST", "/api/workflows", { token: member, body }), 201, z.object({ id: z.string() }));
    const ahead = await call("POST", `/api/workflows/${id}/execute`, { token: member, body: { expectedRevision: 2 } });
    expect([ahead.status, ahead.json?.errorDetail?.code, ahead.headers.get("location")]).toEqual([409, 4002, null]);
  });

  it("the requester cannot approve, nor can somebody without the permission", async () => {
    const [member, admin, viewer] = [await logInAs(call, "member"), await logInAs(call, "admin"), await logInAs(call, "viewer")];
    const { id } = read(
      await call("POST", "/api/workflows", { token: admin, body: { name: "S", steps: [{ tool: "email.send" }] } }),
      201,
      z.object({ id: z.string() }),
    );
    const asked = await call("POST", `/api/workflows/${id}/execute`, { token: admin, body: { expectedRevision: 1 } });
    const approve = `${asked.headers.get("location")}/approve`;
    expect((await call("POST", approve, { token: admin, body: {} })).json?.errorDetail?.code).toBe(1106);
    expect((await call("POST", approve, { token: viewer, body: {} })).status).toBe(404);
    expect((await call("POST", approve, { token: member, body: {} })).status).toBe(404);
  });
});
