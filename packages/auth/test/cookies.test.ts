import { ConfigurationError, createApp, toFetchHandler, toOpenApi } from "@portcullis/core";
import { AuthError, authenticate, authRoutes, type AuthOptions, type CookieOptions } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createFixture, createFixtureWithAda, EMAIL, PASSWORD, PEPPER, SECRET, valueOf, withDeadPort } from "./auth-fixture.js";
import { type Answer, Browser, createCookieServer } from "./cookie-browser.js";

/** Name, value and attributes of each line, in order. */
function lines({ setCookies }: Answer): readonly (readonly [name: string, value: string, attributes: string])[] {
  return setCookies.map((line) => {
    const [, name = "", value = "", attributes = ""] = /^([^=]*)=([^;]*); (.*)$/.exec(line) ?? [];
    return [name, value, attributes];
  });
}

const GONE = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

describe("a browser with a cookie jar", () => {
  it("logs in, reads, changes, refreshes and leaves; no script sees a token", async () => {
    const { browser, auth, clock, faults } = await createCookieServer();
    const one = browser();
    expect((await one.call("GET", "/auth/me")).body).toMatchObject({ code: 1001 });
    const login = await one.logIn();
    expect(login.status).toBe(200);
    expect(login.body).toEqual({
      expires_in: 3600,
      refresh_expires_in: 2_592_000,
      csrf_token: await one.valueOf("__Host-csrf"),
      user: expect.objectContaining({ email: EMAIL }) as unknown,
    });
    expect(login.headers.get("cache-control")).toBe("no-store");
    const me = await one.call("GET", "/auth/me");
    expect(me).toMatchObject({ status: 200, body: { email: EMAIL, credential: "access_token" } });
    expect((await one.call("POST", "/auth/api-keys", { body: { name: "ci" } })).status).toBe(201);

    const before = [await one.valueOf("__Host-session"), await one.valueOf("__Secure-refresh"), await one.valueOf("__Host-csrf")];
    clock.advance(60_000);
    const refreshed = await one.call("POST", "/auth/refresh");
    expect(refreshed.status).toBe(200);
    expect(Object.keys(refreshed.body).toSorted()).toEqual(["csrf_token", "expires_in", "refresh_expires_in"]);
    const after = [await one.valueOf("__Host-session"), await one.valueOf("__Secure-refresh"), await one.valueOf("__Host-csrf")];
    for (const [index, value] of after.entries()) expect(value).not.toBe(before[index]);

    const session = String(after[0]);
    expect((await one.call("POST", "/auth/logout")).status).toBe(200);
    expect(await one.cookies()).toEqual([]);
    expect(await auth.verifyAccessToken(session)).toMatchObject({ kind: "denied", problem: { code: 1004 } });
    expect((await one.call("GET", "/auth/me")).body.code).toBe(1001);
    expect(faults).toEqual([]);
  });

  it("AUTH-S2 the refresh cookie goes to the routes of auth alone, none goes over plain HTTP", async () => {
    const { browser } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const names = async (url: string): Promise<readonly string[]> => (await one.jar.getCookies(url)).map(({ key }) => key).toSorted();
    expect(await names("https://app.example/")).toEqual(["__Host-csrf", "__Host-session"]);
    expect(await names("https://app.example/auth/refresh")).toEqual(["__Host-csrf", "__Host-session", "__Secure-refresh"]);
    expect(await names("https://app.example/authority")).toEqual(["__Host-csrf", "__Host-session"]);
    expect(await names("http://app.example/auth/refresh")).toEqual([]);
    expect(await names("https://sub.app.example/auth/refresh")).toEqual([]);
    expect((await one.cookies()).filter(({ httpOnly }) => !httpOnly).map(({ key }) => key)).toEqual(["__Host-csrf"]);
  });

  it("AUTH-S1 what a browser held before a login is overwritten, all of it", async () => {
    const { browser } = await createCookieServer();
    const one = browser();
    for (const [name, path] of [
      ["__Host-session", "/"],
      ["__Host-csrf", "/"],
      ["__Secure-refresh", "/auth"],
    ]) {
      await one.jar.setCookie(`${name}=planted; Path=${path}; Secure`, "https://app.example/auth/login");
    }
    expect((await one.logIn()).status).toBe(200);
    const values = (await one.cookies()).map(({ value }) => value);
    expect(values).toHaveLength(3);
    expect(values).not.toContain("planted");
    const first = new Set(values);
    await one.logIn();
    for (const { value } of await one.cookies()) expect(first).not.toContain(value);
  });

  it("AUTH-S1 a login with cookies ends the session whose cookies it overwrites, and only then", async () => {
    const { browser, auth, store, userId } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const first = String(await one.valueOf("__Host-session"));
    expect((await one.logIn({ password: "wrong horse battery" })).status).toBe(401);
    expect((await one.logIn({ delivery: "body" })).status).toBe(200);
    expect(
      (await one.call("POST", "/auth/login", { site: "same-site", body: { email: EMAIL, password: PASSWORD, delivery: "cookie" } })).status,
    ).toBe(403);
    expect((await auth.verifyAccessToken(first)).kind).toBe("ok");
    await one.logIn();
    expect(await auth.verifyAccessToken(first)).toMatchObject({ problem: { code: 1004 } });
    // Also where only the session cookie is left, and where planted cookies are in the way.
    const second = String(await one.valueOf("__Host-session"));
    await one.jar.setCookie("__Secure-refresh=x; Path=/auth; Secure", "https://app.example/auth/login");
    expect((await one.logIn()).status).toBe(200);
    expect(await auth.verifyAccessToken(second)).toMatchObject({ problem: { code: 1004 } });
    expect((await one.call("GET", "/auth/me")).status).toBe(200);
    await one.jar.setCookie("__Secure-refresh=x; Path=/auth/login; Secure", "https://app.example/auth/login");
    expect((await one.logIn()).status).toBe(200);
    expect(await store.sessions.list(userId)).not.toHaveLength(0);
  });

  it("AUTH-S1 a changed password sets all cookies anew, and the old ones are worth nothing", async () => {
    const { browser, auth } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const old = String(await one.valueOf("__Host-session"));
    const changed = await one.call("POST", "/auth/change-password", {
      body: { current_password: PASSWORD, new_password: "a new and longer one" },
    });
    expect(changed.status).toBe(200);
    expect(JSON.stringify(changed.body)).not.toContain("refresh_token");
    expect(changed.setCookies).toHaveLength(3);
    expect((await auth.verifyAccessToken(old)).kind).toBe("denied");
    expect((await one.call("GET", "/auth/me")).status).toBe(200);
    expect((await one.call("POST", "/auth/refresh")).status).toBe(200);
  });

  it("AUTH-S3 logout-all leaves no cookie either", async () => {
    const { browser } = await createCookieServer();
    const one = browser();
    await one.logIn();
    expect((await one.call("POST", "/auth/logout-all")).status).toBe(200);
    expect(await one.cookies()).toEqual([]);
  });

  it("a bad session cookie is taken away with its 401, so that refresh works behind a guard in front", async () => {
    const server = await createCookieServer({}, { guards: ({ auth }) => [authenticate(auth, { required: false })] });
    const one = server.browser();
    await one.logIn();
    await server.store.subjects.bump(server.userId, "claimsVersion");
    const refused = await one.call("GET", "/auth/me");
    expect(refused).toMatchObject({ status: 401, body: { code: 1003 } });
    expect(lines(refused)).toEqual([["__Host-session", "", `Path=/; Secure; HttpOnly; SameSite=Lax; ${GONE}`]]);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    expect((await one.call("POST", "/auth/refresh")).status).toBe(200);
    expect((await one.call("GET", "/auth/me")).status).toBe(200);
  });

  it("a dead session keeps nobody from logging in, refreshing or leaving behind a guard in front", async () => {
    const server = await createCookieServer({}, { guards: ({ auth }) => [authenticate(auth, { required: false })] });
    const one = server.browser();
    await one.jar.setCookie("__Host-session=dead.dead.dead; Path=/; Secure", "https://app.example/");
    expect((await one.logIn()).status).toBe(200);
    await one.jar.setCookie("__Host-session=dead.dead.dead; Path=/; Secure", "https://app.example/");
    expect((await one.call("POST", "/auth/refresh?x=1")).status).toBe(200);
    await one.jar.setCookie("__Host-session=dead.dead.dead; Path=/; Secure", "https://app.example/");
    expect((await one.call("POST", "/auth/logout")).status).toBe(200);
    expect(await one.cookies()).toEqual([]);
  });
});

