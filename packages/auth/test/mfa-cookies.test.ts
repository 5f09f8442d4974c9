// Second factors of browsers that hold their tokens in cookies.
import { describe, expect, it } from "vitest";
import { createCookieServer } from "./cookie-browser.js";
import { codeAt, MFA_KEY } from "./mfa-fixture.js";

/** A browser whose user, an administrator, has proven the password. */
async function createPending() {
  const server = await createCookieServer({ mfa: { keys: MFA_KEY } });
  const browser = server.browser();
  const login = await browser.logIn();
  expect([login.status, login.body.mfa_required, login.setCookies]).toEqual([200, true, []]);
  const mfaToken = String(login.body.mfa_token);
  const { body } = await browser.call("POST", "/auth/mfa/enroll", { body: { mfa_token: mfaToken } });
  return { ...server, browser, mfaToken, code: () => codeAt(String(body.secret), server.clock.now()) };
}

describe("AUTH-S2 a second factor with cookies", () => {
  it("ends a login in cookies where it asks for them, and puts no token into the body", async () => {
    const { browser, mfaToken, code } = await createPending();
    const verified = await browser.call("POST", "/auth/mfa/verify", { body: { mfa_token: mfaToken, code: code(), delivery: "cookie" } });
    expect(verified.status).toBe(200);
    expect(Object.keys(verified.body).sort()).toEqual(["csrf_token", "expires_in", "refresh_expires_in", "user"]);
    expect((await browser.call("GET", "/auth/api-keys")).status).toBe(200);
    expect((await browser.call("POST", "/auth/refresh")).status).toBe(200);
  });

  it("a page of another origin cannot have its visitor logged in so", async () => {
    const { browser, mfaToken, code } = await createPending();
    const body = { mfa_token: mfaToken, code: code(), delivery: "cookie" };
    expect((await browser.call("POST", "/auth/mfa/verify", { body, site: "cross-site" })).body.code).toBe(1104);
    // Before the code is looked at, which is therefore still good.
    expect((await browser.call("POST", "/auth/mfa/verify", { body })).status).toBe(200);
  });

  it("AUTH-S1 stepping up replaces the cookies: what HttpOnly keeps from scripts stays there, whatever is asked for", async () => {
    const { browser, mfaToken, code, clock } = await createPending();
    await browser.call("POST", "/auth/mfa/verify", { body: { mfa_token: mfaToken, code: code(), delivery: "cookie" } });
    clock.advance(30_000);
    const before = await browser.valueOf("__Host-session");
    const stepped = await browser.call("POST", "/auth/mfa/verify", { body: { code: code(), delivery: "body" } });
    expect(stepped.status).toBe(200);
    expect(stepped.body).not.toHaveProperty("access_token");
    expect(stepped.body).not.toHaveProperty("refresh_token");
    expect(await browser.valueOf("__Host-session")).not.toBe(before);
    expect((await browser.call("GET", "/auth/sessions")).body.sessions).toHaveLength(1);
  });

  it("a login over the cookies of another session ends that session", async () => {
    const { browser, mfaToken, code, auth, clock } = await createPending();
    await browser.call("POST", "/auth/mfa/verify", { body: { mfa_token: mfaToken, code: code(), delivery: "cookie" } });
    clock.advance(30_000);
    const former = (await browser.valueOf("__Host-session")) ?? "";
    const again = await browser.logIn();
    const body = { mfa_token: again.body.mfa_token, code: code(), delivery: "cookie" };
    expect((await browser.call("POST", "/auth/mfa/verify", { body })).status).toBe(200);
    expect(await auth.verifyAccessToken(former)).toMatchObject({ kind: "denied", problem: { code: 1004 } });
    expect((await browser.call("GET", "/auth/me")).status).toBe(200);
  });

  it("a dead session's cookie keeps nobody from the second factor", async () => {
    const { browser, mfaToken, code, auth, userId, clock } = await createPending();
    await browser.call("POST", "/auth/mfa/verify", { body: { mfa_token: mfaToken, code: code(), delivery: "cookie" } });
    clock.advance(30_000);
    await auth.revokeUser(userId);
    const again = await browser.logIn();
    const body = { mfa_token: again.body.mfa_token, code: code(), delivery: "cookie" };
    expect((await browser.call("POST", "/auth/mfa/verify", { body })).status).toBe(200);
    expect((await browser.call("GET", "/auth/me")).status).toBe(200);
  });
});
