// A login over a real OpenID provider, then a real TOTP, by each way of delivery.
import { createHash } from "node:crypto";
import type { AuthOptions } from "@portcullis/auth";
import { oidc, type OAuthOptions } from "@portcullis/auth/oauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valueOf } from "./auth-fixture.js";
import { codeAt, MFA_KEY, mfaOf } from "./mfa-fixture.js";
import { API, type Browser, CLIENT, createOAuthFixture, fragmentOf } from "./oauth-fixture.js";
import { type RunningProvider, startOpenIdProvider } from "./openid-provider.js";

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const EMAIL = "ada@example.com";

let provider: RunningProvider;
beforeAll(async () => {
  const client = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [`${API}/auth/oauth/acme/callback`] };
  provider = await startOpenIdProvider([client]);
});
afterAll(async () => provider.close());

type Json = Record<string, unknown>;

/** An administrator with a second factor, who comes over the provider. @param roles Of the account. */
async function service(delivery: OAuthOptions["delivery"], roles: readonly string[] = ["admin"], authOptions: Partial<AuthOptions> = {}) {
  const redirects = delivery === "cookie" ? { redirects: { allow: ["/*"], default: "/" } } : {};
  const providers = { acme: oidc({ issuer: provider.issuer, ...CLIENT }) };
  const fixture = createOAuthFixture(
    { providers, delivery, onUnknown: { create: { roles } }, ...redirects },
    { cookies: {}, mfa: { keys: MFA_KEY }, ...authOptions },
  );
  const mfa = mfaOf(fixture.auth);
  async function post(
    browser: Browser,
    path: string,
    body: Json,
    headers: Json = {},
  ): Promise<{ status: number; body: Json; response: Response }> {
    const fields = { "content-type": "application/json", origin: API, "sec-fetch-site": "same-origin", ...headers };
    const response = await browser.visit(`${API}${path}`, { method: "POST", headers: fields, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as Json, response };
  }
  /** Enrols by the token of a login under way, as somebody who has none yet. @returns the secret. */
  async function enrol(pendingToken: string): Promise<string> {
    const { secret } = valueOf(await mfa.enroll({ pendingToken }));
    valueOf(await mfa.verify({ pendingToken }, codeAt(secret, fixture.clock.now())));
    fixture.clock.advance(30_000);
    return secret;
  }
  const start = () => (delivery === "code" ? { code_challenge: CHALLENGE } : {});
  /** The whole way over the provider. @returns the token of the pending login. */
  async function overProvider(browser: Browser): Promise<string> {
    const response = await browser.login(start(), "acme");
    expect(response.status).toBe(303);
    if (delivery !== "code") {
      const fragment = fragmentOf(response);
      expect([...fragment.keys()].toSorted()).toEqual(["mfa_enrolled", "mfa_required", "mfa_token", "mfa_token_expires_at"]);
      expect(response.headers.getSetCookie().filter((line) => !line.includes("Max-Age=0"))).toEqual([]);
      return String(fragment.get("mfa_token"));
    }
    const code = String(new URL(String(response.headers.get("location"))).searchParams.get("code"));
    const exchanged = await post(browser, "/auth/oauth/token", { code, code_verifier: VERIFIER });
    expect(exchanged.body).toMatchObject({ mfa_required: true });
    expect(exchanged.body).not.toHaveProperty("access_token");
    return String(exchanged.body["mfa_token"]);
  }
  return { ...fixture, mfa, post, enrol, overProvider };
}

describe("a second factor after a login over a provider", () => {
  it.each(["fragment", "code"] as const)(
    "AUTH-M1 AUTH-O11 by %s: tokens come of the code only, and say what was proven",
    async (delivery) => {
      const { auth, clock, store, users, browser, post, enrol, overProvider, faults } = await service(delivery);
      const secret = await enrol(await overProvider(browser()));
      const userId = String((await users.byEmail(EMAIL))?.id);
      await store.sessions.revoke(userId);
      const page = browser();
      const mfa_token = await overProvider(page);
      expect(await store.sessions.list(userId)).toEqual([]);
      for (const [header, token] of [
        ["authorization", `Bearer ${mfa_token}`],
        ["cookie", `__Host-session=${mfa_token}`],
      ] as const) {
        const response = await browser().visit(`${API}/auth/me`, { headers: { [header]: token } });
        expect([header, response.status]).toEqual([header, 401]);
      }
      expect((await post(page, "/auth/mfa/verify", { mfa_token, code: "000000" })).body).toMatchObject({ status: 401 });
      const done = await post(page, "/auth/mfa/verify", { mfa_token, code: codeAt(secret, clock.now()) });
      expect(done.status).toBe(200);
      const token = valueOf(await auth.verifyAccessToken(String(done.body["access_token"])));
      expect(token).toMatchObject({
        amr: ["fed", "otp", "mfa"],
        principal: { mfaAt: Math.floor(clock.now() / 1000) * 1000, roles: ["admin"] },
      });
      expect((await post(page, "/auth/mfa/verify", { mfa_token, code: codeAt(secret, clock.now() + 30_000) })).body).toMatchObject({
        code: 1002,
      });
      expect(faults).toEqual([]);
    },
  );

  it("AUTH-M1 AUTH-O11 AUTH-S1 by cookie: the page sends the code and gets cookies, and no token", async () => {
    const { clock, store, users, browser, post, enrol, overProvider, faults } = await service("cookie");
    const secret = await enrol(await overProvider(browser()));
    const userId = String((await users.byEmail(EMAIL))?.id);
    await store.sessions.revoke(userId);
    const page = browser();
    const mfa_token = await overProvider(page);
    expect((await page.visit(`${API}/auth/me`)).status).toBe(401);
    const done = await post(page, "/auth/mfa/verify", { mfa_token, code: codeAt(secret, clock.now()), delivery: "cookie" });
    expect([done.status, Object.keys(done.body)]).toEqual([200, ["expires_in", "refresh_expires_in", "csrf_token", "user"]]);
    const me = await page.visit(`${API}/auth/me`);
    expect([me.status, await me.json()]).toMatchObject([200, { email: EMAIL }]);
    expect(await store.sessions.list(userId)).toHaveLength(1);
    expect(faults).toEqual([]);
  });

  it("AUTH-M1 whoever has none yet enrols with the token of the login, and with nothing before", async () => {
    const { clock, browser, post, overProvider } = await service("fragment");
    const page = browser();
    const mfa_token = await overProvider(page);
    const made = await post(page, "/auth/mfa/enroll", { mfa_token });
    expect(made.status).toBe(200);
    const done = await post(page, "/auth/mfa/verify", { mfa_token, code: codeAt(String(made.body["secret"]), clock.now()) });
    expect(done.body).toMatchObject({ user: { email: EMAIL } });
  });

  it("AUTH-O9 linking wants a recent login: after it, 401 with the challenge of RFC 9470, and a second factor helps", async () => {
    const { auth, clock, browser, post, enrol, overProvider } = await service("fragment");
    const secret = await enrol(await overProvider(browser()));
    const page = browser();
    const verified = async (body: Json, headers: Json = {}): Promise<string> =>
      String((await post(page, "/auth/mfa/verify", { ...body, code: codeAt(secret, clock.now()) }, headers)).body["access_token"]);
    const access = await verified({ mfa_token: await overProvider(page) });
    const link = (token: string) => post(page, "/auth/oauth/link", { provider: "acme" }, { authorization: `Bearer ${token}` });
    expect((await link(access)).status).toBe(200);
    clock.advance(600_001);
    const refused = await link(access);
    expect([refused.status, refused.body["code"]]).toEqual([401, 1010]);
    expect(refused.response.headers.get("www-authenticate")).toBe('Bearer error="insufficient_user_authentication"');
    expect(refused.response.headers.getSetCookie()).toEqual([]);
    const steppedUp = await verified({}, { authorization: `Bearer ${access}` });
    expect((await auth.verifyAccessToken(access)).kind).toBe("denied");
    expect((await link(steppedUp)).status).toBe(200);
  });
});
