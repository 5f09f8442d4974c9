import { toOpenApi } from "@portcullis/core";
import { authRoutes, type AuthOptions } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createFixture, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { codeAt, createMfaServer, MFA_KEY } from "./mfa-fixture.js";

async function createServer(roles: readonly string[] = ["admin"], options: Partial<AuthOptions> = {}) {
  const fixture = createFixture({ mfa: { keys: MFA_KEY, issuerName: "Acme" }, ...options });
  valueOf(await fixture.auth.createAccount({ email: EMAIL, password: PASSWORD, roles }));
  const server = createMfaServer(fixture.auth);
  const { call } = server;
  const { clock } = fixture;
  return {
    ...fixture,
    ...server,
    logIn: () => call("POST", "/login", { email: EMAIL, password: PASSWORD }),
    /** Enrols an administrator. */
    async enrol() {
      const { body } = await call("POST", "/login", { email: EMAIL, password: PASSWORD });
      const enrolment = await call("POST", "/mfa/enroll", { mfa_token: body.mfa_token });
      const secret = String(enrolment.body.secret);
      const verified = await call("POST", "/mfa/verify", { mfa_token: body.mfa_token, code: codeAt(secret, clock.now()) });
      clock.advance(30_000);
      return { enrolment, verified, secret, access: String(verified.body.access_token) };
    },
  };
}

