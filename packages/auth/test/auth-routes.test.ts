import { ConfigurationError, correlationId, createApp, toFetchHandler, toOpenApi } from "@portcullis/core";
import { authenticate, authRoutes, type AuthOptions } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createFixture, EMAIL, OLD_SECRET, PASSWORD, PEPPER, SECRET, valueOf } from "./auth-fixture.js";

const SETUP_TOKEN = "setup-token-0123456789-abcdefghijklm";

type Json = Record<string, unknown>;

function createServer(options: Partial<AuthOptions> = {}) {
  const fixture = createFixture(options);
  const faults: unknown[] = [];
  const bodies: string[] = [];
  const handler = toFetchHandler(
    createApp({
      guards: [correlationId(), authenticate(fixture.auth, { required: false, mustChangePassword: "allow" })],
      routes: [...authRoutes(fixture.auth, { prefix: "/api/auth", setup: { token: SETUP_TOKEN, roles: ["admin"] } })],
      onFault: (fault) => faults.push(fault),
    }),
  );
  async function call(method: string, path: string, body?: unknown, credential?: string) {
    const response = await handler(
      new Request(`http://localhost/api/auth${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    bodies.push(text);
    return { status: response.status, headers: response.headers, body: (text === "" ? {} : JSON.parse(text)) as Json };
  }
  return { ...fixture, call, faults, bodies };
}

async function createServerWithAda(options: Partial<AuthOptions> = {}) {
  const server = createServer(options);
  const setup = await server.call("POST", "/setup", { setup_token: SETUP_TOKEN, email: EMAIL, password: PASSWORD, name: "Ada" });
  expect(setup.status).toBe(201);
  const login = await server.call("POST", "/login", { email: EMAIL, password: PASSWORD });
  return { ...server, login, access: String(login.body.access_token), refresh: String(login.body.refresh_token) };
}

describe("the routes of authentication", () => {
  it("setup, login, me", async () => {
    const { call, login, access } = await createServerWithAda();
    expect(login.status).toBe(200);
    expect(login.body).toMatchObject({
      token_type: "Bearer",
      expires_in: 3600,
      refresh_expires_in: 2_592_000,
      user: { email: EMAIL, roles: ["admin"] },
    });
    const me = await call("GET", "/me", undefined, access);
    expect(me.body).toMatchObject({ email: EMAIL, name: "Ada", roles: ["admin"], credential: "access_token", must_change_password: false });
    const again = await call("POST", "/setup", { setup_token: SETUP_TOKEN, email: "eve@example.com", password: PASSWORD });
    expect(again.status).toBe(409);
  });

  it("AUTH-R12 whatever carries tokens or secrets is kept by no cache", async () => {
    const { call, login, access, refresh } = await createServerWithAda();
    const answers = [
      login,
      await call("POST", "/refresh", { refresh_token: refresh }),
      await call("POST", "/api-keys", { name: "ci" }, access),
    ];
    for (const { headers } of answers) expect([headers.get("cache-control"), headers.get("pragma")]).toEqual(["no-store", "no-cache"]);
  });

  it("refresh rotates, and a replay after the grace closes the session", async () => {
    const { call, clock, refresh } = await createServerWithAda();
    const next = await call("POST", "/refresh", { refresh_token: refresh });
    expect(next.status).toBe(200);
    expect((await call("POST", "/refresh", { refresh_token: refresh })).body.refresh_token).toBe(next.body.refresh_token);
    clock.advance(10_000);
    const replay = await call("POST", "/refresh", { refresh_token: refresh });
    expect(replay).toMatchObject({ status: 401, body: { code: 1008 } });
    expect((await call("GET", "/me", undefined, String(next.body.access_token))).body.code).toBe(1004);
  });

  it("logout ends this session", async () => {
    const { call, access } = await createServerWithAda();
    expect((await call("POST", "/logout", undefined, access)).status).toBe(200);
    const after = await call("GET", "/me", undefined, access);
    expect(after).toMatchObject({ status: 401, body: { code: 1004 } });
    expect(after.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  });

  it("logout-all answers with the new token version", async () => {
    const { call, access } = await createServerWithAda();
    const answer = await call("POST", "/logout-all", undefined, access);
    expect(answer.body).toEqual({ message: "All sessions terminated", sessions_invalidated: true, token_version: 2 });
    expect((await call("GET", "/me", undefined, access)).status).toBe(401);
  });

  it("change-password ends the old tokens and gives new ones", async () => {
    const { call, access } = await createServerWithAda();
    const changed = await call("POST", "/change-password", { current_password: PASSWORD, new_password: "a new and longer one" }, access);
    expect(changed.status).toBe(200);
    expect((await call("GET", "/me", undefined, access)).body.code).toBe(1004);
    expect((await call("GET", "/me", undefined, String(changed.body.access_token))).status).toBe(200);
  });

  it("AUTH-L2 a lock is 429 with whole seconds, the same bytes for accounts that do not exist", async () => {
    const { call, clock } = await createServerWithAda({ lockout: { threshold: 2 } });
    const answers: Awaited<ReturnType<typeof call>>[][] = [];
    for (const email of [EMAIL, "nobody@example.com"]) {
      const round = [];
      for (let tries = 0; tries < 3; tries += 1) round.push(await call("POST", "/login", { email, password: "wrong horse battery" }));
      answers.push(round);
    }
    clock.advance(1);
    const seen = answers.map((round) =>
      round.map(({ status, headers, body: { correlation_id: _one, instance: _two, ...body } }) => [
        status,
        headers.get("retry-after"),
        body,
      ]),
    );
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]?.map(([status]) => status)).toEqual([401, 401, 429]);
    expect(seen[0]?.[2]?.[1]).toBe("900");
  });

  it("must_change_password leaves me, logout and change-password", async () => {
    const { call, auth } = createServer();
    valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["member"], mustChangePassword: true }));
    const login = await call("POST", "/login", { email: EMAIL, password: PASSWORD });
    const access = String(login.body.access_token);
    expect(login.body.user).toMatchObject({ must_change_password: true });
    expect((await call("GET", "/me", undefined, access)).status).toBe(200);
    for (const [method, path] of [
      ["GET", "/api-keys"],
      ["POST", "/logout-all"],
      ["DELETE", "/api-keys/x"],
    ] as const) {
      expect((await call(method, path, undefined, access)).body.code).toBe(1103);
    }
    const changed = await call("POST", "/change-password", { current_password: PASSWORD, new_password: "a new and longer one" }, access);
    expect((await call("GET", "/api-keys", undefined, String(changed.body.access_token))).status).toBe(200);
  });

  it("AUTH-K6 AUTH-K9 API keys: created once visible, listed, ended; a key does none of it and closes no session", async () => {
    const { call, access } = await createServerWithAda();
    expect((await call("POST", "/api-keys", { name: "ci", owner_id: "eve" }, access)).status).toBe(422);
    const created = await call("POST", "/api-keys", { name: "ci", roles: ["admin"], ttl_seconds: 60 }, access);
    expect(created.status).toBe(201);
    const key = String(created.body.key);
    expect((await call("GET", "/me", undefined, key)).body).toMatchObject({ email: EMAIL, credential: "api_key", session_id: null });
    for (const [method, path, body] of [
      ["POST", "/api-keys", { name: "child" }],
      ["GET", "/api-keys", undefined],
      ["DELETE", `/api-keys/${String(created.body.id)}`, undefined],
      ["POST", "/logout", undefined],
      ["POST", "/logout-all", undefined],
      ["POST", "/change-password", { current_password: PASSWORD, new_password: "a new and longer one" }],
    ] as const) {
      expect((await call(method, path, body, key)).body.code, path).toBe(1101);
    }
    const list = await call("GET", "/api-keys", undefined, access);
    expect(list.body).toMatchObject({ api_keys: [{ id: created.body.id, name: "ci", roles: ["admin"], revoked_at: null }] });
    expect(JSON.stringify(list.body)).not.toContain(key);
    expect((await call("DELETE", `/api-keys/${String(created.body.id)}`, undefined, access)).status).toBe(200);
    expect((await call("DELETE", `/api-keys/${String(created.body.id)}`, undefined, access)).status).toBe(404);
    expect((await call("GET", "/me", undefined, key)).body.code).toBe(1009);
  });

  it("AUTH-L2 a lock is 429 with Retry-After, the same for accounts there are and there are not", async () => {
    const { call } = await createServerWithAda({ lockout: { threshold: 1, durationMs: 90_000 } });
    const answers = [];
    for (const email of [EMAIL, "nobody@example.com"]) {
      expect((await call("POST", "/login", { email, password: "wrong horse battery" })).status).toBe(401);
      const locked = await call("POST", "/login", { email, password: PASSWORD });
      expect([locked.status, locked.headers.get("retry-after")]).toEqual([429, "90"]);
      answers.push({ ...locked.body, instance: undefined });
    }
    expect(answers[0]).toEqual(answers[1]);
  });

  it("bad input is a 4xx that names the field, and no guard is asked twice", async () => {
    const { call, access, faults } = await createServerWithAda();
    expect((await call("POST", "/login", { email: EMAIL })).body).toMatchObject({ code: 2002 });
    expect((await call("POST", "/login", { email: EMAIL, password: PASSWORD, role: "owner" })).status).toBe(422);
    expect((await call("POST", "/login")).status).toBe(400);
    expect((await call("POST", "/login", { email: EMAIL, password: "x".repeat(20_000) })).status).toBe(413);
    expect((await call("POST", "/refresh", { refresh_token: 1 })).status).toBe(422);
    expect((await call("POST", "/refresh", { refresh_token: "nonsense" })).body.code).toBe(1002);
    expect((await call("POST", "/change-password", { current_password: PASSWORD, new_password: "short" }, access)).body).toMatchObject({
      code: 2002,
      errors: [{ pointer: "/new_password" }],
    });
    expect((await call("POST", "/setup", { setup_token: "wrong", email: EMAIL, password: PASSWORD })).status).toBe(403);
    expect((await call("GET", "/me")).body.code).toBe(1001);
    expect(faults).toEqual([]);
  });

  it("AUTH-G4 nothing secret is in events, metrics, problems or the store", async () => {
    const canaries = [SECRET, PEPPER, SETUP_TOKEN, PASSWORD];
    const server = await createServerWithAda();
    const { call, access, refresh, events, counted, store, userId } = { ...server, userId: String((server.login.body.user as Json).id) };
    const created = await call("POST", "/api-keys", { name: "ci" }, access);
    const shown = [server.login, created, await call("POST", "/refresh", { refresh_token: refresh })];
    for (const { body } of shown)
      canaries.push(...[body.access_token, body.refresh_token, body.key].filter((value) => typeof value === "string"));
    server.bodies.length = 0;
    server.clock.advance(10_000);
    await call("POST", "/refresh", { refresh_token: refresh });
    await call("POST", "/login", { email: EMAIL, password: `${PASSWORD}x` });
    await call("POST", "/login", { email: PASSWORD, password: PASSWORD });
    await call("GET", "/me", undefined, `${access}x`);
    await call("GET", "/me", undefined, `${String(created.body.key)}x`);
    await call("POST", "/setup", { setup_token: `${SETUP_TOKEN}x`, email: EMAIL, password: PASSWORD });
    await call("POST", "/logout", undefined, access);
    const seen = JSON.stringify([
      events,
      counted,
      server.bodies,
      server.faults,
      await store.sessions.list(userId),
      await store.apiKeys.list(userId),
      await store.records.list("auth-users", { scope: "users", limit: 10 }),
    ]);
    expect(canaries.length).toBe(9);
    for (const canary of canaries) {
      expect(seen).not.toContain(canary);
      // The part that is secret in itself: a token's signature, a key's secret.
      const [, , signature = canary] = canary.split(".");
      expect(seen).not.toContain(signature);
    }
    expect(seen).not.toContain(String(created.body.key).split("_")[3]);
  });

  it("is described in OpenAPI with schemas for every body", () => {
    const { auth } = createFixture();
    const document = JSON.stringify(
      toOpenApi(authRoutes(auth), {
        info: { title: "auth", version: "1" },
        toJsonSchema: (schema) => z.toJSONSchema(schema as z.ZodType, { io: "input" }) as never,
      }),
    );
    for (const text of ["/auth/login", "refresh_token", "sessions_invalidated", "last_four"]) expect(document).toContain(text);
    expect(document).not.toContain("/auth/setup");
  });

  it("the prefix is a path, the setup token a secret", () => {
    const { auth } = createFixture();
    expect(authRoutes(auth, { prefix: "" })[0]?.path).toBe("/login");
    for (const prefix of ["auth", "/auth/", "/:id", "/a b"]) expect(() => authRoutes(auth, { prefix })).toThrow(ConfigurationError);
    expect(() => authRoutes(auth, { setup: { token: "short", roles: [] } })).toThrow(ConfigurationError);
    expect(authRoutes(auth, { setup: { token: OLD_SECRET, roles: [] } })).toHaveLength(authRoutes(auth).length + 1);
  });
});
