import { oidc } from "@portcullis/auth/oauth";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { API, CLIENT, createOAuthFixture, fragmentOf, LANDING, problemOf } from "./oauth-fixture.js";
import { type RunningProvider, startOpenIdProvider } from "./openid-provider.js";

let provider: RunningProvider;
const callback = `${API}/auth/oauth/acme/callback`;

beforeAll(async () => {
  provider = await startOpenIdProvider([
    { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [callback] },
    {
      client_id: "poster",
      client_secret: CLIENT.clientSecret,
      redirect_uris: [callback],
      token_endpoint_auth_method: "client_secret_post",
    },
    { client_id: "public", redirect_uris: [callback], token_endpoint_auth_method: "none" },
  ]);
});
afterAll(async () => provider.close());
beforeEach(() => {
  provider.person = { sub: "ada-1", email: "ada@example.com", email_verified: true, name: "Ada" };
  provider.consents = true;
  provider.requests.length = 0;
});

const service = (options = {}) => createOAuthFixture({ providers: { acme: oidc({ issuer: provider.issuer, ...CLIENT, ...options }) } });

describe("login over a real OpenID provider", () => {
  it("AUTH-O1 the whole code flow: discovery, PKCE S256 and nonce, tokens of ours at the end", async () => {
    const fixture = service();
    const browser = fixture.browser();
    const authorization = new URL(await browser.start({ state: "the page's own" }, "acme"));
    expect(`${authorization.origin}${authorization.pathname}`).toBe(`${provider.issuer}/auth`);
    const sent = Object.fromEntries(authorization.searchParams);
    expect(sent).toMatchObject({
      response_type: "code",
      client_id: CLIENT.clientId,
      redirect_uri: callback,
      scope: "openid email profile",
      code_challenge_method: "S256",
    });
    expect(sent["code_challenge"]).toMatch(/^[\w-]{43}$/);
    expect(sent["nonce"]).toMatch(/^[\w-]{43}$/);
    expect(Buffer.from(String(sent["state"]), "base64url").length).toBe(32); // AUTH-O2: 256 bits

    const response = await browser.visit(await browser.consent(authorization.href));
    expect(response.status).toBe(303);
    expect(String(response.headers.get("location")).startsWith(`${LANDING}#access_token=`)).toBe(true);
    const fragment = fragmentOf(response);
    expect([...fragment.keys()]).toEqual(["access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in", "state"]);
    expect(fragment.get("state")).toBe("the page's own");
    const verified = await fixture.auth.verifyAccessToken(String(fragment.get("access_token")));
    if (verified.kind !== "ok") throw new Error("not our token");
    expect(verified.value).toMatchObject({ amr: ["fed"], principal: { email: "ada@example.com", roles: ["member"], mfaAt: undefined } });
    expect(await fixture.users.byEmail("ada@example.com")).toMatchObject({ name: "Ada", emailVerified: true, passwordHash: undefined });
    expect(await fixture.auth.refresh(String(fragment.get("refresh_token")))).toMatchObject({ kind: "ok" });
    expect(fixture.events.map(({ kind }) => kind)).toEqual(["account_created", "identity_linked", "login_succeeded", "token_refreshed"]);
    expect(fixture.counted).toContain("auth_attempts_total{oauth,success}");
    expect(fixture.faults).toEqual([]);
  });

  it("AUTH-O1 each attempt has its own state, nonce, challenge and cookie", async () => {
    const { browser } = service();
    const seen = new Set<string>();
    for (let round = 0; round < 20; round += 1) {
      const { searchParams } = new URL(await browser().start({}, "acme"));
      for (const name of ["state", "nonce", "code_challenge"]) seen.add(String(searchParams.get(name)));
    }
    expect(seen.size).toBe(60);
  });

  it.each([
    ["a public client, which PKCE alone protects", { clientId: "public", clientSecret: undefined }],
    ["a client that posts its secret", { clientId: "poster", clientAuthentication: "post" }],
  ])("%s logs in", async (_name, client) => {
    const { clientSecret, ...rest } = { clientSecret: CLIENT.clientSecret, ...client };
    const options = { issuer: provider.issuer, ...rest, ...(clientSecret === undefined ? {} : { clientSecret }) };
    const fixture = createOAuthFixture({ providers: { acme: oidc(options as Parameters<typeof oidc>[0]) } });
    expect(fragmentOf(await fixture.browser().login({}, "acme")).has("access_token")).toBe(true);
  });

  it("AUTH-O8 a second login is the same account, whatever has become of address and name", async () => {
    const fixture = service();
    await fixture.browser().login({}, "acme");
    provider.person = { sub: "ada-1", email: "countess@elsewhere.example", email_verified: false, name: "Lovelace" };
    const again = fragmentOf(await fixture.browser().login({}, "acme"));
    const verified = await fixture.auth.verifyAccessToken(String(again.get("access_token")));
    expect(verified).toMatchObject({ value: { principal: { email: "ada@example.com" } } });
    expect((await fixture.users.list({ limit: 10 })).total).toBe(1);
  });

  it("AUTH-O4 the provider's iss (RFC 9207) is there, must be there, and must be the provider's", async () => {
    const fixture = service();
    const browser = fixture.browser();
    for (const tamper of [
      (url: URL) => url.searchParams.delete("iss"),
      (url: URL) => url.searchParams.set("iss", "https://evil.example"),
      (url: URL) => url.searchParams.set("iss", `${provider.issuer}/`),
      (url: URL) => url.searchParams.append("iss", provider.issuer),
    ]) {
      const url = new URL(await browser.consent(await browser.start({}, "acme")));
      expect(url.searchParams.get("iss")).toBe(provider.issuer);
      tamper(url);
      const response = await browser.visit(url.href);
      expect(await problemOf(response)).toMatchObject({ code: 1018, status: 400, reason: "issuer_mismatch" });
    }
    expect((await fixture.users.list({ limit: 10 })).total).toBe(0);
  });

  it("AUTH-O12 what the provider says when the user says no is not repeated, to the browser or the error page", async () => {
    provider.consents = false;
    const plain = service();
    const refused = await plain.browser().login({ state: "mine" }, "acme");
    const text = await refused.clone().text();
    expect(await problemOf(refused)).toMatchObject({ code: 1018, status: 400, reason: "access_denied" });
    expect(text).not.toMatch(/thank|<b>/);
    expect(plain.events).toEqual([
      {
        kind: "oauth_failed",
        provider: "acme",
        purpose: "login",
        reason: "access_denied",
        providerError: "access_denied",
        diagnosis: undefined,
        userId: undefined,
      },
    ]);

    const withPage = createOAuthFixture({
      providers: { acme: oidc({ issuer: provider.issuer, ...CLIENT }) },
      redirects: { allow: [LANDING], default: LANDING, error: "https://app.example.test/failed?lang=en" },
    });
    const response = await withPage.browser().login({ state: "mine" }, "acme");
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe("https://app.example.test/failed?lang=en&error=access_denied&code=1018&state=mine");
  });

  it("AUTH-O6 keys that rotated at the provider are found after the cooldown, not by asking without end", async () => {
    const fixture = service();
    await fixture.browser().login({}, "acme");
    await provider.rotate();
    provider.requests.length = 0;
    // Within the cooldown an unknown key id is not worth a request: whoever invents ids would make us send as many.
    const early = await fixture.browser().login({}, "acme");
    expect(await problemOf(early)).toMatchObject({ code: 1018, status: 502, reason: "id_token_invalid" });
    expect(provider.requests).not.toContain("/jwks");
    fixture.clock.advance(30_000);
    expect(fragmentOf(await fixture.browser().login({}, "acme")).has("access_token")).toBe(true);
    expect(provider.requests.filter((path) => path === "/jwks")).toHaveLength(1);
    // Metadata was read once for all of them.
    expect(provider.requests).not.toContain("/.well-known/openid-configuration");
  });

  it("AUTH-O1 a code that was intercepted is worth nothing without the verifier, which no URL and no store shows", async () => {
    const fixture = service();
    const browser = fixture.browser();
    const url = new URL(await browser.consent(await browser.start({}, "acme")));
    const stolen = await fetch(`${provider.issuer}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${CLIENT.clientId}:${encodeURIComponent(CLIENT.clientSecret)}`)}` },
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: String(url.searchParams.get("code")),
        redirect_uri: callback,
        code_verifier: "a".repeat(43),
      }),
    });
    expect(stolen.status).toBe(400);
  });

  it("AUTH-O2 a code that was used already ends in the provider's refusal, told in our own words", async () => {
    const fixture = service();
    const browser = fixture.browser();
    const first = new URL(await browser.consent(await browser.start({}, "acme")));
    expect((await browser.visit(first.href)).status).toBe(303);
    const second = new URL(await browser.consent(await browser.start({}, "acme")));
    second.searchParams.set("code", String(first.searchParams.get("code")));
    expect(await problemOf(await browser.visit(second.href))).toMatchObject({ code: 1018, status: 400, reason: "provider_error" });
  });

  it("AUTH-O8 two first logins at once make one account, and both are let in", async () => {
    const fixture = service();
    const browsers = Array.from({ length: 8 }, () => fixture.browser());
    const callbacks = await Promise.all(browsers.map(async (browser) => browser.consent(await browser.start({}, "acme"))));
    const responses = await Promise.all(browsers.map((browser, index) => browser.visit(String(callbacks[index]))));
    expect(responses.map(({ status }) => status)).toEqual(Array(8).fill(303));
    expect(responses.every((response) => fragmentOf(response).has("access_token"))).toBe(true);
    const { accounts } = await fixture.users.list({ limit: 10 });
    expect(accounts).toHaveLength(1);
    expect(await fixture.oauth.identities(String(accounts[0]?.id))).toHaveLength(1);
  });
});
