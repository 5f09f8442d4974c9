import { randomBytes } from "node:crypto";
import { problems } from "@portcullis/core";
import { afterEach, describe, expect, it } from "vitest";
import { asynchronous, createFixture, withDeadPort } from "./auth-fixture.js";
import { API, createOAuthFixture, fragmentOf, LANDING, lyingProvider, type OAuthFixture, problemOf } from "./oauth-fixture.js";

const a = lyingProvider();
const b = lyingProvider();
const service = (options = {}, authOptions = {}) =>
  createOAuthFixture({ providers: { mock: a.client(), other: b.client() }, ...options }, authOptions);

const fixtures: OAuthFixture[] = [];
afterEach(() => {
  for (const { faults } of fixtures.splice(0)) expect(faults).toEqual([]);
});
const watched = (...parameters: Parameters<typeof service>): OAuthFixture => {
  const fixture = service(...parameters);
  fixtures.push(fixture);
  return fixture;
};

async function expectStateRefused(response: Response): Promise<void> {
  expect(await problemOf(response)).toMatchObject({ code: 1017, status: 400 });
  expect(response.headers.get("location")).toBeNull();
}

describe("the state of a login", () => {
  it.each([
    ["exactly ten minutes", 600_000, true],
    ["a millisecond more", 600_001, false],
    ["ten minutes and a second", 601_000, false],
  ])("AUTH-O2 after %s", async (_name, ageMs, isAccepted) => {
    const fixture = watched();
    const browser = fixture.browser();
    const callback = await browser.consent(await browser.start());
    fixture.clock.advance(ageMs);
    // The provider's clock is the machine's: only the wall clock of the service goes back, the state's age is real.
    fixture.clock.set(Date.now());
    const response = await browser.visit(callback);
    if (!isAccepted) return expectStateRefused(response);
    expect(fragmentOf(response).has("access_token")).toBe(true);
    return undefined;
  });

  it("AUTH-O2 works once: of fifty parallel callbacks one gets in", async () => {
    for (const authOptions of [{}, "asynchronous"] as const) {
      const memory = createFixture();
      const options = authOptions === "asynchronous" ? { store: asynchronous(memory.store), users: memory.users, clock: memory.clock } : {};
      const fixture = watched({}, options);
      if (authOptions === "asynchronous") memory.clock.set(Date.now());
      const browser = fixture.browser();
      const callback = await browser.consent(await browser.start());
      const cookie = await browser.jar.getCookieString(callback);
      const responses = await Promise.all(
        Array.from({ length: 50 }, () => fixture.handler(new Request(callback, { headers: { cookie } }))),
      );
      expect(responses.filter(({ status }) => status === 303)).toHaveLength(1);
      for (const response of responses.filter(({ status }) => status !== 303)) await expectStateRefused(response);
    }
  });

  it("AUTH-O2 is used up by a callback with an error", async () => {
    const browser = watched().browser();
    const callback = new URL(await browser.consent(await browser.start()));
    const failed = new URL(callback);
    failed.searchParams.delete("code");
    failed.searchParams.set("error", "access_denied");
    expect(await problemOf(await browser.visit(failed.href))).toMatchObject({ reason: "access_denied" });
    await expectStateRefused(await browser.visit(callback.href));
  });

  it.each<[string, (fixture: OAuthFixture, callback: URL, cookie: string) => Promise<Response>]>([
    ["another browser", ({ handler }, callback) => handler(new Request(callback))],
    [
      "another provider",
      ({ handler }, callback, cookie) => handler(new Request(callback.href.replace("/mock/", "/other/"), { headers: { cookie } })),
    ],
    [
      "the cookie twice",
      ({ handler }, callback, cookie) => handler(new Request(callback, { headers: { cookie: `${cookie}; ${cookie}` } })),
    ],
    [
      "another cookie value",
      ({ handler }, callback, cookie) =>
        handler(new Request(callback, { headers: { cookie: `${cookie.split("=")[0]}=${"A".repeat(43)}` } })),
    ],
    [
      "an empty cookie value",
      ({ handler }, callback, cookie) => handler(new Request(callback, { headers: { cookie: `${cookie.split("=")[0]}=` } })),
    ],
  ])("AUTH-O3 is refused to %s, and used up by the attempt", async (_name, attack) => {
    const fixture = watched();
    const browser = fixture.browser();
    const callback = new URL(await browser.consent(await browser.start()));
    const cookie = await browser.jar.getCookieString(callback.href);
    await expectStateRefused(await attack(fixture, callback, cookie));
    await expectStateRefused(await browser.visit(callback.href));
    expect(fixture.events.map(({ kind }) => kind)).toEqual(["oauth_failed", "oauth_failed"]);
    expect((await fixture.users.list({ limit: 1 })).total).toBe(0);
  });

  it("AUTH-O3 login CSRF: the attacker's finished callback opens nothing in the victim's browser, though it has logins of its own", async () => {
    const fixture = watched();
    const attacker = fixture.browser();
    const victim = fixture.browser();
    const own = await victim.consent(await victim.start());
    const theirs = await attacker.consent(await attacker.start());
    await expectStateRefused(await victim.visit(theirs));
    expect(fragmentOf(await victim.visit(own)).has("access_token")).toBe(true);
  });

  it("AUTH-O3 the code of one login in the state of another is the provider's refusal", async () => {
    const browser = watched().browser();
    const first = new URL(await browser.consent(await browser.start()));
    const second = new URL(await browser.consent(await browser.start()));
    second.searchParams.set("code", String(first.searchParams.get("code")));
    expect(await problemOf(await browser.visit(second.href))).toMatchObject({ code: 1018 });
  });

  it("AUTH-O3 logins in parallel tabs, begun before any answer was there, all come home", async () => {
    const fixture = watched();
    const browser = fixture.browser();
    const starts = await Promise.all(Array.from({ length: 5 }, (_, tab) => browser.start({ state: `tab ${tab}` })));
    const callbacks = await Promise.all(starts.map((url) => browser.consent(url)));
    for (const [tab, callback] of [...callbacks.entries()].reverse()) {
      const fragment = fragmentOf(await browser.visit(callback));
      expect([fragment.get("state"), fragment.has("access_token")]).toEqual([`tab ${tab}`, true]);
    }
    expect(await browser.jar.getCookies(API)).toEqual([]); // each took its own with it
  });

  it("AUTH-O3 the cookie is HttpOnly, Lax, Secure, of this host alone; abandoned ones are bounded", async () => {
    const fixture = watched();
    const browser = fixture.browser();
    for (let round = 0; round < 20; round += 1) await browser.start();
    const cookies = await browser.jar.getCookies(API);
    expect(cookies.length).toBe(8);
    for (const cookie of cookies) {
      expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "lax", path: "/", hostOnly: true });
      expect(cookie.key).toMatch(/^__Host-portcullis-oauth-[\w-]{16}$/);
      expect(cookie.value).toMatch(/^[\w-]{43}$/);
    }
    // The newest of them works.
    expect(fragmentOf(await browser.login()).has("access_token")).toBe(true);
  });

  it("AUTH-O3 over http on this machine the cookie has no prefix that a browser would refuse there", async () => {
    const { handler } = service({ baseUrl: "http://localhost:3000" });
    const response = await handler(new Request("http://localhost:3000/auth/oauth/mock"));
    expect(response.headers.getSetCookie()[0]).toMatch(
      /^portcullis-oauth-[\w-]{16}=[\w-]{43}; Path=\/; Max-Age=660; HttpOnly; SameSite=Lax$/,
    );
  });

  it.each(["", "x", "a".repeat(43), "a".repeat(100_000), "__proto__", "\u0000", "é".repeat(43), "..%2f", "a b"])(
    "AUTH-O2 a state of nobody's (%j) is refused",
    async (state) => {
      const { handler } = watched({ redirects: { allow: [LANDING], default: LANDING, error: "https://app.example.test/failed" } });
      const query = new URLSearchParams({ state, code: "x" });
      await expectStateRefused(await handler(new Request(`${API}/auth/oauth/mock/callback?${query.toString()}`)));
    },
  );

  it.each(["", "?state=", "?code=x", "?state=a&state=b", "?error=access_denied"])(
    "AUTH-O2 a callback with %j is refused",
    async (query) => {
      const { handler } = watched();
      await expectStateRefused(await handler(new Request(`${API}/auth/oauth/mock/callback${query}`)));
    },
  );

  it("AUTH-O2 a state given twice is refused though one of them is right", async () => {
    const fixture = watched();
    const browser = fixture.browser();
    const callback = new URL(await browser.consent(await browser.start()));
    callback.searchParams.append("state", "x");
    await expectStateRefused(await browser.visit(callback.href));
  });

  it.each(["code", "error"])("AUTH-O2 a repeated %s is refused", async (name) => {
    const browser = watched().browser();
    const callback = new URL(await browser.consent(await browser.start()));
    callback.searchParams.append(name, "x");
    callback.searchParams.append(name, "y");
    expect((await problemOf(await browser.visit(callback.href))).code).toBe(1018);
  });

  it("AUTH-O2 HEAD, as link previews send it, uses up nothing", async () => {
    const fixture = watched();
    const browser = fixture.browser();
    const callback = await browser.consent(await browser.start());
    expect((await browser.visit(callback, { method: "HEAD" })).status).toBe(405);
    expect(fragmentOf(await browser.visit(callback)).has("access_token")).toBe(true);
  });

  it("AUTH-O2 whoever reads the store finds neither state, verifier, nonce nor cookie", async () => {
    const stored: string[] = [];
    const memory = createFixture();
    const tickets = {
      ...memory.store.tickets,
      put: (key: string, value: string, ttlMs: number) => {
        stored.push(key, value);
        return memory.store.tickets.put(key, value, ttlMs);
      },
    };
    const fixture = watched({}, { store: { ...memory.store, tickets }, users: memory.users });
    const verifiers: string[] = [];
    a.server.service.on(
      "beforeTokenSigning",
      (_token: unknown, request: { body: Record<string, string> }) => void verifiers.push(String(request.body["code_verifier"])),
    );
    const browser = fixture.browser();
    const { searchParams } = new URL(await browser.start());
    const [cookie] = await browser.jar.getCookies(API);
    await browser.login();
    const secrets = [searchParams.get("state"), searchParams.get("nonce"), cookie?.value, ...verifiers];
    expect(stored.length).toBeGreaterThan(2);
    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const secret of secrets) expect(stored.join()).not.toContain(String(secret));
  });

  it("AUTH-O2 a login that began before the signing secret rotated ends well; after the old one is dropped it does not", async () => {
    const { store, users, clock } = createFixture();
    clock.set(Date.now());
    const [old, next] = ["older-secret-0123456789-abcdefghijklmnop", "newer-secret-0123456789-abcdefghijklmnop"];
    const before = service({}, { store, users, clock, secrets: old });
    const browser = before.browser();
    const first = await browser.consent(await browser.start());
    const second = await browser.consent(await browser.start());
    const cookie = await browser.jar.getCookieString(first);
    const rotated = service({}, { store, users, clock, secrets: `${next},${old}` });
    expect((await rotated.handler(new Request(first, { headers: { cookie } }))).status).toBe(303);
    const dropped = service({}, { store, users, clock, secrets: next });
    await expectStateRefused(await dropped.handler(new Request(second, { headers: { cookie } })));
  });

  it.each(["tickets", "subjects", "sessions", "records"] as const)("AUTH-G1 a dead %s port is a 503 and lets nobody in", async (port) => {
    for (const manner of ["throws", "rejects"] as const) {
      const { store } = createFixture();
      const fixture = service({}, { store: withDeadPort(store, port, manner) });
      const browser = fixture.browser();
      const started = await browser.visit(`${API}/auth/oauth/mock`);
      const response = port === "tickets" ? started : await browser.visit(await browser.consent(String(started.headers.get("location"))));
      expect(await problemOf(response)).toMatchObject({ code: problems.serviceUnavailable.definition.code, status: 503 });
    }
  });

  it("AUTH-G2 no callback, start or cookie is answered with a 500", async () => {
    const fixture = watched();
    const browser = fixture.browser();
    const pieces = ["", "a", "%00", "%ff", "a".repeat(5000), "__proto__", "[]", "{}", "=&=", "%F0%9F%92%A9", ";", ",", "\\", "//"];
    const pick = (): string => String(pieces[randomBytes(1).readUInt8() % pieces.length]);
    for (let round = 0; round < 300; round += 1) {
      const path = ["/auth/oauth/mock", "/auth/oauth/mock/callback", `/auth/oauth/${encodeURIComponent(pick())}`][round % 3];
      const names = ["state", "code", "error", "iss", "redirect", "code_challenge", "response", "id_token", pick()];
      const query = names.map((name) => `${name}=${pick()}`).join("&");
      const live = new URL(await browser.start()).searchParams.get("state");
      const response = await fixture.handler(
        new Request(`${API}${path}?${query}${round % 2 === 0 ? `&state=${live}` : ""}`, {
          headers: { cookie: round % 5 === 0 ? encodeURIComponent(pick()) : await browser.jar.getCookieString(API) },
        }),
      );
      expect(response.status).toBeLessThan(500);
    }
  });
});
