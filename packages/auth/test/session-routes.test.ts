import { createApp, type Guard, type MemoryStore, StoreUnavailable, toFetchHandler } from "@portcullis/core";
import { authenticate, type AuthOptions, authRoutes } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";

type Json = Record<string, unknown>;

function serve(auth: ReturnType<typeof createFixture>["auth"], guards: readonly Guard[] = []) {
  const handler = toFetchHandler(createApp({ guards, routes: [...authRoutes(auth)] }));
  return async (method: string, path: string, options: { body?: unknown; token?: string; userAgent?: string } = {}) => {
    const { body, token, userAgent } = options;
    const headers = new Headers();
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (body !== undefined) headers.set("content-type", "application/json");
    if (userAgent !== undefined) headers.set("user-agent", userAgent);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request(`http://localhost/auth${path}`, { method, headers, ...(body === undefined ? {} : { body: text }) });
    const response = await handler(request);
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
  };
}

async function createServer(options: Partial<AuthOptions> = {}) {
  const fixture = await createFixtureWithAda(options);
  const call = serve(fixture.auth);
  async function login(userAgent = "Laptop/1") {
    const { body } = await call("POST", "/login", { body: { email: EMAIL, password: PASSWORD }, userAgent });
    return { access: String(body["access_token"]), refresh: String(body["refresh_token"]) };
  }
  return { ...fixture, call, login };
}

