import { ALLOW, createGuardChain, type GuardRequest, principalFact, userPrincipal, type Verdict } from "@portcullis/core";
import { authenticate, authRoutes, type AuthOptions, credentialFact, requireCsrf } from "@portcullis/auth";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createFixture, createFixtureWithAda, OLD_SECRET, requestOf, SECRET, valueOf } from "./auth-fixture.js";
import { createCookieServer } from "./cookie-browser.js";
import { createCsrfTokens } from "../src/cookies/csrf-token.js";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { randomBytes } from "node:crypto";

const SITE = "https://app.example";

/** A request of another method than GET. */
function request(method: string, fields: Record<string, string>, counts: Record<string, number> = {}): GuardRequest {
  return { ...requestOf({ host: "app.example", ...fields }, counts), method };
}

function outcome(verdict: Verdict): number | string {
  return verdict.kind === "deny" ? verdict.problem.code : verdict.kind;
}

async function createSession(options: Partial<AuthOptions> = {}) {
  const fixture = await createFixtureWithAda({
    cookies: { trustedOrigins: ["https://admin.example", "https://app.example:8443"] },
    ...options,
  });
  const { accessToken, sessionId } = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "admin" });
  const csrf = createCsrfTokens(createSecretRing("secrets", SECRET), randomBytes);
  const { key } = valueOf(
    await fixture.auth.apiKeys.create(valueOf(await fixture.auth.verifyAccessToken(accessToken)).principal, { name: "ci" }),
  );
  return { ...fixture, accessToken, sessionId, csrf, token: csrf.create(sessionId), key };
}

type Session = Awaited<ReturnType<typeof createSession>>;
type Case = readonly [
  what: string,
  method: string,
  fields: (session: Session) => Record<string, string>,
  wanted: number | "allow",
  counts?: Record<string, number>,
];

const cookie = ({ accessToken, token }: Session, csrf: string = token): string => `__Host-session=${accessToken}; __Host-csrf=${csrf}`;
const good = (session: Session): Record<string, string> => ({ cookie: cookie(session), "x-csrf-token": session.token });

