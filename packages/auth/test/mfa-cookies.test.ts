import { describe, expect, it } from "vitest";
import { EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { createCookieServer } from "./cookie-browser.js";
import { codeAt, MFA_KEY } from "./mfa-fixture.js";

describe("a second factor in a browser with cookies", () => {
  const server = () => createCookieServer({ mfa: { keys: MFA_KEY, requiredRoles: ["boss"] } });

  async function withPendingLogin() {
    const { auth, browser, clock, store, userId } = await server();
    const account = valueOf(await auth.createAccount({ email: "boss@example.com", password: PASSWORD, roles: ["boss"] }));
    const one = browser();
    const logIn = async (): Promise<string> => String((await one.logIn({ email: "boss@example.com" })).body["mfa_token"]);
    const token = await logIn();
    const enrolment = await one.call("POST", "/auth/mfa/enroll", { body: { mfa_token: token } });
    return { auth, browser, clock, store, userId, account, one, logIn, token, secret: String(enrolment.body["secret"]) };
  }

  it("AUTH-M1 AUTH-S1 ends a pending login in cookies where it asks for them, and no script sees a token", async () => {
    const { one, token, secret, clock, auth, logIn } = await withPendingLogin();
    const verified = await one.call("POST", "/auth/mfa/verify", {
      body: { mfa_token: token, code: codeAt(secret, clock.now()), delivery: "cookie" },
    });
    expect(verified.status).toBe(200);
    expect(JSON.stringify(verified.body)).not.toMatch(/access_token|refresh_token/);
    expect(verified.setCookies).toHaveLength(3);
    expect(await one.call("GET", "/auth/mfa")).toMatchObject({ status: 200, body: { enrolled: true, verified_at: clock.now() } });

    // The next login in the same browser ends the session whose cookies it overwrites.
    const first = String(await one.valueOf("__Host-session"));
    clock.advance(30_000);
    const body = { mfa_token: await logIn(), code: codeAt(secret, clock.now()), delivery: "cookie" };
    expect((await one.call("POST", "/auth/mfa/verify", { body })).status).toBe(200);
    expect(await auth.verifyAccessToken(first)).toMatchObject({ problem: { code: 1004 } });
  });

  it("AUTH-C a page of another origin gets no cookies for the code of its own account (login CSRF), and the code is not used up", async () => {
    const { browser, token, secret, clock } = await withPendingLogin();
    const body = { mfa_token: token, code: codeAt(secret, clock.now()), delivery: "cookie" };
    const victim = browser();
    expect(await victim.call("POST", "/auth/mfa/verify", { site: "same-site", body })).toMatchObject({ status: 403, setCookies: [] });
    expect((await victim.call("POST", "/auth/mfa/verify", { body })).status).toBe(200);
  });

  it("AUTH-S1 a session of cookies that proves its factor gets cookies, whatever it asks for", async () => {
    const { browser, clock } = await server();
    const one = browser();
    expect((await one.call("POST", "/auth/login", { body: { email: EMAIL, password: PASSWORD, delivery: "cookie" } })).status).toBe(200);
    const { body: enrolment } = await one.call("POST", "/auth/mfa/enroll", { body: {} });
    const verified = await one.call("POST", "/auth/mfa/verify", {
      body: { code: codeAt(String(enrolment["secret"]), clock.now()), delivery: "body" },
    });
    expect([verified.status, verified.setCookies.length]).toEqual([200, 3]);
    expect(JSON.stringify(verified.body)).not.toMatch(/access_token|refresh_token/);
  });
});