describe("the routes of sessions", () => {
  it("AUTH-S8 list, end one, end the others", async () => {
    const { auth, call, clock, login } = await createServer();
    const [phone, laptop, tablet] = [await login("Phone/1"), await login(), await login()];
    const list = await call("GET", "/sessions", { token: laptop.access });
    const sessions = list.body["sessions"] as Json[];
    expect(sessions).toHaveLength(3);
    expect(sessions[2]).toEqual({
      id: expect.stringMatching(/^[\w-]{24}$/),
      created_at: clock.now(),
      last_used_at: clock.now(),
      expires_at: clock.now() + 30 * 86_400_000,
      idle_ends_at: null,
      ip: null,
      user_agent: "Phone/1",
      amr: ["pwd"],
      current: false,
    });
    expect(sessions.map(({ current }) => current)).toEqual([false, true, false]);
    expect(list.headers.get("cache-control")).toBe("no-store");

    const phoneId = String(sessions[2]?.["id"]);
    expect((await call("DELETE", `/sessions/${phoneId}`, { token: laptop.access })).status).toBe(200);
    expect((await call("GET", "/me", { token: phone.access })).body["code"]).toBe(1004);
    const others = await call("POST", "/sessions/revoke-others", { token: laptop.access });
    expect(others.body).toEqual({ message: "Other sessions ended", sessions_ended: 1 });
    expect((await call("GET", "/me", { token: tablet.access })).body["code"]).toBe(1004);
    expect((await call("GET", "/me", { token: laptop.access })).status).toBe(200);
    expect((await auth.refresh(laptop.refresh)).kind).toBe("ok");
  });

  it("AUTH-S8 a foreign session and none are one 404; API keys and strangers see nothing", async () => {
    const { auth, call, login } = await createServer();
    const { access } = await login();
    const bobs = await auth.createTokenPair({ userId: "bob", role: "member" });
    const answers = [];
    for (const id of [bobs.sessionId, "nothing", "%00"]) answers.push(await call("DELETE", `/sessions/${id}`, { token: access }));
    for (const { status, body } of answers) expect({ status, body }).toEqual({ status: 404, body: answers[0]?.body });
    expect((await call("GET", "/me", { token: bobs.accessToken })).status).toBe(401); // no such account, but
    expect((await auth.verifyAccessToken(bobs.accessToken)).kind).toBe("ok");
    const { principal } = valueOf(await auth.verifyAccessToken(access));
    const { key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
    for (const [method, path] of [
      ["GET", "/sessions"],
      ["DELETE", "/sessions/x"],
      ["POST", "/sessions/revoke-others"],
    ] as const) {
      expect((await call(method, path, { token: key })).body["code"]).toBe(1101);
      expect((await call(method, path)).body["code"]).toBe(1001);
    }
  });

  it("AUTH-S7 a refused login is 403, without a lock or a delay", async () => {
    const { call } = await createServer({ sessions: { max: 1, whenFull: "refuse" } });
    const body = { email: EMAIL, password: PASSWORD };
    expect((await call("POST", "/login", { body })).status).toBe(200);
    for (let attempt = 0; attempt < 7; attempt += 1)
      expect(await call("POST", "/login", { body })).toMatchObject({ status: 403, body: { code: 1109 } });
  });
});

describe("POST /logout", () => {
  it("AUTH-S10 answers 200 for an access token that expired, and again, when a refresh token comes along", async () => {
    const { auth, call, clock, login } = await createServer();
    const { access, refresh } = await login();
    clock.advance(3_600_000);
    const without = await call("POST", "/logout", { token: access });
    expect(without).toMatchObject({ status: 401, body: { code: 1003 } });
    expect(without.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    for (const token of [access, access, undefined, "x.y.z"]) {
      const answer = await call("POST", "/logout", { body: { refresh_token: refresh }, ...(token === undefined ? {} : { token }) });
      expect(answer).toMatchObject({ status: 200, body: { message: "Logged out" } });
    }
    expect((await auth.refresh(refresh)).kind).toBe("denied");
  });

  it("AUTH-S10 so it does behind a guard in front of all routes, which turns the expired token away everywhere else", async () => {
    const { auth, clock, login } = await createServer();
    const { access, refresh } = await login();
    clock.advance(3_600_000);
    const body = { refresh_token: refresh };
    const lenient = serve(auth, [authenticate(auth, { required: false })]);
    for (const [method, path] of [
      ["GET", "/logout"],
      ["POST", "/logout/"],
      ["POST", "/Logout"],
      ["POST", "/../auth/logout/x"],
      ["POST", "/refresh/"],
      ["POST", "/Login"],
      ["GET", "/me"],
    ] as const) {
      expect((await lenient(method, path, { token: access, ...(method === "GET" ? {} : { body }) })).body["code"], path).toBe(1003);
    }
    expect((await lenient("POST", "/logout", { token: access })).body["code"]).toBe(1003);
    // Clients attach the token they have to every request, also to the one that gets the next: it is not looked at there.
    expect((await lenient("POST", "/login", { token: access, body: { email: EMAIL, password: "wrong horse" } })).body["code"]).toBe(1005);
    const refreshed = await lenient("POST", "/refresh", { token: access, body });
    expect(refreshed.status).toBe(200);
    body.refresh_token = String(refreshed.body["refresh_token"]);
    const strict = serve(auth, [authenticate(auth, { required: true })]);
    expect((await strict("POST", "/logout", { token: access, body })).body["code"]).toBe(1003);
    expect((await lenient("POST", "/logout?from=menu", { token: access, body })).status).toBe(200);
    expect((await auth.refresh(body.refresh_token)).kind).toBe("denied");
  });

  it("AUTH-S10 an access token that is good decides; twice is 200 with the refresh token", async () => {
    const { auth, call, login } = await createServer();
    const [one, two] = [await login(), await login()];
    expect((await call("POST", "/logout", { token: one.access, body: { refresh_token: two.refresh } })).status).toBe(200);
    expect((await auth.verifyAccessToken(one.access)).kind).toBe("denied");
    expect((await auth.verifyAccessToken(two.access)).kind).toBe("ok");
    expect((await call("POST", "/logout", { token: one.access })).body["code"]).toBe(1004);
    expect((await call("POST", "/logout", { token: one.access, body: { refresh_token: one.refresh } })).status).toBe(200);
  });

  it("AUTH-S10 what is no refresh token excuses nothing, and an API key closes no session", async () => {
    const { auth, call, login } = await createServer();
    const { access, refresh } = await login();
    for (const body of ["{", "[]", { refresh_token: 1 }, { refresh_token: "" }, { refresh_token: refresh, more: 1 }])
      expect((await call("POST", "/logout", { body })).body["code"]).toBe(1001);
    for (const token of [access, "nonsense"])
      expect((await call("POST", "/logout", { body: { refresh_token: token } })).body["code"]).toBe(1002);
    expect((await call("POST", "/logout", { body: { refresh_token: "x".repeat(20_000) } })).status).toBe(413);
    const { principal } = valueOf(await auth.verifyAccessToken(access));
    const { key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
    expect((await call("POST", "/logout", { token: key, body: { refresh_token: refresh } })).body["code"]).toBe(1101);
    expect((await auth.verifyAccessToken(access)).kind).toBe("ok");
  });
});

describe("POST /refresh", () => {
  it("AUTH-R10 AUTH-R12 a store that dies in the middle of the exchange is 503; sent again, it is answered, and nothing is cached", async () => {
    const fixture = await createServer();
    const { refresh } = await fixture.login();
    const dying = (store: MemoryStore): MemoryStore => ({
      ...store,
      sessions: wrapPort(store.sessions, (method, name) => async (...args) => {
        const answer = await method(...args);
        if (name === "rotate") throw new StoreUnavailable("sessions.rotate");
        return answer;
      }),
    });
    const { auth } = createFixture({ store: dying(fixture.store), users: fixture.users, clock: fixture.clock });
    const body = { refresh_token: refresh };
    expect(await serve(auth)("POST", "/refresh", { body })).toMatchObject({ status: 503, body: { code: 8002, retryable: true } });
    const [one, two] = [await fixture.call("POST", "/refresh", { body }), await serve(auth)("POST", "/refresh", { body })];
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(one.body["refresh_token"]).toBe(two.body["refresh_token"]);
    expect(one.body["expires_in"]).toBe(3600);
    for (const { headers } of [one, two]) expect([headers.get("cache-control"), headers.get("pragma")]).toEqual(["no-store", "no-cache"]);
  });
});