const CASES: readonly Case[] = [
  ["a good token", "POST", good, "allow"],
  ...["PUT", "PATCH", "DELETE", "TRACE", "PURGE", "get", ""].map((method): Case => [
    `${method} without a token`,
    method,
    (s) => ({ cookie: cookie(s) }),
    1104,
  ]),
  ...["GET", "HEAD", "OPTIONS"].map((method): Case => [
    `${method} without a token`,
    method,
    (s) => ({ cookie: cookie(s), "sec-fetch-site": "cross-site" }),
    "allow",
  ]),
  ["no header", "POST", (s) => ({ cookie: cookie(s) }), 1104],
  ["an empty header", "POST", (s) => ({ ...good(s), "x-csrf-token": "" }), 1104],
  ["no cookie", "POST", (s) => ({ cookie: `__Host-session=${s.accessToken}`, "x-csrf-token": s.token }), 1104],
  ["both empty", "POST", (s) => ({ cookie: cookie(s, ""), "x-csrf-token": "" }), 1104],
  [
    "header and cookie alike, but made by nobody",
    "POST",
    (s) => ({ cookie: cookie(s, "a".repeat(24)), "x-csrf-token": "a".repeat(24) }),
    1104,
  ],
  ["of the right form, but made by nobody", "POST", (s) => double(s, `${"a".repeat(24)}.${"b".repeat(43)}`), 1104],
  ["of another session", "POST", (s) => double(s, s.csrf.create("another-session")), 1104],
  ["of a session whose id ends where the nonce begins", "POST", (s) => double(s, s.csrf.create(`${s.sessionId}\0`)), 1104],
  ["another good one than the cookie", "POST", (s) => ({ cookie: cookie(s), "x-csrf-token": s.csrf.create(s.sessionId) }), 1104],
  ["a changed nonce", "POST", (s) => double(s, (s.token.startsWith("A") ? "B" : "A") + s.token.slice(1)), 1104],
  ["a cut token", "POST", (s) => double(s, s.token.slice(0, -1)), 1104],
  ["with the unused bits of its last character set", "POST", (s) => double(s, bump(s.token)), 1104],
  [
    "signed with another secret",
    "POST",
    (s) => double(s, createCsrfTokens(createSecretRing("s", OLD_SECRET), randomBytes).create(s.sessionId)),
    1104,
  ],
  ["twice in one field", "POST", (s) => ({ ...good(s), "x-csrf-token": `${s.token}, ${s.token}` }), 1104],
  ["in two fields", "POST", good, 1104, { "x-csrf-token": 2 }],
  ["quoted", "POST", (s) => ({ ...good(s), "x-csrf-token": `"${s.token}"` }), 1104],
  ["in the query only", "POST", (s) => ({ cookie: cookie(s) }), 1104],
  // Fetch Metadata, whatever the token says.
  ["same-origin", "POST", (s) => ({ ...good(s), "sec-fetch-site": "same-origin", origin: SITE }), "allow"],
  ["by the user", "POST", (s) => ({ ...good(s), "sec-fetch-site": "none" }), "allow"],
  ["cross-site", "POST", (s) => ({ ...good(s), "sec-fetch-site": "cross-site" }), 1104],
  ["same-site", "POST", (s) => ({ ...good(s), "sec-fetch-site": "same-site", origin: "https://other.example" }), 1104],
  ["cross-site with our own origin", "POST", (s) => ({ ...good(s), "sec-fetch-site": "cross-site", origin: SITE }), 1104],
  ["an unknown word", "POST", (s) => ({ ...good(s), "sec-fetch-site": "Same-Origin" }), 1104],
  ["an empty word", "POST", (s) => ({ ...good(s), "sec-fetch-site": "" }), 1104],
  ["two words", "POST", (s) => ({ ...good(s), "sec-fetch-site": "same-origin, cross-site" }), 1104],
  [
    "cross-site from a trusted origin",
    "POST",
    (s) => ({ ...good(s), "sec-fetch-site": "cross-site", origin: "https://admin.example" }),
    "allow",
  ],
  [
    "a trusted origin still needs the token",
    "POST",
    (s) => ({ cookie: cookie(s), "sec-fetch-site": "cross-site", origin: "https://admin.example" }),
    1104,
  ],
  ...[
    "http://admin.example",
    "https://admin.example.evil",
    "https://admin.example:443",
    "https://admin.example/",
    "https://ADMIN.example",
    "null",
    "https://admin.example, https://admin.example",
  ].map((origin): Case => [`cross-site from ${origin}`, "POST", (s) => ({ ...good(s), "sec-fetch-site": "cross-site", origin }), 1104]),
  // Browsers before Fetch Metadata.
  ["our own origin", "POST", (s) => ({ ...good(s), origin: SITE }), "allow"],
  ["our own host in capitals", "POST", (s) => ({ ...good(s), origin: SITE, host: "APP.example" }), "allow"],
  ["our own host behind a proxy that ends TLS", "POST", (s) => ({ ...good(s), origin: SITE }), "allow"],
  ...[
    "https://evil.example",
    "https://app.example.evil",
    "https://evil-app.example",
    "https://app.example@evil.example",
    "https://app.example:444",
    "null",
    "",
    "app.example",
    "https://",
    "//app.example",
  ].map((origin): Case => [`origin ${JSON.stringify(origin)}`, "POST", (s) => ({ ...good(s), origin }), 1104]),
  ["a trusted origin", "POST", (s) => ({ ...good(s), origin: "https://app.example:8443" }), "allow"],
  // Whatever else it is authenticated by cannot be forged.
  [
    "a bearer token",
    "POST",
    (s) => ({ authorization: `Bearer ${s.accessToken}`, "sec-fetch-site": "cross-site", origin: "https://evil.example" }),
    "allow",
  ],
  ["an API key", "POST", (s) => ({ "x-api-key": s.key, "sec-fetch-site": "cross-site" }), "allow"],
  [
    "a bearer token and a CSRF cookie",
    "POST",
    (s) => ({ authorization: `Bearer ${s.accessToken}`, cookie: `__Host-csrf=${s.token}` }),
    "allow",
  ],
  [
    "a bearer token beside the cookie does not spare it",
    "POST",
    (s) => ({ cookie: cookie(s), authorization: `Bearer ${s.accessToken}` }),
    1104,
  ],
  ["a bearer token beside the cookie, with the token", "POST", (s) => ({ ...good(s), authorization: `Bearer ${s.accessToken}` }), "allow"],
  ["an API key beside the cookie does not spare it", "POST", (s) => ({ cookie: cookie(s), "x-api-key": s.key }), 1104],
];

