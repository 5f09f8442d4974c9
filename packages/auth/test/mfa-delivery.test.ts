// Where the tokens of a proven second factor go: a session's where the last ones were, a login's where it asks.
import { describe, expect, it } from "vitest";
import { EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { type Browser, createCookieServer, type Json } from "./cookie-browser.js";
import { codeAt, createMfaFixture, createMfaServer, MFA_KEY, mfaOf } from "./mfa-fixture.js";

const OURS = ["__Host-session", "__Secure-refresh", "__Host-csrf"];

async function createServer(roles?: readonly string[]) {
  const server = await createCookieServer({ mfa: { keys: MFA_KEY, ...(roles === undefined ? {} : { requiredRoles: roles }) } });
  const verify = (browser: Browser, body: Json, more = {}) => browser.call("POST", "/auth/mfa/verify", { body, ...more });
  return {
    ...server,
    verify,
    /** Enrols, and lets the code's step pass. @returns the secret. */
    async enrolled(): Promise<string> {
      const login = await server.auth.login({ email: EMAIL, password: PASSWORD });
      if (login.kind === "denied") throw new Error("no login");
      const caller =
        login.kind === "ok"
          ? valueOf(await server.auth.verifyAccessToken(login.value.tokens.accessToken))
          : { pendingToken: login.challenge.token };
      const { secret } = valueOf(await mfaOf(server.auth).enroll(caller));
      valueOf(await mfaOf(server.auth).verify(caller, codeAt(secret, server.clock.now())));
      server.clock.advance(30_000);
      return secret;
    },
  };
}

describe("the tokens of a second factor", () => {
  it("AUTH-S1 step-up by cookie sets every cookie anew, shows no token to scripts, and the old ones are worth nothing", async () => {
    const { auth, store, userId, clock, browser, verify, faults } = await createServer([]);
    const ada = browser();
    await ada.logIn();
    const made = await ada.call("POST", "/auth/mfa/enroll", { body: {} });
    const before = await Promise.all(OURS.map((name) => ada.valueOf(name)));
    const code = (): string => codeAt(String(made.body["secret"]), clock.now());
    for (const asked of [{}, { delivery: "body" }, { delivery: "cookie" }]) {
      const held = await Promise.all(OURS.map((name) => ada.valueOf(name)));
      const proven = await verify(ada, { code: code(), ...asked });
      expect(proven.status).toBe(200);
      expect(Object.keys(proven.body)).toEqual(["expires_in", "refresh_expires_in", "csrf_token", "user"]);
      expect(proven.setCookies.map((line) => line.replace(/=.*/s, ""))).toEqual(OURS);
      const now = await Promise.all(OURS.map((name) => ada.valueOf(name)));
      for (const [at, value] of now.entries()) expect([undefined, held[at]]).not.toContain(value);
      expect(JSON.stringify(proven.body)).not.toContain(now[0]);
      expect(JSON.stringify(proven.body)).not.toContain(now[1]);
      expect((await ada.call("GET", "/auth/mfa")).body).toMatchObject({ verified_at: clock.now() });
      expect(await store.sessions.list(userId)).toHaveLength(1);
      clock.advance(30_000);
    }
    const { headers, status } = await browser().call("GET", "/auth/me", { headers: { cookie: `__Host-session=${before[0] ?? ""}` } });
    expect([status, headers.get("www-authenticate")]).toEqual([401, 'Bearer error="invalid_token"']);
    expect(await auth.refresh(before[1] ?? "")).toMatchObject({ problem: { code: 1004 } });
    expect(faults).toEqual([]);
  });

  it("AUTH-C step-up by cookie needs the session's CSRF token, and no page of another site", async () => {
    const { clock, browser, verify } = await createServer([]);
    const ada = browser();
    await ada.logIn();
    const made = await ada.call("POST", "/auth/mfa/enroll", { body: {} });
    const body = { code: codeAt(String(made.body["secret"]), clock.now()) };
    for (const sent of [{ csrf: false }, { site: "same-site" }, { headers: { "x-csrf-token": "another" } }] as const) {
      const refused = await verify(ada, body, sent);
      expect([refused.status, refused.body["code"]]).toEqual([403, 1104]);
    }
    expect((await verify(ada, body)).status).toBe(200);
  });

  it("AUTH-S1 a pending login gets cookies where it asks for them, tokens otherwise; the session before ends", async () => {
    const { store, userId, clock, browser, verify, enrolled, auth } = await createServer();
    const secret = await enrolled();
    const ada = browser();
    const pending = async (): Promise<string> => String((await ada.logIn()).body["mfa_token"]);
    const first = await verify(ada, { mfa_token: await pending(), code: codeAt(secret, clock.now()), delivery: "cookie" });
    expect(first.status).toBe(200);
    expect(first.body).not.toHaveProperty("access_token");
    expect((await ada.call("GET", "/auth/me")).status).toBe(200);
    const [session, refresh] = [await ada.valueOf("__Host-session"), await ada.valueOf("__Secure-refresh")];
    clock.advance(30_000);
    const second = await verify(ada, { mfa_token: await pending(), code: codeAt(secret, clock.now()), delivery: "cookie" });
    expect(second.status).toBe(200);
    expect(await ada.valueOf("__Host-session")).not.toBe(session);
    expect(await auth.verifyAccessToken(session ?? "")).toMatchObject({ problem: { code: 1004 } });
    expect(await auth.refresh(refresh ?? "")).toMatchObject({ problem: { code: 1004 } });
    clock.advance(30_000);
    const inBody = await verify(browser(), { mfa_token: await pending(), code: codeAt(secret, clock.now()) });
    expect(inBody.body).toMatchObject({ token_type: "Bearer" });
    expect(inBody.setCookies).toEqual([]);
    expect(await store.sessions.list(userId)).toHaveLength(3); // of the enrolment, of the browser, of the program
  });

  it("AUTH-S4 bad and planted cookies keep nobody from proving a second factor of a login", async () => {
    const { clock, browser, verify, enrolled } = await createServer();
    const secret = await enrolled();
    for (const cookie of ["__Host-session=bad", "__Host-session=a; __Host-session=b", "__Secure-refresh=x; __Secure-refresh=y"]) {
      const ada = browser();
      const token = String((await ada.logIn()).body["mfa_token"]);
      const proven = await verify(
        ada,
        { mfa_token: token, code: codeAt(secret, clock.now()), delivery: "cookie" },
        { headers: { cookie } },
      );
      expect([cookie, proven.status]).toEqual([cookie, 200]);
      clock.advance(30_000);
    }
    const bad = await verify(browser(), { code: "123456" }, { headers: { cookie: "__Host-session=bad" } });
    expect([bad.status, bad.body["code"]]).toEqual([401, 1002]); // a session's cookie is looked at where no login is pending
  });

  it("AUTH-C a pending login asks for cookies from no other origin", async () => {
    const { clock, browser, verify, enrolled } = await createServer();
    const secret = await enrolled();
    const ada = browser();
    const body = { mfa_token: String((await ada.logIn()).body["mfa_token"]), code: codeAt(secret, clock.now()), delivery: "cookie" };
    const refused = await verify(ada, body, { site: "cross-site" });
    expect([refused.status, refused.body["code"], refused.setCookies]).toEqual([403, 1104, []]);
    expect((await verify(ada, body)).status).toBe(200); // the code was not used up
  });

  it("AUTH-L5 a login with a second factor makes the device known, and strangers lock it out no more", async () => {
    const { auth, clock, enrolled: enrol } = await createMfaFixture({ lockout: { threshold: 2, deviceTtlMs: 3_600_000 } });
    const { enrolment, login } = await enrol();
    const { call } = createMfaServer(auth);
    const first = await call("POST", "/login", { email: EMAIL, password: PASSWORD });
    const proven = await call("POST", "/mfa/verify", { mfa_token: first.body["mfa_token"], code: codeAt(enrolment.secret, clock.now()) });
    const device_token = proven.body["device_token"];
    expect([typeof device_token, typeof login.deviceToken]).toEqual(["string", "string"]);
    for (let time = 0; time < 2; time += 1) await auth.login({ email: EMAIL, password: "wrong horse battery" });
    expect((await call("POST", "/login", { email: EMAIL, password: PASSWORD })).status).toBe(429);
    expect((await call("POST", "/login", { email: EMAIL, password: PASSWORD, device_token })).body).toMatchObject({ mfa_required: true });
  });

  it("without cookies there are none to ask for", async () => {
    const { auth, pending } = await createMfaFixture();
    const { call } = createMfaServer(auth);
    const refused = await call("POST", "/mfa/verify", { mfa_token: await pending(), code: "123456", delivery: "cookie" });
    expect([refused.status, refused.body["code"]]).toEqual([422, 2002]);
  });
});