describe("cookies as they are written", () => {
  it("AUTH-S2 names and flags are exactly these", async () => {
    const { browser } = await createCookieServer();
    expect(lines(await browser().logIn()).map(([name, , attributes]) => [name, attributes])).toEqual([
      ["__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600"],
      ["__Secure-refresh", "Path=/auth; HttpOnly; Secure; SameSite=Strict; Max-Age=2592000"],
      ["__Host-csrf", "Path=/; Secure; SameSite=Lax; Max-Age=2592000"],
    ]);
  });

  it("AUTH-S2 without HTTPS, in development: no prefix, no Secure", async () => {
    const { browser } = await createCookieServer({ cookies: { secure: false, development: true } }, { site: "http://localhost:3000" });
    const one = browser();
    expect(lines(await one.logIn()).map(([name, , attributes]) => [name, attributes])).toEqual([
      ["session", "Path=/; HttpOnly; SameSite=Lax; Max-Age=3600"],
      ["refresh", "Path=/auth; HttpOnly; SameSite=Strict; Max-Age=2592000"],
      ["csrf", "Path=/; SameSite=Lax; Max-Age=2592000"],
    ]);
    expect((await one.call("GET", "/auth/me")).status).toBe(200);
    expect((await one.call("POST", "/auth/refresh", { body: {} })).status).toBe(200);
    expect((await one.call("POST", "/auth/logout")).status).toBe(200);
    expect(await one.cookies()).toEqual([]);
  });

  it("AUTH-S2 without HTTPS, not in development: refused at the start", () => {
    for (const cookies of [{ secure: false }, { secure: false, development: false }]) {
      expect(() => createFixture({ cookies })).toThrow(/cookies\.secure/);
    }
  });

  it("a refresh does not lengthen the session's cookies beyond the session", async () => {
    const { browser, clock } = await createCookieServer({ sessions: { refreshTtlMs: 7_200_000 } });
    const one = browser();
    await one.logIn();
    clock.advance(5_400_000);
    expect(
      lines(await one.call("POST", "/auth/refresh")).map(([name, , attributes]) => [name, /Max-Age=(\d+)/.exec(attributes)?.[1]]),
    ).toEqual([
      ["__Host-session", "1800"],
      ["__Secure-refresh", "1800"],
      ["__Host-csrf", "1800"],
    ]);
  });

  it("AUTH-S3 logout takes each away with the very attributes it was set with, and the cookies of earlier configurations", async () => {
    const legacy = [{ name: "sid" }, { name: "__Secure-rt", path: "/api", domain: "app.example" }];
    const { browser } = await createCookieServer({ cookies: { legacy } });
    const one = browser();
    const old = [
      ["sid", "", `Path=/; Secure; ${GONE}`],
      ["__Secure-rt", "", `Path=/api; Domain=app.example; Secure; ${GONE}`],
    ];
    expect(lines(await one.logIn()).slice(0, 2)).toEqual(old);
    expect(lines(await one.call("POST", "/auth/logout"))).toEqual([
      ...old,
      ["__Host-session", "", `Path=/; Secure; HttpOnly; SameSite=Lax; ${GONE}`],
      ["__Secure-refresh", "", `Path=/auth; HttpOnly; Secure; SameSite=Strict; ${GONE}`],
      ["__Host-csrf", "", `Path=/; Secure; SameSite=Lax; ${GONE}`],
    ]);
  });

  it("AUTH-S5 a cookie of 4096 bytes is issued, one of 4097 throws and leaves no session", async () => {
    const plain = createFixture().auth;
    const seen = new Set<number>();
    // Base64url leaves out every fourth length: names of several lengths reach them all.
    for (const session of ["s", "se", "ses", "sess"]) {
      const { auth, store, userId } = await createFixtureWithAda({ cookies: { names: { session } } });
      for (let length = 2720; length < 2800; length += 1) {
        const subject = { userId, role: "x".repeat(length) };
        const size = `__Host-${session}`.length + (await plain.createTokenPair(subject)).accessToken.length;
        seen.add(size);
        const open = (await store.sessions.list(userId)).length;
        const issued = await auth.createTokenPair(subject).catch((error: unknown) => error);
        const isTooLarge = issued instanceof AuthError && issued.code === "token_too_large";
        expect([size, isTooLarge]).toEqual([size, size > 4096]);
        expect((await store.sessions.list(userId)).length - open).toBe(isTooLarge ? 0 : 1);
      }
    }
    expect([...seen]).toEqual(expect.arrayContaining([4095, 4096, 4097]));
  });

  it("AUTH-S5 a refresh whose cookie would be too long is a 500 that uses nothing up", async () => {
    const { browser, users, userId } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const account = await users.byId(userId);
    await users.update(userId, { roles: ["r".repeat(3100)] });
    expect(await one.call("POST", "/auth/refresh")).toMatchObject({ status: 500, setCookies: [] });
    await users.update(userId, { roles: account?.roles ?? [] });
    expect((await one.call("POST", "/auth/refresh")).status).toBe(200);
  });

  it("AUTH-S5 a login whose cookie would be too long is a 500 without a cookie", async () => {
    const { browser, auth, store, users, faults } = await createCookieServer();
    const account = valueOf(await auth.createAccount({ email: "eve@example.com", password: PASSWORD, roles: ["r".repeat(3100)] }));
    const login = await browser().logIn({ email: "eve@example.com" });
    expect(login).toMatchObject({ status: 500, setCookies: [] });
    expect(faults).toMatchObject([{ error: { code: "token_too_large" } }]);
    expect(await store.sessions.list(account.id)).toEqual([]);
    expect(await users.byId(account.id)).toBeDefined();
  });

  it.each([
    ["cookies", true],
    ["cookies", null],
    ["cookies.secure", { secure: "yes" }],
    ["cookies.development", { development: 1 }],
    ["cookies.refreshPath", { refreshPath: "auth" }],
    ["cookies.refreshPath", { refreshPath: "/auth/" }],
    ["cookies.refreshPath", { refreshPath: "/a;Domain=evil" }],
    ["cookies.names.session", { names: { session: "__Host-session" } }],
    ["cookies.names.refresh", { names: { refresh: "" } }],
    ["cookies.names.csrf", { names: { csrf: "a b" } }],
    ["cookies.names", { names: { session: "one", refresh: "one" } }],
    ["cookies.legacy", { legacy: {} }],
    ["cookies.legacy[0].name", { legacy: [{ name: "a=b" }] }],
    ["cookies.legacy[0].path", { legacy: [{ name: "a", path: "/; Secure" }] }],
    ["cookies.legacy[0].domain", { legacy: [{ name: "a", domain: "a;b" }] }],
    ["cookies.trustedOrigins", { trustedOrigins: "https://a.example" }],
    ["cookies.trustedOrigins[0]", { trustedOrigins: ["*"] }],
    ["cookies.trustedOrigins[0]", { trustedOrigins: ["null"] }],
    ["cookies.trustedOrigins[0]", { trustedOrigins: ["https://*.example.com"] }],
    ["cookies.trustedOrigins[1]", { trustedOrigins: ["https://a.example", "https://a.example/"] }],
    ["cookies.trustedOrigins[0]", { trustedOrigins: ["HTTPS://a.example"] }],
  ])("a wrong option is refused at the start and named: %s %j", (option, cookies) => {
    const create = (): unknown => createFixture({ cookies: cookies as unknown as CookieOptions });
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(`"${option}"`);
  });

  it("is described in OpenAPI: the CSRF route, a refresh that needs no body", () => {
    const { auth } = createFixture({ cookies: {} });
    const { paths } = toOpenApi(authRoutes(auth), {
      info: { title: "auth", version: "1" },
      toJsonSchema: (schema) => z.toJSONSchema(schema as z.ZodType, { io: "input" }) as never,
    }) as unknown as { paths: Record<string, Record<string, { requestBody?: { required: boolean } }>> };
    expect(paths["/auth/csrf"]?.["get"]).toBeDefined();
    expect(paths["/auth/refresh"]?.["post"]?.requestBody?.required).toBe(false);
    expect(paths["/auth/login"]?.["post"]?.requestBody?.required).toBe(true);
  });

  it("the refresh cookie's path is the routes' prefix, or the routes are not made", () => {
    const { auth } = createFixture({ cookies: {} });
    expect(authRoutes(auth)).toBeDefined();
    for (const prefix of ["/api/auth", "", "/Auth"]) expect(() => authRoutes(auth, { prefix })).toThrow(/refreshPath/);
    expect(authRoutes(createFixture({ cookies: { refreshPath: "/api/auth" } }).auth, { prefix: "/api/auth" })).toBeDefined();
    expect(authRoutes(createFixture({ cookies: { refreshPath: "/" } }).auth, { prefix: "" })).toBeDefined();
  });
});

