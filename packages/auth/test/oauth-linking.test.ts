import { describe, expect, it } from "vitest";
import { EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";
import { API, createOAuthFixture, fragmentOf, lyingProvider, type OAuthFixture, problemOf } from "./oauth-fixture.js";
import type { Browser } from "./oauth-fixture.js";

const a = lyingProvider();
const b = lyingProvider();
const { lies } = a;
const service = (options = {}, authOptions = {}) =>
  createOAuthFixture({ providers: { mock: a.client(), other: b.client() }, onUnknown: "refuse", ...options }, authOptions);

async function withAda(options = {}, { isVerified = false } = {}) {
  const fixture = service(options);
  const { id } = valueOf(await fixture.auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["member"] }));
  if (isVerified) await fixture.users.confirmEmail(id, EMAIL);
  fixture.events.length = 0;
  return { ...fixture, userId: id };
}

const accessOf = async ({ auth }: OAuthFixture, email = EMAIL): Promise<string> =>
  valueOf(await auth.login({ email, password: PASSWORD })).tokens.accessToken;

async function postLink(browser: Browser, access: string, body: Record<string, unknown> = { provider: "mock" }): Promise<Response> {
  return browser.visit(`${API}/auth/oauth/link`, {
    method: "POST",
    headers: { authorization: `Bearer ${access}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The whole way of a link. @returns what the callback answered. */
async function link(browser: Browser, access: string, body?: Record<string, unknown>): Promise<Response> {
  const response = await postLink(browser, access, body);
  if (response.status !== 200) return response;
  const { authorization_url: url } = (await response.json()) as { authorization_url: string };
  return browser.visit(await browser.consent(url));
}

const unlink = (browser: Browser, access: string, provider: string): Promise<Response> =>
  browser.visit(`${API}/auth/oauth/unlink?provider=${provider}`, { method: "DELETE", headers: { authorization: `Bearer ${access}` } });

describe("an address that both sides know", () => {
  it.each([
    ["verified by both", true, true, 303],
    ["verified by the provider only", false, true, 400],
    ["verified by us only", true, false, 400],
    ["verified by nobody", false, false, 400],
  ])("AUTH-O9 %s", async (_name, isVerified, providerSays, status) => {
    const fixture = await withAda({}, { isVerified });
    lies.userinfo = { email_verified: providerSays };
    const response = await fixture.browser().login();
    expect(response.status).toBe(status);
    expect(await fixture.oauth.identities(fixture.userId)).toHaveLength(status === 303 ? 1 : 0);
    if (status === 400) {
      expect(await problemOf(response)).toMatchObject({ code: 1018, reason: providerSays ? "account_exists" : "account_unknown" });
      expect(fixture.events.map(({ kind }) => kind)).toEqual(["oauth_failed"]);
    } else {
      expect(fixture.events[0]).toEqual({ kind: "identity_linked", userId: fixture.userId, provider: "mock", how: "email" });
      const verified = await fixture.auth.verifyAccessToken(String(fragmentOf(response).get("access_token")));
      expect(verified).toMatchObject({ value: { principal: { id: fixture.userId } } });
    }
  });

  it("AUTH-O9 autoLink never: only its user links", async () => {
    const fixture = await withAda({ autoLink: "never" }, { isVerified: true });
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_exists" });
  });

  it("AUTH-O9 a provider whose addresses are not trusted links nothing by them", async () => {
    const fixture = await withAda({ providers: { mock: a.client({ trustEmail: false }) } }, { isVerified: true });
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_unknown" });
  });

  it("AUTH-O9 pre-hijacking: an account that somebody typed the owner's address into is not opened by the owner's provider", async () => {
    const fixture = await withAda({ onUnknown: { create: { roles: ["member"] } } });
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_exists" });
    expect((await fixture.users.list({ limit: 10 })).total).toBe(1);
  });

  it.each([
    ["the Kelvin sign", "\u212A@example.com", "k@example.com"],
    ["full width", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ada@example.com"],
    ["upper case and space around", "  ADA@Example.COM ", "ada@example.com"],
  ])("AUTH-O10 %s is the same address before anything compares it", async (_name, spelled, normal) => {
    const fixture = service();
    const { id } = valueOf(await fixture.auth.createAccount({ email: normal, password: PASSWORD, roles: ["member"] }));
    lies.userinfo = { email: spelled };
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_exists" });
    await fixture.users.confirmEmail(id, normal);
    expect(fragmentOf(await fixture.browser().login()).has("access_token")).toBe(true);
    expect((await fixture.users.list({ limit: 10 })).total).toBe(1);
  });

  it("AUTH-O10 a new account has the normal form", async () => {
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } });
    lies.userinfo = { email: "ａｄｍｉｎ＠x.com" };
    await fixture.browser().login();
    expect(await fixture.users.byEmail("admin@x.com")).toMatchObject({ roles: ["member"] });
  });

  it("AUTH-O8 the same subject at another issuer is somebody else", async () => {
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } });
    await fixture.browser().login({}, "mock");
    b.lies.userinfo = { email: "grace@example.com" };
    await fixture.browser().login({}, "other");
    expect((await fixture.users.list({ limit: 10 })).total).toBe(2);
  });

  it("AUTH-O8 an address that changed hands opens nothing for its new owner", async () => {
    const fixture = service({ onUnknown: { create: { roles: ["member"] } }, autoLink: "never" });
    await fixture.browser().login();
    lies.idToken = ({ payload }) => void (payload["sub"] = "person-2");
    lies.userinfo = { sub: "person-2" };
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_exists" });
  });

  it("AUTH-O9 onUnknown refuse: a stranger gets no account", async () => {
    const fixture = service();
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ code: 1018, status: 400, reason: "account_unknown" });
    expect((await fixture.users.list({ limit: 1 })).total).toBe(0);
  });

  it("a disabled account is refused, also one that would only now be linked", async () => {
    const fixture = await withAda({}, { isVerified: true });
    await fixture.auth.setDisabled(fixture.userId, true);
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_refused" });
    expect(await fixture.oauth.identities(fixture.userId)).toEqual([]);
    await fixture.auth.setDisabled(fixture.userId, false);
    await fixture.browser().login();
    await fixture.auth.setDisabled(fixture.userId, true);
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_refused" });
    expect(await fixture.store.sessions.list(fixture.userId)).toEqual([]);
  });

  it("an account that is gone is not made anew, until its identities are forgotten", async () => {
    const gone = new Set<string>();
    const base = service();
    const users = { ...base.users, byId: async (id: string) => (gone.has(id) ? undefined : base.users.byId(id)) };
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } }, { users, store: base.store, clock: base.clock });
    await fixture.browser().login();
    const { id } = (await base.users.byEmail("ada@example.com")) ?? { id: "" };
    gone.add(id);
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_refused" });
    await fixture.oauth.forget(id);
    expect(await fixture.oauth.identities(id)).toEqual([]);
  });

  it("AUTH-O9 a service with a verified address is not linked, and not logged in", async () => {
    const fixture = service();
    const { passwordHash, orgId, workspaceId } = { passwordHash: undefined, orgId: undefined, workspaceId: undefined };
    const created = await fixture.users.create({
      type: "service",
      email: EMAIL,
      emailVerified: true,
      name: undefined,
      mustChangePassword: false,
      roles: ["admin"],
      orgRoles: [],
      passwordHash,
      orgId,
      workspaceId,
    });
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_exists" });
    expect(await fixture.oauth.identities(String(created?.id))).toEqual([]);
  });

  it("AUTH-O9 an identity that is unlinked while it logs in opens nothing", async () => {
    const base = service();
    let unlinkAfterNextFind = false;
    const records = wrapPort(base.store.records, (method, name) => async (...parameters) => {
      const found = await method(...parameters);
      if (name === "find" && parameters[0] === "auth-identities" && unlinkAfterNextFind) {
        unlinkAfterNextFind = false;
        await base.store.records.remove("auth-identities", (parameters[1] as { readonly id: string }).id);
      }
      return found;
    });
    const store = { ...base.store, records };
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } }, { store, users: base.users, clock: base.clock });
    await fixture.browser().login();
    unlinkAfterNextFind = true;
    expect(await problemOf(await fixture.browser().login())).toMatchObject({ reason: "account_unknown" });
  });

  it("a session desk that refuses is heard", async () => {
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } }, { sessions: { max: 1, whenFull: "refuse" } });
    await fixture.browser().login();
    expect((await problemOf(await fixture.browser().login())).code).toBe(1109);
  });
});

describe("linking by a user who is logged in", () => {
  it("AUTH-O9 links, and the identity opens the account from then on", async () => {
    const fixture = await withAda();
    lies.userinfo = { email: "elsewhere@example.org", email_verified: false };
    const response = await link(fixture.browser(), await accessOf(fixture), { provider: "mock", state: "s" });
    expect(Object.fromEntries(fragmentOf(response))).toEqual({ linked: "mock", state: "s" });
    expect(fixture.events.at(-1)).toEqual({ kind: "identity_linked", userId: fixture.userId, provider: "mock", how: "session" });
    const login = fragmentOf(await fixture.browser().login());
    const verified = await fixture.auth.verifyAccessToken(String(login.get("access_token")));
    expect(verified).toMatchObject({ value: { principal: { id: fixture.userId } } });
    const list = await fixture
      .browser()
      .visit(`${API}/auth/oauth/identities`, { headers: { authorization: `Bearer ${String(login.get("access_token"))}` } });
    expect(await list.json()).toMatchObject({ identities: [{ provider: "mock", linked_at: fixture.clock.now() }] });
  });

  it("AUTH-O9 twice is once", async () => {
    const fixture = await withAda();
    const access = await accessOf(fixture);
    expect((await link(fixture.browser(), access)).status).toBe(303);
    expect((await link(fixture.browser(), access)).status).toBe(303);
    expect(await fixture.oauth.identities(fixture.userId)).toHaveLength(1);
    expect(fixture.events.filter(({ kind }) => kind === "identity_linked")).toHaveLength(1);
  });

  it("AUTH-O9 what is linked elsewhere is a 409 and stays where it is", async () => {
    const fixture = await withAda();
    await link(fixture.browser(), await accessOf(fixture));
    const eve = valueOf(await fixture.auth.createAccount({ email: "eve@example.com", password: PASSWORD, roles: ["member"] }));
    const response = await link(fixture.browser(), await accessOf(fixture, "eve@example.com"));
    expect(await problemOf(response)).toMatchObject({ code: 4001, status: 409, reason: "already_linked" });
    expect(await fixture.oauth.identities(eve.id)).toEqual([]);
    expect(await fixture.oauth.identities(fixture.userId)).toHaveLength(1);
  });

  it("AUTH-O9 of two accounts that link one identity at once, one has it", async () => {
    const fixture = await withAda();
    await fixture.auth.createAccount({ email: "eve@example.com", password: PASSWORD, roles: ["member"] });
    const accesses = [await accessOf(fixture), await accessOf(fixture, "eve@example.com")];
    const responses = await Promise.all(accesses.map((access) => link(fixture.browser(), access)));
    expect(responses.map(({ status }) => status).sort((x, y) => x - y)).toEqual([303, 409]);
  });

  it.each([
    ["ten minutes", 600_000, 200],
    ["a millisecond more", 600_001, 401],
  ])("AUTH-O9 a login of %s ago", async (_name, ageMs, status) => {
    const fixture = await withAda();
    const access = await accessOf(fixture);
    fixture.clock.advance(ageMs);
    const response = await postLink(fixture.browser(), access);
    expect(response.status).toBe(status);
    if (status === 401) expect((await problemOf(response)).code).toBe(1010);
  });

  it("AUTH-O9 a refreshed token does not make an old login young; a second factor does, while it is recent", async () => {
    const fixture = await withAda();
    const login = valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD }));
    fixture.clock.advance(700_000);
    const refreshed = valueOf(await fixture.auth.refresh(login.tokens.refreshToken));
    expect((await postLink(fixture.browser(), refreshed.accessToken)).status).toBe(401);

    const withFactor = await fixture.auth.createTokenPair(
      { userId: fixture.userId, role: "member" },
      { amr: ["pwd", "otp"], mfaAt: fixture.clock.now() + 300_000 },
    );
    fixture.clock.advance(700_000);
    expect((await postLink(fixture.browser(), withFactor.accessToken)).status).toBe(200);
    fixture.clock.advance(300_000);
    expect((await postLink(fixture.browser(), withFactor.accessToken)).status).toBe(401);
  });

  it("AUTH-O9 needs a session: nobody, and an API key, link nothing", async () => {
    const fixture = await withAda();
    expect((await postLink(fixture.browser(), "")).status).toBe(401);
    const { principal } = valueOf(await fixture.auth.verifyAccessToken(await accessOf(fixture)));
    const { key } = valueOf(await fixture.auth.apiKeys.create(principal, { name: "a key" }));
    const response = await fixture.browser().visit(`${API}/auth/oauth/link`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ provider: "mock" }),
    });
    expect(response.status).toBe(403);
  });

  it("AUTH-O9 the callback comes from the browser that asked: a link begun by an attacker does not end in the victim's", async () => {
    const fixture = await withAda();
    const attacker = fixture.browser();
    const { authorization_url: url } = (await (await postLink(attacker, await accessOf(fixture))).json()) as { authorization_url: string };
    const victim = fixture.browser();
    expect((await problemOf(await victim.visit(await victim.consent(url)))).code).toBe(1017);
    expect(await fixture.oauth.identities(fixture.userId)).toEqual([]);
  });

  it.each<[string, (fixture: OAuthFixture & { readonly userId: string }, access: string) => Promise<unknown>, string]>([
    ["logged out", async ({ auth }, access) => auth.logout(valueOf(await auth.verifyAccessToken(access))), "session_ended"],
    ["was revoked", async ({ auth, userId }) => auth.revokeUser(userId), "session_ended"],
    ["was disabled", async ({ store, userId }) => store.subjects.setDisabled(userId, true), "account_refused"],
  ])("AUTH-O9 whoever %s meanwhile links nothing", async (_name, end, reason) => {
    const fixture = await withAda();
    const access = await accessOf(fixture);
    const browser = fixture.browser();
    const { authorization_url: url } = (await (await postLink(browser, access)).json()) as { authorization_url: string };
    const callback = await browser.consent(url);
    await end(fixture, access);
    expect(await problemOf(await browser.visit(callback))).toMatchObject({ code: 1018, reason });
    expect(await fixture.oauth.identities(fixture.userId)).toEqual([]);
  });

  it.each([
    [{ provider: "nobody" }, 404],
    [{ provider: "mock", redirect: "https://evil.example" }, 400],
    [{ provider: "mock", user_id: "another" }, 422],
    [{}, 422],
  ])("AUTH-O9 a link of %j is answered with %i", async (body, status) => {
    const fixture = await withAda();
    expect((await postLink(fixture.browser(), await accessOf(fixture), body)).status).toBe(status);
  });
});

describe("unlinking", () => {
  it("AUTH-O9 takes the identity away: it opens the account no longer", async () => {
    const fixture = await withAda();
    const access = await accessOf(fixture);
    await link(fixture.browser(), access);
    expect((await unlink(fixture.browser(), access, "mock")).status).toBe(200);
    expect(fixture.events.at(-1)).toEqual({ kind: "identity_unlinked", userId: fixture.userId, provider: "mock" });
    expect((await problemOf(await fixture.browser().login())).reason).toBe("account_exists");
    expect((await unlink(fixture.browser(), access, "mock")).status).toBe(404);
  });

  it("AUTH-O9 the last credential stays: 409", async () => {
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } });
    const access = String(fragmentOf(await fixture.browser().login()).get("access_token"));
    expect(await problemOf(await unlink(fixture.browser(), access, "mock"))).toMatchObject({ code: 4001, status: 409 });
    b.lies.userinfo = { email: "grace@example.com" };
    await link(fixture.browser(), access, { provider: "other" });
    expect((await unlink(fixture.browser(), access, "mock")).status).toBe(200);
    expect((await unlink(fixture.browser(), access, "other")).status).toBe(409);
  });

  it("AUTH-O9 of two identities unlinked at once, one stays", async () => {
    const base = service();
    // A store behind a network: the two calls meet in the middle.
    const store = {
      ...base.store,
      records: wrapPort(
        base.store.records,
        (method) =>
          async (...parameters) =>
            method(...parameters),
      ),
    };
    const fixture = service({ onUnknown: { create: { roles: ["member"] } } }, { store, users: base.users, clock: base.clock });
    const access = String(fragmentOf(await fixture.browser().login()).get("access_token"));
    b.lies.userinfo = { email: "grace@example.com" };
    await link(fixture.browser(), access, { provider: "other" });
    const responses = await Promise.all(["mock", "other"].map((provider) => unlink(fixture.browser(), access, provider)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(responses.filter(({ status }) => status === 409)).toHaveLength(1);
    const { principal } = valueOf(await fixture.auth.verifyAccessToken(access));
    expect(await fixture.oauth.identities(principal.id)).toHaveLength(1);
  });

  it("AUTH-O9 nobody unlinks what is another's", async () => {
    const fixture = await withAda();
    await link(fixture.browser(), await accessOf(fixture));
    await fixture.auth.createAccount({ email: "eve@example.com", password: PASSWORD, roles: ["member"] });
    expect((await unlink(fixture.browser(), await accessOf(fixture, "eve@example.com"), "mock")).status).toBe(404);
    expect(await fixture.oauth.identities(fixture.userId)).toHaveLength(1);
  });
});