describe("the routes of second factors", () => {
  it("AUTH-M1 an administrator logs in, enrols, verifies; only then anything else is open", async () => {
    const { logIn, call, clock, faults } = await createServer();
    const login = await logIn();
    expect(login.body).toEqual({
      mfa_required: true,
      mfa_token: expect.any(String) as string,
      mfa_token_expires_at: clock.now() + 300_000,
      mfa_enrolled: false,
    });
    expect(login.cacheControl).toBe("no-store");
    const pending = String(login.body.mfa_token);
    for (const [method, path, body] of [
      ["GET", "/me"],
      ["POST", "/logout"],
      ["POST", "/logout-all"],
      ["GET", "/mfa"],
      ["POST", "/mfa/enroll", {}],
      ["POST", "/mfa/verify", { code: "123456" }],
      ["POST", "/mfa/disable", {}],
      ["POST", "/mfa/backup-codes"],
      ["POST", "/api-keys", { name: "ci" }],
      ["POST", "/change-password", { current_password: PASSWORD, new_password: "another horse battery" }],
      ["POST", "/refresh", { refresh_token: pending }],
    ] as const) {
      expect((await call(method, path, body, pending)).body.code, path).toBe(1002);
    }
    const enrolment = await call("POST", "/mfa/enroll", { mfa_token: pending });
    expect(enrolment).toMatchObject({ status: 200, cacheControl: "no-store" });
    expect(enrolment.body).toEqual({
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/) as string,
      otpauth_uri: `otpauth://totp/Acme:ada%40example.com?secret=${String(enrolment.body.secret)}&issuer=Acme&algorithm=SHA1&digits=6&period=30`,
      backup_codes: expect.any(Array) as string[],
      expires_at: clock.now() + 600_000,
    });
    const code = codeAt(String(enrolment.body.secret), clock.now());
    const verified = await call("POST", "/mfa/verify", { mfa_token: pending, code });
    expect(verified).toMatchObject({ status: 200, cacheControl: "no-store", body: { token_type: "Bearer", user: { email: EMAIL } } });
    const access = String(verified.body.access_token);
    expect((await call("GET", "/me", undefined, access)).status).toBe(200);
    expect((await call("GET", "/mfa", undefined, access)).body).toEqual({
      enrolled: true,
      required: true,
      enrolled_at: clock.now(),
      verified_at: clock.now(),
      backup_codes_left: 10,
    });
    expect(await call("POST", "/mfa/verify", { mfa_token: pending, code })).toMatchObject({ status: 401, body: { code: 1002 } });
    expect(faults).toEqual([]);
  });

  it("AUTH-M2 a session without the proof reaches me, logout and the second factor's own routes, nothing else", async () => {
    const { auth, call, clock } = await createServer();
    const account = await auth.users.byEmail(EMAIL);
    const pair = await auth.createTokenPair({ userId: account?.id ?? "", email: EMAIL, role: "admin" });
    const { accessToken } = pair;
    for (const [method, path, body] of [
      ["POST", "/logout-all"],
      ["GET", "/api-keys"],
      ["POST", "/api-keys", { name: "ci" }],
      ["POST", "/change-password", { current_password: PASSWORD, new_password: "another horse battery" }],
    ] as const) {
      expect(await call(method, path, body, accessToken), path).toMatchObject({ status: 403, body: { code: 1102 } });
    }
    expect((await call("GET", "/me", undefined, accessToken)).status).toBe(200);
    const { body } = await call("POST", "/mfa/enroll", {}, accessToken);
    const verified = await call("POST", "/mfa/verify", { code: codeAt(String(body.secret), clock.now()) }, accessToken);
    expect((await call("GET", "/api-keys", undefined, String(verified.body.access_token))).status).toBe(200);
    expect((await call("GET", "/me", undefined, accessToken)).status).toBe(401);
    const again = await auth.createTokenPair({ userId: account?.id ?? "", email: EMAIL, role: "admin" });
    expect((await call("POST", "/logout", undefined, again.accessToken)).status).toBe(200);
  });

  it("stepping up, new backup codes, disabling", async () => {
    const { call, enrol, clock } = await createServer();
    const { secret, access, enrolment } = await enrol();
    const [first] = enrolment.body.backup_codes as string[];
    const stepped = await call("POST", "/mfa/verify", { code: codeAt(secret, clock.now()) }, access);
    expect(stepped.status).toBe(200);
    expect((await call("GET", "/me", undefined, access)).body.code).toBe(1004);
    const next = String(stepped.body.access_token);
    const codes = await call("POST", "/mfa/backup-codes", undefined, next);
    expect((codes.body.backup_codes as string[]).length).toBe(10);
    expect((await call("POST", "/mfa/verify", { code: first }, next)).body.code).toBe(1014);
    expect((await call("POST", "/mfa/disable", {}, next)).body.code).toBe(1101);
    expect((await call("POST", "/mfa/verify", { code: (codes.body.backup_codes as string[])[0] }, next)).status).toBe(200);
  });

  it("a member disables the factor again", async () => {
    const { call, logIn, clock } = await createServer(["member"]);
    const access = String((await logIn()).body.access_token);
    // Neither needs to be told anything, so that neither needs a body.
    const { body } = await call("POST", "/mfa/enroll", undefined, access);
    const verified = await call("POST", "/mfa/verify", { code: codeAt(String(body.secret), clock.now()) }, access);
    const disabled = await call("POST", "/mfa/disable", undefined, String(verified.body.access_token));
    expect(disabled.body).toEqual({ message: "Second factor disabled", sessions_ended: 0 });
    expect((await logIn()).body.access_token).toBeDefined();
  });

  it("whoever must change the password proves the second factor first, and is bound to change it then", async () => {
    const { call, enrol, users, auth, clock } = await createServer();
    const { secret } = await enrol();
    const account = await auth.users.byEmail(EMAIL);
    await users.update(account?.id ?? "", { mustChangePassword: true });
    const pending = (await call("POST", "/login", { email: EMAIL, password: PASSWORD })).body.mfa_token;
    const verified = await call("POST", "/mfa/verify", { mfa_token: pending, code: codeAt(secret, clock.now()) });
    const access = String(verified.body.access_token);
    expect((await call("GET", "/api-keys", undefined, access)).body.code).toBe(1103);
    const change = { current_password: PASSWORD, new_password: "another horse battery" };
    const changed = await call("POST", "/change-password", change, access);
    expect((await call("GET", "/api-keys", undefined, String(changed.body.access_token))).status).toBe(200);
  });

  it("an API key has no second factor; strangers have nothing to prove; bad input is a 4xx", async () => {
    const { call, enrol, faults } = await createServer(["admin", "member"]);
    const { access } = await enrol();
    const { body } = await call("POST", "/api-keys", { name: "ci", roles: ["member"] }, access);
    const key = String(body.key);
    for (const [method, path, sent] of [
      ["GET", "/mfa"],
      ["POST", "/mfa/enroll", {}],
      ["POST", "/mfa/verify", { code: "123456" }],
      ["POST", "/mfa/disable", {}],
      ["POST", "/mfa/backup-codes"],
    ] as const) {
      expect((await call(method, path, sent, key)).body.code, path).toBe(1101);
      expect((await call(method, path, sent)).body.code, path).toBe(1001);
    }
    for (const sent of [
      {},
      { code: "" },
      { code: 123456 },
      { code: "x".repeat(65) },
      { code: "1", role: "owner" },
      { code: "1", mfa_token: 1 },
    ]) {
      expect((await call("POST", "/mfa/verify", sent, access)).status).toBe(422);
    }
    expect((await call("POST", "/mfa/verify", { code: "💥 ' OR 1=1" }, access)).body.code).toBe(1014);
    expect((await call("POST", "/mfa/verify", { code: "1", mfa_token: "x.y.z" }, access)).body.code).toBe(1002);
    expect(faults).toEqual([]);
  });

  it("AUTH-L2 a lock says how long", async () => {
    const { call, enrol } = await createServer(["admin"], { lockout: { threshold: 1, durationMs: 90_000 } });
    const { access } = await enrol();
    expect((await call("POST", "/mfa/verify", { code: "AAAAA-AAAAA" }, access)).body.code).toBe(1014);
    expect(await call("POST", "/mfa/verify", { code: "AAAAA-AAAAA" }, access)).toMatchObject({
      status: 429,
      body: { code: 1006, retryAfter: 90 },
    });
  });

  it("are there only with the option, and documented then", () => {
    const paths = (options: Partial<AuthOptions>) => authRoutes(createFixture(options).auth).map(({ path }) => path);
    expect(paths({}).filter((path) => path.includes("mfa"))).toEqual([]);
    const routes = authRoutes(createFixture({ mfa: { keys: MFA_KEY } }).auth);
    const document = JSON.stringify(
      toOpenApi(routes, {
        info: { title: "t", version: "1" },
        toJsonSchema: (schema) => z.toJSONSchema(schema as z.ZodType, { io: "input" }) as never,
      }),
    );
    for (const path of ["/auth/mfa", "/auth/mfa/enroll", "/auth/mfa/verify", "/auth/mfa/disable", "/auth/mfa/backup-codes"]) {
      expect(document).toContain(`"${path}"`);
    }
  });
});