describe("delivery", () => {
  it("without a word tokens go into the body, and no cookie is set", async () => {
    const { browser } = await createCookieServer();
    for (const more of [{ delivery: "body" }, { delivery: undefined }]) {
      const login = await browser().logIn(more);
      expect(login).toMatchObject({ status: 200, setCookies: [], body: { token_type: "Bearer" } });
    }
    expect((await browser().logIn({ delivery: "fragment" })).status).toBe(422);
  });

  it("cookies are asked for in vain where there are none", async () => {
    const { browser } = await createCookieServer({ cookies: undefined } as unknown as Partial<AuthOptions>);
    expect(await browser().logIn()).toMatchObject({
      status: 422,
      body: { code: 2002, errors: [{ pointer: "/delivery" }] },
      setCookies: [],
    });
  });

  it("a refresh token in the body is answered in the body, one in the cookie with cookies", async () => {
    const { browser, auth, userId } = await createCookieServer();
    const { refreshToken } = await auth.createTokenPair({ userId, role: "admin" });
    const bearer = await browser().call("POST", "/auth/refresh", { body: { refresh_token: refreshToken } });
    expect(bearer).toMatchObject({ status: 200, setCookies: [], body: { token_type: "Bearer" } });
    const one = browser();
    await one.logIn();
    for (const body of [undefined, {}]) {
      const answer = await one.call("POST", "/auth/refresh", { body });
      expect(answer.status).toBe(200);
      expect(answer.body).not.toHaveProperty("refresh_token");
    }
    const same = await one.call("POST", "/auth/refresh", { body: { refresh_token: await one.valueOf("__Secure-refresh") } });
    expect(same.body).not.toHaveProperty("refresh_token");
    expect(same.setCookies).toHaveLength(3);
  });

  it("a body and a cookie that differ are 400, and nothing was refreshed", async () => {
    const { browser, auth, userId } = await createCookieServer();
    const { refreshToken } = await auth.createTokenPair({ userId, role: "admin" });
    const one = browser();
    await one.logIn();
    for (const csrf of [true, false]) {
      const answer = await one.call("POST", "/auth/refresh", { body: { refresh_token: refreshToken }, csrf });
      expect(answer).toMatchObject({ status: 400, body: { code: 1007 }, setCookies: [] });
    }
    expect((await one.call("POST", "/auth/refresh")).status).toBe(200);
    expect((await auth.refresh(refreshToken)).kind).toBe("ok");
  });

  it("refresh with nothing is 401, with rubbish too", async () => {
    const { browser } = await createCookieServer();
    const one = browser();
    expect(await one.call("POST", "/auth/refresh")).toMatchObject({ status: 401, body: { code: 1001 } });
    expect(await one.call("POST", "/auth/refresh", { body: {} })).toMatchObject({ status: 401, body: { code: 1001 } });
    await one.jar.setCookie("__Secure-refresh=rubbish; Path=/auth; Secure", "https://app.example/auth/login");
    expect(await one.call("POST", "/auth/refresh")).toMatchObject({ status: 401, body: { code: 1002 } });
    // An access token is no refresh token, in a cookie neither.
    await one.logIn();
    await one.jar.setCookie(
      `__Secure-refresh=${await one.valueOf("__Host-session")}; Path=/auth; Secure`,
      "https://app.example/auth/login",
    );
    expect(await one.call("POST", "/auth/refresh")).toMatchObject({ status: 401, body: { code: 1002 } });
  });

  it("two refresh cookies are 401, 1013", async () => {
    const { handler, browser } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const refresh = String(await one.valueOf("__Secure-refresh"));
    const csrf = String(await one.valueOf("__Host-csrf"));
    const response = await handler(
      new Request("https://app.example/auth/refresh", {
        method: "POST",
        headers: { cookie: `__Secure-refresh=${refresh}; __Host-csrf=${csrf}; __Secure-refresh=x`, "x-csrf-token": csrf },
      }),
    );
    expect([response.status, await response.json()]).toMatchObject([401, { code: 1013 }]);
  });
});

