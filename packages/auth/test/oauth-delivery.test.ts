import { createHash } from "node:crypto";
import type { AuthEvent } from "@portcullis/auth";
import { createOAuth, oauthRoutes, type OAuthOptions } from "@portcullis/auth/oauth";
import { ConfigurationError, createApp, type JsonSchema, toOpenApi } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { internalsOf, rememberInternals } from "../src/auth-internals.js";
import { createSignInDesk } from "../src/login/sign-in.js";
import { createFixture, valueOf } from "./auth-fixture.js";
import { API, APP, Browser, createOAuthFixture, fragmentOf, LANDING, lyingProvider, problemOf } from "./oauth-fixture.js";

const provider = lyingProvider();
const { lies } = provider;
const service = (options: Partial<OAuthOptions> = {}, authOptions = {}) =>
  createOAuthFixture({ providers: { mock: provider.client() }, ...options }, authOptions);

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

function expectBare(response: Response): void {
  expect(response.status).toBe(303); // 307 would repeat the request
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(response.headers.get("cache-control")).toBe("no-store");
}

describe("delivery in the fragment", () => {
  it("AUTH-O11 303, no-store, no-referrer; tokens after the # only, with the client's own state", async () => {
    const browser = service().browser();
    const state = "a+b c&d=#é";
    const response = await browser.login({ state });
    expectBare(response);
    const location = String(response.headers.get("location"));
    expect(location.split("#")).toHaveLength(2);
    expect(location.split("#")[0]).toBe(LANDING);
    expect(fragmentOf(response).get("state")).toBe(state);
    expect(await response.text()).toBe("");
  });

  it("AUTH-O11 a login that brought no state gets none: the page can tell", async () => {
    expect(fragmentOf(await service().browser().login()).has("state")).toBe(false);
  });

  it("AUTH-O11 leads where it was asked to, if that is listed", async () => {
    const response = await service()
      .browser()
      .login({ redirect: `${APP}/other` });
    expect(String(response.headers.get("location")).startsWith(`${APP}/other#access_token=`)).toBe(true);
  });

  it("AUTH-O11 the start is as bare: the provider's pages learn of no page of ours", async () => {
    expectBare(await service().browser().visit(`${API}/auth/oauth/mock`));
  });

  it.each(["fragment", "code", "cookie"] as const)(
    "AUTH-O11 a second factor is asked for in the same way, by %s: no session yet",
    async (delivery) => {
      const events: AuthEvent[] = [];
      const { auth, store, users, clock } = createFixture({ cookies: {}, onEvent: (event) => events.push(event) });
      clock.set(Date.now());
      const internals = internalsOf("auth", auth);
      const challenge = { token: "m.f.a", expiresAt: 1000, enrolled: false };
      rememberInternals(auth, { ...internals, signIn: createSignInDesk(internals.issuer, internals.instruments, () => challenge) });
      const { browser, handler } = service({ auth, delivery });
      const response = await browser().login({ state: "s", ...(delivery === "code" ? { code_challenge: CHALLENGE } : {}) });
      expectBare(response);
      const url = new URL(String(response.headers.get("location")));
      const expected = { mfa_required: "true", mfa_token: "m.f.a", mfa_token_expires_at: "1000", mfa_enrolled: "false" };
      if (delivery === "code") {
        expect(url.hash).toBe("");
        const answer = await handler(
          new Request(`${API}/auth/oauth/token`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ code: url.searchParams.get("code"), code_verifier: VERIFIER }),
          }),
        );
        expect(await answer.json()).toEqual({ ...expected, mfa_required: true, mfa_token_expires_at: 1000, mfa_enrolled: false });
      } else {
        expect(Object.fromEntries(fragmentOf(response))).toEqual({ ...expected, state: "s" });
        expect(response.headers.getSetCookie().join()).not.toContain("session=ey");
      }
      const account = await users.byEmail("ada@example.com");
      expect(await store.sessions.list(String(account?.id))).toEqual([]);
      expect(events.map(({ kind }) => kind)).not.toContain("login_succeeded");
    },
  );

  it("no event shows a token, a code, a subject or an address", async () => {
    const fixture = service();
    const response = await fixture.browser().login();
    const events = JSON.stringify(fixture.events);
    for (const secret of [...fragmentOf(response).values(), "person-1", "ada@example.com"]) {
      if (secret.length > 6) expect(events).not.toContain(secret);
    }
  });
});