function double(session: Session, token: string): Record<string, string> {
  return { cookie: cookie(session, token), "x-csrf-token": token };
}

function bump(token: string): string {
  const last = token.charCodeAt(token.length - 1);
  return token.slice(0, -1) + String.fromCharCode(last + 1);
}

describe("AUTH-C", () => {
  let session: Session;
  beforeAll(async () => {
    session = await createSession();
  });

  it.each(CASES.map((row) => ({ what: `${row[0]} (${row[1]})`, row })))("AUTH-C $what", async ({ row }) => {
    const [, method, fields, wanted, counts] = row;
    const { auth } = session;
    const inOne = request(method, fields(session), counts);
    expect(outcome(await authenticate(auth, { required: true }).check(inOne))).toBe(wanted);
    // Nothing is published of who was refused.
    expect(inOne.facts.get(principalFact) === undefined).toBe(wanted !== "allow");
    // The guard of its own says the same.
    const chain = createGuardChain([authenticate(auth, { required: true, csrf: "skip" }), requireCsrf(auth)]);
    const { stop } = await chain.run(request(method, fields(session), counts));
    expect(stop === undefined ? "allow" : stop.kind === "deny" && stop.problem.code).toBe(wanted);
    // So does a second mount that was not told to skip.
    const twice = createGuardChain([authenticate(auth, { required: false, csrf: "skip" }), authenticate(auth, { required: true })]);
    const again = await twice.run(request(method, fields(session), counts));
    expect(again.stop === undefined ? "allow" : again.stop.kind === "deny" && again.stop.problem.code).toBe(wanted);
  });

  it("AUTH-C every secret of the ring verifies, the first makes", async () => {
    const old = createCsrfTokens(createSecretRing("secrets", OLD_SECRET), randomBytes);
    const both = createCsrfTokens(createSecretRing("secrets", [SECRET, OLD_SECRET]), randomBytes);
    const current = createCsrfTokens(createSecretRing("secrets", SECRET), randomBytes);
    expect(both.isFor(old.create("s"), "s")).toBe(true);
    expect(current.isFor(both.create("s"), "s")).toBe(true);
    expect(current.isFor(old.create("s"), "s")).toBe(false);
    expect(current.create("s")).not.toBe(current.create("s"));
  });

  it("AUTH-C of another user is refused, and a new session has a new token", async () => {
    const { browser, auth } = await createCookieServer();
    valueOf(await auth.createAccount({ email: "eve@example.com", password: "correct horse battery", roles: ["member"] }));
    const [ada, eve] = [browser(), browser()];
    await ada.logIn();
    await eve.logIn({ email: "eve@example.com" });
    const evil = String(await eve.valueOf("__Host-csrf"));
    const own = String(await ada.valueOf("__Host-csrf"));
    // Eve can plant her own cookie at Ada's, from a neighbouring host say: both agree, and are not of this session.
    await ada.jar.setCookie(`__Host-csrf=${evil}; Path=/; Secure`, SITE);
    expect(await ada.call("POST", "/auth/api-keys", { body: { name: "x" } })).toMatchObject({ status: 403, body: { code: 1104 } });
    await ada.logIn();
    expect(await ada.valueOf("__Host-csrf")).not.toBe(own);
    await ada.jar.setCookie(`__Host-csrf=${own}; Path=/; Secure`, SITE);
    expect(await ada.call("POST", "/auth/api-keys", { body: { name: "x" } })).toMatchObject({ status: 403, body: { code: 1104 } });
  });

  it("AUTH-C GET /auth/csrf gives the token of the session, the same to every tab, and a good one for a bad one", async () => {
    const { browser, auth, userId, clock } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const held = await one.valueOf("__Host-csrf");
    clock.advance(60_000);
    const same = await one.call("GET", "/auth/csrf");
    expect(same).toMatchObject({ status: 200, body: { csrf_token: held } });
    expect(same.setCookies).toEqual([`__Host-csrf=${held}; Path=/; Secure; SameSite=Lax; Max-Age=2591940`]);
    expect(same.headers.get("cache-control")).toBe("no-store");
    for (const planted of ["planted", "", "a.b"]) {
      await one.jar.setCookie(`__Host-csrf=${planted}; Path=/; Secure`, SITE);
      const fresh = await one.call("GET", "/auth/csrf");
      expect(fresh.body.csrf_token).not.toBe(planted);
      expect(fresh.body.csrf_token).toBe(await one.valueOf("__Host-csrf"));
      expect((await one.call("POST", "/auth/api-keys", { body: { name: "x" } })).status).toBe(201);
    }
    const { accessToken } = await auth.createTokenPair({ userId, role: "admin" });
    const bearer = await browser().call("GET", "/auth/csrf", { headers: { authorization: `Bearer ${accessToken}` } });
    expect(bearer).toMatchObject({ status: 403, setCookies: [] });
    expect(await browser().call("GET", "/auth/csrf")).toMatchObject({ status: 401, setCookies: [] });
  });

  it("AUTH-C login CSRF: another origin logs nobody in with cookies, and does not try a password", async () => {
    const { browser, events } = await createCookieServer();
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "same-origin, cross-site" },
    ]) {
      const answer = await browser().call("POST", "/auth/login", {
        headers,
        body: { email: "ada@example.com", password: "wrong horse battery", delivery: "cookie" },
      });
      expect(answer).toMatchObject({ status: 403, body: { code: 1104 }, setCookies: [] });
    }
    expect(events.map(({ kind }) => kind).filter((kind) => kind === "login_failed")).toEqual([]);
    // A program that is no browser says neither.
    const { handler } = await createCookieServer();
    const body = JSON.stringify({ email: "ada@example.com", password: "correct horse battery", delivery: "cookie" });
    const login = (headers: Record<string, string>): Promise<Response> =>
      handler(
        new Request(`${SITE}/auth/login`, {
          method: "POST",
          body,
          headers: { host: "app.example", "content-type": "application/json", ...headers },
        }),
      );
    expect((await login({})).status).toBe(200);
    expect((await login({ origin: SITE })).status).toBe(200);
    expect((await login({ origin: "https://evil.example" })).status).toBe(403);
    expect((await login({ "content-type": "text/plain" })).status).toBe(415);
  });

  it("AUTH-C refresh and logout by cookie ask for the same", async () => {
    const { browser } = await createCookieServer();
    const one = browser();
    await one.logIn();
    for (const path of ["/auth/refresh", "/auth/logout"]) {
      for (const sent of [{ csrf: false }, { site: "same-site" }, { headers: { "x-csrf-token": "x" } }] as const) {
        expect(await one.call("POST", path, sent)).toMatchObject({ status: 403, body: { code: 1104 }, setCookies: [] });
      }
    }
    expect((await one.call("POST", "/auth/refresh")).status).toBe(200);
    // Strict cookies do not come along from other sites at all.
    expect((await one.jar.getCookies(`${SITE}/auth/refresh`, { sameSiteContext: "lax" })).map(({ key }) => key)).not.toContain(
      "__Secure-refresh",
    );
  });

  it("AUTH-C a request made by hand has its host in the URL: its own origin is known, another is not", async () => {
    const { handler, browser } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const csrf = String(await one.valueOf("__Host-csrf"));
    const headers = {
      cookie: await one.jar.getCookieString(`${SITE}/auth/logout`),
      "x-csrf-token": csrf,
      "content-type": "application/json",
    };
    const login = JSON.stringify({ email: "ada@example.com", password: "correct horse battery", delivery: "cookie" });
    for (const [path, body] of [
      ["/auth/refresh", "{}"],
      ["/auth/login", login],
    ] as const) {
      const send = (origin: string): Promise<Response> =>
        handler(new Request(`${SITE}${path}`, { method: "POST", body, headers: { ...headers, origin } }));
      expect((await send("https://evil.example")).status).toBe(403);
      expect((await send("https://app.example:444")).status).toBe(403);
      expect((await send(SITE)).status).toBe(200);
    }
  });

  it("AUTH-C GET changes nothing, whoever sends it", async () => {
    const { browser, auth, store, userId } = await createCookieServer();
    const one = browser();
    await one.logIn();
    const state = async (): Promise<string> =>
      JSON.stringify([
        await store.sessions.list(userId),
        await store.subjects.read(userId),
        await store.apiKeys.list(userId),
        await store.records.list("auth-users", { scope: "users", limit: 100 }),
      ]).replaceAll(/"readAt":\d+/g, "");
    const before = await state();
    const paths = authRoutes(auth)
      .filter(({ method, path }) => method === "GET" && !path.includes(":"))
      .map(({ path }) => path);
    expect(paths).toContain("/auth/csrf");
    for (const path of paths) {
      const cookies = await one.jar.getCookieString(`${SITE}${path}`);
      expect((await one.call("GET", path, { headers: { "sec-fetch-site": "cross-site", cookie: cookies } })).status).toBe(200);
    }
    expect(await state()).toBe(before);
  });

  it("AUTH-C whoever authenticated by other means has no cookie of ours to be forged", async () => {
    const { auth } = createFixture({ cookies: {} });
    const own = {
      name: "own",
      check: (seen: GuardRequest) => (seen.facts.set(principalFact, userPrincipal({ id: "u", roles: [] })), ALLOW),
    };
    const run = await createGuardChain([own, authenticate(auth, { required: true })]).run(request("POST", {}));
    expect(run.stop).toBeUndefined();
  });

  it("AUTH-C requireCsrf in front of authenticate refuses whatever has a session cookie, and is not made without cookies", async () => {
    const guard = requireCsrf(session.auth);
    expect(outcome(await guard.check(request("POST", good(session))))).toBe(1104);
    expect(outcome(await guard.check(request("GET", good(session))))).toBe("allow");
    expect(outcome(await guard.check(request("POST", { authorization: "Bearer x" })))).toBe("allow");
    expect(outcome(await guard.check(request("POST", { cookie: "__Host-session=a; __Host-session=b" })))).toBe(1104);
    expect(() => requireCsrf(createFixture().auth)).toThrow(/cookies/);
    // @ts-expect-error: JavaScript callers can
    expect(() => authenticate(session.auth, { required: true, csrf: "off" })).toThrow(/csrf/);
  });

  it("AUTH-G2 no CSRF header or cookie makes it throw or pass", async () => {
    const guard = authenticate(session.auth, { required: true });
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constant(session.token.slice(0, 40)),
      fc.base64String().map((value) => `${value}.${value}`),
    );
    await fc.assert(
      fc.asyncProperty(text, text, async (header, planted) => {
        const verdict = await guard.check(request("POST", { cookie: cookie(session, planted), "x-csrf-token": header }));
        return verdict.kind === "deny" && verdict.problem.status < 500;
      }),
    );
    const inOne = request("POST", good(session));
    expect(outcome(await guard.check(inOne))).toBe("allow");
    expect(inOne.facts.get(credentialFact)).toEqual({ source: "cookie" });
  });
});