describe("logout", () => {
  it("AUTH-S10 works with an expired access token by the refresh cookie, again and again, and leaves no cookie", async () => {
    const { browser, clock, store, userId, handler, events } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const cookies = await one.jar.getCookieString("https://app.example/auth/logout");
    const csrf = String(await one.valueOf("__Host-csrf"));
    clock.advance(3_600_000);
    const leave = async (): Promise<Response> =>
      handler(new Request("https://app.example/auth/logout", { method: "POST", headers: { cookie: cookies, "x-csrf-token": csrf } }));
    for (let round = 0; round < 3; round += 1) {
      const response = await leave();
      expect([response.status, response.headers.getSetCookie().length]).toEqual([200, 3]);
    }
    expect(await store.sessions.list(userId)).toEqual([]);
    expect(events.filter(({ kind }) => kind === "logout")).toHaveLength(1);
  });

  it("AUTH-S10 by the refresh cookie alone: the session ends and its access token with it", async () => {
    const { browser, auth } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const access = String(await one.valueOf("__Host-session"));
    await one.jar.setCookie("__Host-session=; Path=/; Secure; Max-Age=0", "https://app.example/");
    expect((await one.call("POST", "/auth/logout")).status).toBe(200);
    expect(await auth.verifyAccessToken(access)).toMatchObject({ problem: { code: 1004 } });
    expect(await one.cookies()).toEqual([]);
    expect((await one.call("POST", "/auth/logout")).status).toBe(200);
  });

  it("AUTH-S10 a forged logout ends nothing", async () => {
    const { browser, store, userId, clock } = await createCookieServer();
    const one = browser();
    await one.logIn();
    for (const expired of [false, true]) {
      if (expired) clock.advance(3_600_000);
      for (const sent of [{ csrf: false }, { site: "same-site" }, { site: "same-site", csrf: true }] as const) {
        const answer = await one.call("POST", "/auth/logout", { ...sent });
        expect(answer).toMatchObject({ status: 403, body: { code: 1104 } });
      }
    }
    expect(await one.call("POST", "/auth/logout", { site: "cross-site" })).toMatchObject({ status: 403, setCookies: [] });
    expect(await store.sessions.list(userId)).toHaveLength(1);
  });

  it("a bearer token is judged as before: a bad one is 401, a good one ends its own session", async () => {
    const { browser, auth, userId } = await createCookieServer();
    const { accessToken } = await auth.createTokenPair({ userId, role: "admin" });
    const one = browser();
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await one.call("POST", "/auth/logout", { headers })).status).toBe(200);
    expect(await one.call("POST", "/auth/logout", { headers })).toMatchObject({ status: 401, body: { code: 1004 } });
  });

  it("AUTH-G1 a store that does not answer is 503, and the cookies stay", async () => {
    const { browser, store, users, clock } = await createCookieServer();
    const one = browser();
    await one.logIn();
    for (const expired of [false, true]) {
      if (expired) clock.advance(3_600_000);
      const { auth } = createFixture({ cookies: {}, store: withDeadPort(store, "sessions", "rejects"), users, clock });
      const other = new Browser(async (request) => toFetchHandler(createApp({ routes: authRoutes(auth) }))(request), one.site, one.jar);
      expect(await other.call("POST", "/auth/logout")).toMatchObject({ status: 503, setCookies: [] });
      expect(await other.call("POST", "/auth/refresh")).toMatchObject({ status: 503, setCookies: [] });
    }
  });
});

describe("AUTH-G4", () => {
  it("no event, metric or fault has a token, a cookie or a secret", async () => {
    const { browser, events, counted, faults } = await createCookieServer();
    const one: Browser = browser();
    await one.logIn();
    const values = (await one.cookies()).map(({ value }) => value);
    await one.call("POST", "/auth/logout", { csrf: false });
    await one.call("POST", "/auth/logout", { site: "same-site" });
    await one.call("POST", "/auth/refresh");
    const seen = JSON.stringify([events, counted, faults]);
    for (const value of [...values, SECRET, PEPPER]) expect(seen).not.toContain(value.split(".").at(-1) ?? value);
    expect(events.filter(({ kind }) => kind === "csrf_refused")).toMatchObject([{ reason: "token" }, { reason: "cross_origin" }]);
    expect(counted.filter((line) => line.includes("csrf"))).toEqual([
      "auth_failures_total{csrf_token}",
      "auth_failures_total{csrf_cross_origin}",
    ]);
  });
});