describe("delivery by a one-time code", () => {
  const withCode = (authOptions = {}) => service({ delivery: "code" }, authOptions);
  const exchange = (fixture: ReturnType<typeof withCode>, code: string, verifier = VERIFIER): Promise<Response> =>
    fixture.handler(
      new Request(`${API}/auth/oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code, code_verifier: verifier }),
      }),
    );
  async function codeOf(fixture: ReturnType<typeof withCode>): Promise<string> {
    const response = await fixture.browser().login({ code_challenge: CHALLENGE, code_challenge_method: "S256", state: "s" });
    expectBare(response);
    const url = new URL(String(response.headers.get("location")));
    expect([...url.searchParams.keys(), url.hash]).toEqual(["code", "state", ""]);
    return String(url.searchParams.get("code"));
  }

  it("AUTH-O11 the page that has the verifier gets the tokens, and the session begins only then", async () => {
    const fixture = withCode();
    const code = await codeOf(fixture);
    expect(fixture.events.map(({ kind }) => kind)).toEqual(["account_created", "identity_linked"]);
    const response = await exchange(fixture, code);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ token_type: "Bearer", user: { email: "ada@example.com" } });
    expect(fixture.events.at(-1)?.kind).toBe("login_succeeded");
  });

  it("AUTH-O11 once: of fifty parallel exchanges one gets them", async () => {
    const fixture = withCode();
    const code = await codeOf(fixture);
    const responses = await Promise.all(Array.from({ length: 50 }, () => exchange(fixture, code)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await problemOf(responses.find(({ status }) => status !== 200) as Response)).code).toBe(1017);
    const account = await fixture.users.byEmail("ada@example.com");
    expect(await fixture.store.sessions.list(String(account?.id))).toHaveLength(1);
  });

  it.each([
    [59_999, 200],
    [60_000, 400],
  ])("AUTH-O11 after %i ms: %i", async (ageMs, status) => {
    const fixture = withCode();
    const code = await codeOf(fixture);
    fixture.clock.advance(ageMs);
    expect((await exchange(fixture, code)).status).toBe(status);
  });

  it("AUTH-O11 another verifier gets nothing and uses the code up", async () => {
    const fixture = withCode();
    const code = await codeOf(fixture);
    expect((await problemOf(await exchange(fixture, code, "b".repeat(43)))).code).toBe(1017);
    expect((await problemOf(await exchange(fixture, code))).code).toBe(1017);
    expect((await problemOf(await exchange(fixture, "nobody's"))).code).toBe(1017);
  });

  it.each([
    [{}, 422],
    [{ code_challenge: "short" }, 422],
    [{ code_challenge: CHALLENGE, code_challenge_method: "plain" }, 422],
    [{ code_challenge: `${CHALLENGE}=` }, 422],
    [{ code_challenge: CHALLENGE }, 303],
  ])("AUTH-O11 a start with %j is answered with %i", async (query, status) => {
    const response = await withCode()
      .browser()
      .visit(`${API}/auth/oauth/mock?${new URLSearchParams(query).toString()}`);
    expect(response.status).toBe(status);
  });

  it.each<[string, (fixture: ReturnType<typeof withCode>, userId: string) => Promise<unknown>, number]>([
    ["logged out everywhere", async ({ auth }, userId) => auth.revokeUser(userId), 1004],
    ["was disabled", async ({ auth }, userId) => auth.setDisabled(userId, true), 1018],
    ["was unlinked", async ({ oauth }, userId) => oauth.forget(userId), 1018],
  ])("AUTH-O11 whoever %s meanwhile gets nothing for the code", async (_name, end, problem) => {
    const fixture = withCode();
    const code = await codeOf(fixture);
    await end(fixture, String((await fixture.users.byEmail("ada@example.com"))?.id));
    expect((await problemOf(await exchange(fixture, code))).code).toBe(problem);
  });

  it("a link hands out no code", async () => {
    const fixture = withCode();
    const { accessToken } = await fixture.auth.createTokenPair({ userId: "u1", role: "member" });
    await fixture.users.create({
      type: "user",
      email: "u1@example.com",
      name: undefined,
      passwordHash: "x",
      mustChangePassword: false,
      roles: [],
      orgRoles: [],
      orgId: undefined,
      workspaceId: undefined,
    });
    const response = await fixture.browser().visit(`${API}/auth/oauth/link`, {
      method: "POST",
      headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
      body: JSON.stringify({ provider: "mock" }),
    });
    expect(response.status).toBe(200);
  });

  it("the exchange is offered with this delivery only", async () => {
    expect((await exchange(service(), "x")).status).toBe(405); // `/:provider` is there, for GET
  });
});

describe("delivery by cookies", () => {
  const withCookies = () => service({ delivery: "cookie", redirects: { allow: ["/*"], default: "/" } }, { cookies: {} });

  it("AUTH-O11 sets the session's cookies and shows no token in the address", async () => {
    const browser = withCookies().browser();
    const response = await browser.login({ redirect: "/home?a=1", state: "s" });
    expectBare(response);
    expect(response.headers.get("location")).toBe(`${API}/home?a=1&state=s`);
    const cookies = await browser.jar.getCookies(`${API}/auth`);
    expect(cookies.map(({ key }) => key).sort((x, y) => (x < y ? -1 : 1))).toEqual(["__Host-csrf", "__Host-session", "__Secure-refresh"]);
    expect((await browser.visit(`${API}/auth/me`)).status).toBe(200);
  });

  it("AUTH-O11 a second login ends the session whose cookies it overwrites; one that fails ends none", async () => {
    const fixture = withCookies();
    const browser = fixture.browser();
    await browser.login();
    const id = String((await fixture.users.byEmail("ada@example.com"))?.id);
    const [first] = await fixture.store.sessions.list(id);
    const failed = new URL(await browser.consent(await browser.start()));
    failed.searchParams.set("error", "access_denied");
    await browser.visit(failed.href);
    expect(await fixture.store.sessions.list(id)).toHaveLength(1);
    await browser.login();
    const rest = await fixture.store.sessions.list(id);
    expect(rest).toHaveLength(1);
    expect(rest[0]?.id).not.toBe(first?.id);
  });

  it("AUTH-O9 linking and unlinking by cookie need the CSRF token", async () => {
    const browser = withCookies().browser();
    await browser.login();
    const csrf = (await browser.jar.getCookies(API)).find(({ key }) => key === "__Host-csrf")?.value;
    const call = (method: string, path: string, headers: Record<string, string>, body?: string): Promise<Response> =>
      browser.visit(`${API}/auth/oauth/${path}`, {
        method,
        headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", origin: API, ...headers },
        ...(body === undefined ? {} : { body }),
      });
    const link = JSON.stringify({ provider: "mock" });
    expect((await problemOf(await call("POST", "link", {}, link))).code).toBe(1104);
    expect((await problemOf(await call("DELETE", "unlink?provider=mock", {}))).code).toBe(1104);
    const good = { "x-csrf-token": String(csrf) };
    expect((await call("POST", "link", good, link)).status).toBe(200);
    expect((await call("DELETE", "unlink?provider=mock", good)).status).toBe(409); // the last credential
  });
});

describe("the provider list and the options", () => {
  it("lists providers in order, with what their buttons say, and nothing secret", async () => {
    const fixture = service({ providers: { mock: provider.client({ displayName: "Acme" }), second: provider.client() } });
    const response = await fixture.browser().visit(`${API}/auth/oauth/providers`);
    expect(await response.json()).toEqual({
      providers: [
        { id: "mock", name: "Acme" },
        { id: "second", name: new URL(provider.issuer()).host },
      ],
    });
    expect(JSON.stringify(provider.client())).not.toContain("a client secret");
  });

  it("an unknown provider is a 404", async () => {
    for (const path of ["nobody", "nobody/callback?state=x", "__proto__", "constructor"]) {
      expect((await service().browser().visit(`${API}/auth/oauth/${path}`)).status).toBe(404);
    }
  });

  it("a path before the prefix is part of the callback's address", async () => {
    const fixture = service({ baseUrl: `${API}/v1/`, prefix: "/api/auth" });
    const response = await fixture.handler(new Request(`${API}/api/auth/oauth/mock`));
    const location = new URL(String(response.headers.get("location")));
    expect(location.searchParams.get("redirect_uri")).toBe(`${API}/v1/api/auth/oauth/mock/callback`);
  });

  it("the routes can be described as OpenAPI", () => {
    const { auth } = createFixture();
    const base = {
      auth,
      providers: { mock: provider.client() },
      baseUrl: API,
      redirects: { allow: [LANDING], default: LANDING },
      insecureLocalhost: true,
    };
    const oauth = createOAuth({ ...base, delivery: "code", onUnknown: "refuse" });
    const document = toOpenApi(createApp({ routes: oauthRoutes(oauth) }).routes, {
      info: { title: "test", version: "1" },
      toJsonSchema: (schema) => z.toJSONSchema(schema as z.ZodType, { io: "input" }) as JsonSchema,
    });
    expect(Object.keys(document.paths as object)).toEqual([
      "/auth/oauth/providers",
      "/auth/oauth/{provider}",
      "/auth/oauth/{provider}/callback",
      "/auth/oauth/link",
      "/auth/oauth/unlink",
      "/auth/oauth/identities",
      "/auth/oauth/token",
    ]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["auth", { auth: {} }],
    ["providers", { providers: {} }],
    ["providers", { providers: undefined }],
    ["providers.Google", { providers: { Google: {} } }],
    ["providers.link", { providers: { link: {} } }],
    ["providers.mock", { providers: { mock: {} } }],
    ["providers.mock.issuer", { insecureLocalhost: false }],
    ["baseUrl", { baseUrl: "http://api.example.test" }],
    ["baseUrl", { baseUrl: "/auth" }],
    ["baseUrl", { baseUrl: "https://api.example.test/?x" }],
    ["prefix", { prefix: "auth" }],
    ["redirects.allow", { redirects: undefined }],
    ["redirects.default", { redirects: { allow: [LANDING], default: "https://evil.example/" } }],
    ["redirects.default", { redirects: { allow: [LANDING] } }],
    ["redirects.error[0]", { redirects: { allow: [LANDING], default: LANDING, error: "javascript:alert(1)" } }],
    ["delivery", { delivery: undefined }],
    ["delivery", { delivery: "query" }],
    ["delivery", { delivery: "cookie", redirects: { allow: [LANDING], default: LANDING } }], // an auth that gives none
    ["onUnknown", { onUnknown: undefined }],
    ["onUnknown", { onUnknown: { create: {} } }],
    ["onUnknown", { onUnknown: { create: { roles: "admin" } } }],
    ["autoLink", { autoLink: true }],
    ["timeoutMs", { timeoutMs: 0 }],
    ["timeoutMs", { timeoutMs: Infinity }],
    ["maxResponseBytes", { maxResponseBytes: 1 }],
    ["insecureLocalhost", { insecureLocalhost: "yes" }],
    ["fetch", { fetch: "fetch" }],
  ])("the option %s of %j is refused where the service is built", (option, options) => {
    const wrong = (): unknown => service(options);
    expect(wrong).toThrow(ConfigurationError);
    expect(wrong).toThrow(`"${option}"`);
  });

  it.each<[string, Record<string, unknown>]>([
    ["oidc.issuer", { issuer: "accounts.example.com" }],
    ["oidc.issuer", { issuer: "https://accounts.example.com/?tenant=1" }],
    ["oidc.clientId", { clientId: "" }],
    ["oidc.clientSecret", { clientSecret: "" }],
    ["oidc.clientAuthentication", { clientAuthentication: "none" }],
    ["oidc.scopes", { scopes: ["email"] }],
    ["oidc.scopes", { scopes: "openid" }],
    ["oidc.idTokenAlgorithms", { idTokenAlgorithms: ["HS256"] }],
    ["oidc.idTokenAlgorithms", { idTokenAlgorithms: ["none"] }],
    ["oidc.idTokenAlgorithms", { idTokenAlgorithms: [] }],
    ["oidc.userinfo", { userinfo: "sometimes" }],
    ["oidc.trustEmail", { trustEmail: "yes" }],
    ["oidc.authorizationParameters.state", { authorizationParameters: { state: "x" } }],
    ["oidc.authorizationParameters.code_challenge_method", { authorizationParameters: { code_challenge_method: "plain" } }],
    ["oidc.authorizationParameters.response_mode", { authorizationParameters: { response_mode: "form_post" } }],
  ])("the option %s is refused where the provider is made", (option, options) => {
    expect(() => provider.client(options)).toThrow(`"${option}"`);
  });

  it("routes are made of what createOAuth returned", () => {
    expect(() => oauthRoutes({} as never)).toThrow(ConfigurationError);
    expect(() => oauthRoutes(service().oauth, { prefix: "x" })).toThrow(ConfigurationError);
  });

  it("further parameters are sent to the provider", async () => {
    lies.userinfo = {};
    const { oauth, handler } = service({ providers: { mock: provider.client({ authorizationParameters: { prompt: "select_account" } }) } });
    expect(oauth.providers).toHaveLength(1);
    const location = new URL(await new Browser(handler).start());
    expect(location.searchParams.get("prompt")).toBe("select_account");
    expect(valueOf({ kind: "ok", value: 1 })).toBe(1);
  });
});
