import { createApp, toFetchHandler } from "@portcullis/core";
import { type AuthOptions, authRoutes } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { codeOf, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { codeAt, MFA_KEY, mfaOf } from "./mfa-fixture.js";
import { attempt, counted, createOn, type Fixture, HOUR_MS, LOCKOUT, WRONG } from "./lockout-fixture.js";

describe("AUTH-L5 a known device", () => {
  const lockout = { ...LOCKOUT, deviceTtlMs: HOUR_MS };

  async function known(options: Partial<AuthOptions> = {}) {
    const fixture = await createOn("synchronous", { lockout, ...options });
    const { deviceToken: device = "" } = valueOf(await attempt(fixture, PASSWORD));
    return { fixture, device };
  }
  const lock = async (fixture: Fixture): Promise<void> => {
    for (let failed = 0; failed < 3; failed += 1) await attempt(fixture);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
  };

  it("logs in while strangers lock the account, and unlocks it for no stranger", async () => {
    const { fixture, device } = await known();
    await lock(fixture);
    expect(codeOf(await attempt(fixture, PASSWORD, { device }))).toBe("ok");
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe(1006);
  });

  it("is told of by a login with a second factor too, once that was proven", async () => {
    const fixture = await createOn("synchronous", { lockout, mfa: { keys: MFA_KEY } });
    const { auth, clock } = fixture;
    const login = await attempt(fixture, PASSWORD);
    if (login.kind !== "mfa_required") throw new Error("not asked for a second factor");
    expect(JSON.stringify(login)).not.toContain("deviceToken");
    const pendingToken = login.challenge.token;
    const { secret } = valueOf(await mfaOf(auth).enroll({ pendingToken }));
    const { deviceToken: device = "" } = valueOf(await mfaOf(auth).verify({ pendingToken }, codeAt(secret, clock.now())));
    await lock(fixture);
    expect(codeOf(await attempt(fixture, PASSWORD, { device }))).toBe("mfa_required");
  });

  it("has failures of its own, and as many as anybody, also in parallel", async () => {
    const { fixture, device } = await known();
    const results = await Promise.all(Array.from({ length: 30 }, async () => attempt(fixture, WRONG, { device })));
    expect(counted(results.map(codeOf))).toEqual({ 1005: 3, 1006: 27 });
    expect(codeOf(await attempt(fixture, PASSWORD, { device }))).toBe(1006);
    expect(codeOf(await attempt(fixture, PASSWORD))).toBe("ok");
  });

  it("is known until its time is over, and not at it", async () => {
    const { fixture, device } = await known();
    fixture.clock.advance(HOUR_MS - 1000);
    await lock(fixture);
    expect(codeOf(await attempt(fixture, PASSWORD, { device }))).toBe("ok");
    fixture.clock.advance(1000);
    expect(codeOf(await attempt(fixture, PASSWORD, { device }))).toBe(1006);
  });

  it("is known no more after a change of password", async () => {
    const { fixture, device } = await known();
    const { tokens } = valueOf(await attempt(fixture, PASSWORD));
    const token = valueOf(await fixture.auth.verifyAccessToken(tokens.accessToken));
    valueOf(await fixture.auth.changePassword(token, { currentPassword: PASSWORD, newPassword: "a new and longer one" }));
    await lock(fixture);
    expect(codeOf(await attempt(fixture, "a new and longer one", { device }))).toBe(1006);
  });

  it("a forged, foreign or changed token is as good as none, and never a fault", async () => {
    const { fixture, device } = await known();
    valueOf(await fixture.auth.createAccount({ email: "eve@example.com", password: PASSWORD, roles: [] }));
    const { deviceToken: foreign = "" } = valueOf(await fixture.auth.login({ email: "eve@example.com", password: PASSWORD }));
    await lock(fixture);
    const [id = "", expiry = "", mac = ""] = device.split(".");
    const hostile = [
      "",
      "..",
      foreign,
      `${id}.${Number(expiry) + 1}.${mac}`,
      `${"A".repeat(16)}.${expiry}.${mac}`,
      `${id}.${expiry}.${"A".repeat(43)}`,
      `${device} `,
      `${device}\n`,
      "\0".repeat(100),
      "x".repeat(100_000),
    ];
    for (const token of hostile) expect(codeOf(await attempt(fixture, PASSWORD, { device: token }))).toBe(1006);
  });

  it("goes through the login route, and is not offered by default", async () => {
    const call = async (fixture: Fixture, body: object): Promise<{ status: number; body: Record<string, unknown> }> => {
      const handler = toFetchHandler(createApp({ routes: authRoutes(fixture.auth) }));
      const headers = { "content-type": "application/json" };
      const response = await handler(new Request("http://localhost/auth/login", { method: "POST", headers, body: JSON.stringify(body) }));
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const { fixture } = await known();
    const first = await call(fixture, { email: EMAIL, password: PASSWORD });
    await lock(fixture);
    expect((await call(fixture, { email: EMAIL, password: PASSWORD, device_token: first.body.device_token })).status).toBe(200);
    const plain = await createOn("synchronous");
    expect((await call(plain, { email: EMAIL, password: PASSWORD })).body).not.toHaveProperty("device_token");
  });
});
