import { createMemoryStore, noMetrics } from "@portcullis/core";
import { type AuthEvent, authenticate, requireMfa } from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Instruments } from "../src/instruments.js";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { createLockout } from "../src/login/lockout.js";
import { createBackupCodes } from "../src/mfa/backup-codes.js";
import { createCodeCheck } from "../src/mfa/check-code.js";
import { createFactorRecords } from "../src/mfa/factor-records.js";
import { createSealer } from "../src/mfa/sealed-secret.js";
import { codeOfStep, stepAt } from "../src/mfa/totp.js";
import { codeOf, EMAIL, PASSWORD, requestOf, valueOf } from "./auth-fixture.js";
import { codeAt, createMfaFixture, MFA_KEY, wrongCodeAt } from "./mfa-fixture.js";

const kindsOf = (events: readonly AuthEvent[]): string[] => events.map(({ kind }) => kind);
const verdictCode = (verdict: unknown): number | "allow" => {
  const { kind, problem } = verdict as { kind: string; problem?: { code: number } };
  return kind === "allow" ? "allow" : (problem?.code ?? 0);
};

/** One after another: logins in parallel would be taken for guesses at the password. */
async function inTurn<T>(times: number, work: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  while (results.length < times) results.push(await work());
  return results;
}

describe("codes", () => {
  it("AUTH-M5 a code passes once, and no earlier one after it, wherever the clock goes", async () => {
    const { mfa, pending, enrolled, clock, events } = await createMfaFixture({ mfa: { keys: MFA_KEY, lockout: { threshold: 100 } } });
    const { enrolment } = await enrolled();
    const verify = async (code: string) => codeOf(await mfa.verify({ pendingToken: await pending() }, code));
    const now = clock.now();
    const [before, current, after] = [-30_000, 0, 30_000].map((away) => codeAt(enrolment.secret, now + away)) as [string, string, string];
    // The one before confirmed the enrolment.
    expect(await verify(before)).toBe(1014);
    expect(await verify(after)).toBe("ok");
    expect([await verify(after), await verify(current)]).toEqual([1014, 1014]);
    clock.advance(30_000);
    expect(await verify(after)).toBe(1014);
    // Back an hour, as an administrator or NTP sets it: the codes of that hour are over.
    clock.set(now - 3_600_000);
    for (const away of [-30_000, 0, 30_000]) expect(await verify(codeAt(enrolment.secret, clock.now() + away))).not.toBe("ok");
    clock.set(now + 60_000);
    expect(events.filter((event) => event.kind === "mfa_failed").every(({ reason }) => reason === "used_code")).toBe(true);
  });

  it("AUTH-M5 whatever is sent, and however the clock jumps, the steps of accepted codes only grow", async () => {
    const secret = Buffer.from("12345678901234567890");
    const turns = fc.array(
      fc.record({ jumpMs: fc.oneof(fc.integer({ min: -120_000, max: 120_000 }), fc.constant(0)), away: fc.integer({ min: -3, max: 3 }) }),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(turns, async (sent) => {
        const clock = createManualClock();
        const store = createMemoryStore({ clock });
        const ring = createSecretRing("keys", MFA_KEY);
        const random = (bytes: number): Uint8Array => new Uint8Array(bytes);
        const instruments = new Instruments(noMetrics, undefined);
        const settings = { threshold: 100, windowMs: 1000, durationMs: 1000 };
        const lockout = createLockout(store.counters, settings, ring.current, "otp", instruments);
        const [factors, sealer, backupCodes] = [
          createFactorRecords(store.records),
          createSealer(ring, "totp", random),
          createBackupCodes(ring, random),
        ];
        const active = { secret: sealer.seal("ada", secret), lastStep: 0, enrolledAt: 0, backupCodes: backupCodes.create("ada").stored };
        await factors.write("ada", { revision: 0 }, { active });
        const check = createCodeCheck({ clock, factors, sealer, backupCodes, lockout, instruments });
        let last = 0;
        for (const { jumpMs, away } of sent) {
          clock.set(clock.now() + jumpMs);
          const step = stepAt(clock.now()) + away;
          const accepted = (await check("ada", codeOfStep(secret, step), "may_not_replace")).kind === "accepted";
          expect(accepted).toBe(Math.abs(away) <= 1 && step > last);
          if (accepted) last = step;
        }
      }),
    );
  });

  it("AUTH-M5 of fifty parallel uses of one code one opens a session, and the account is not locked by the others", async () => {
    const { mfa, store, pending, enrolled, clock, events, userId } = await createMfaFixture();
    const { enrolment } = await enrolled();
    const before = (await store.sessions.list(userId)).length;
    const code = codeAt(enrolment.secret, clock.now());
    const pendings = await inTurn(50, pending);
    const results = await Promise.all(pendings.map((pendingToken) => mfa.verify({ pendingToken }, code)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect((await store.sessions.list(userId)).length).toBe(before + 1);
    expect(kindsOf(events)).not.toContain("account_locked");
    clock.advance(30_000);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, codeAt(enrolment.secret, clock.now())))).toBe("ok");
  });

  it("AUTH-M5 of fifty parallel uses of one pending login, with codes that are all right, one opens a session", async () => {
    const { mfa, store, pending, enrolled, clock, userId } = await createMfaFixture({
      mfa: { keys: MFA_KEY, lockout: { threshold: 100 } },
    });
    const { enrolment } = await enrolled();
    const before = (await store.sessions.list(userId)).length;
    const pendingToken = await pending();
    const codes = [codeAt(enrolment.secret, clock.now()), ...enrolment.backupCodes];
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) => mfa.verify({ pendingToken }, codes[index % 11] ?? "")));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect((await store.sessions.list(userId)).length).toBe(before + 1);
  });

  it("AUTH-M5 of fifty parallel uses of a backup code one passes; each of the ten passes once, however it is written", async () => {
    const { mfa, pending, enrolled, events, userId } = await createMfaFixture({ mfa: { keys: MFA_KEY, lockout: { threshold: 100 } } });
    const { enrolment } = await enrolled();
    const [first = "", ...others] = enrolment.backupCodes;
    const pendings = await inTurn(50, pending);
    const results = await Promise.all(pendings.map((pendingToken) => mfa.verify({ pendingToken }, first)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    for (const [index, code] of others.entries()) {
      const typed = index % 2 === 0 ? code.toLowerCase() : ` ${code.replace("-", "")} `;
      expect(codeOf(await mfa.verify({ pendingToken: await pending() }, typed))).toBe("ok");
      expect(codeOf(await mfa.verify({ pendingToken: await pending() }, code))).toBe(1014);
    }
    expect(valueOf(await mfa.status(userId)).backupCodesLeft).toBe(0);
    const used = events.filter((event) => event.kind === "mfa_verified" && event.factor === "backup_code");
    expect(used.map((event) => event.kind === "mfa_verified" && event.backupCodesLeft)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  });

  it("AUTH-L4 wrong codes lock codes and not the password; of a hundred parallel guesses exactly threshold are evaluated", async () => {
    const { auth, mfa, pending, enrolled, clock, events } = await createMfaFixture({ lockout: { threshold: 5, durationMs: 120_000 } });
    const { enrolment } = await enrolled();
    const pendings = await inTurn(20, pending);
    const wrong = wrongCodeAt(enrolment.secret, clock.now());
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, guess) => codeOf(await mfa.verify({ pendingToken: pendings[guess % 20] ?? "" }, wrong))),
    );
    expect(results.filter((code) => code === 1014)).toHaveLength(5);
    expect(results.filter((code) => code === 1006)).toHaveLength(95);
    expect(events.filter((event) => event.kind === "mfa_failed" && event.reason === "wrong_code")).toHaveLength(5);
    const right = (): string => codeAt(enrolment.secret, clock.now());
    const locked = await mfa.verify({ pendingToken: await pending() }, right());
    expect(locked).toMatchObject({ problem: { code: 1006, retryAfter: 120 } });
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, enrolment.backupCodes[0] ?? ""))).toBe(1006);
    clock.advance(119_999);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, right()))).toBe(1006);
    clock.advance(1);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, right()))).toBe("ok");
    // The password's own lock neither counts nor opens this one.
    for (let guess = 0; guess < 5; guess += 1) await auth.login({ email: EMAIL, password: "wrong horse battery" });
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1006);
  });

  it("AUTH-L1 one guess less than threshold locks nothing, and a right code forgets them", async () => {
    const { mfa, pending, enrolled, clock, events } = await createMfaFixture({ lockout: { threshold: 3 } });
    const { enrolment } = await enrolled();
    for (let round = 0; round < 3; round += 1) {
      for (let guess = 0; guess < 2; guess += 1) {
        const wrong = wrongCodeAt(enrolment.secret, clock.now());
        expect(codeOf(await mfa.verify({ pendingToken: await pending() }, wrong))).toBe(1014);
      }
      expect(codeOf(await mfa.verify({ pendingToken: await pending() }, codeAt(enrolment.secret, clock.now())))).toBe("ok");
      clock.advance(30_000);
    }
    expect(kindsOf(events)).not.toContain("account_locked");
  });
});

describe("stepping up", () => {
  it("AUTH-S1 gives a new session with new tokens; the one before it is over", async () => {
    const { auth, mfa, enrolled, clock, tokenOf } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    clock.advance(600_000);
    const before = await tokenOf(login);
    const client = { ip: "192.0.2.1", userAgent: "test" };
    const { tokens } = valueOf(await mfa.verify(before, codeAt(enrolment.secret, clock.now()), client));
    const after = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    expect(after.sessionId).not.toBe(before.sessionId);
    expect(after.tokenId).not.toBe(before.tokenId);
    expect(after).toMatchObject({ amr: ["pwd", "otp", "mfa"], principal: { mfaAt: clock.now() } });
    expect(codeOf(await auth.verifyAccessToken(login.tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(login.tokens.refreshToken))).toBe(1004);
    expect(valueOf(await auth.refresh(tokens.refreshToken)).sessionId).toBe(after.sessionId);
  });

  it("AUTH-S1 a wrong code leaves the session as it is; a session that ended meanwhile does not come back", async () => {
    const { auth, mfa, store, enrolled, clock, tokenOf, userId } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    const token = await tokenOf(login);
    expect(codeOf(await mfa.verify(token, wrongCodeAt(enrolment.secret, clock.now())))).toBe(1014);
    expect(codeOf(await auth.verifyAccessToken(login.tokens.accessToken))).toBe("ok");
    await auth.logout(token);
    expect(codeOf(await mfa.verify(token, codeAt(enrolment.secret, clock.now())))).toBe(1004);
    expect(await store.sessions.list(userId)).toEqual([]);
  });

  it("AUTH-S1 of parallel step-ups of one session, with codes that are all right, one gets a session", async () => {
    const { mfa, store, enrolled, tokenOf, userId } = await createMfaFixture({ mfa: { keys: MFA_KEY, lockout: { threshold: 100 } } });
    const { enrolment, login } = await enrolled();
    const token = await tokenOf(login);
    const results = await Promise.all(enrolment.backupCodes.map((code) => mfa.verify(token, code)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(await store.sessions.list(userId)).toHaveLength(1);
  });

  it("requireMfa asks for it again when it is too old", async () => {
    const { auth, mfa, enrolled, clock, tokenOf } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    const strict = requireMfa({ maxAgeMs: 60_000, clock });
    const check = async (accessToken: string) => {
      const request = requestOf({ authorization: `Bearer ${accessToken}` });
      await authenticate(auth, { required: true }).check(request);
      return verdictCode(await strict.check(request));
    };
    expect(await check(login.tokens.accessToken)).toBe("allow");
    clock.advance(60_001);
    expect(await check(login.tokens.accessToken)).toBe(1010);
    const { tokens } = valueOf(await mfa.verify(await tokenOf(login), codeAt(enrolment.secret, clock.now())));
    expect(await check(tokens.accessToken)).toBe("allow");
  });

  it("a revocation between reading the session and the code's check wins", async () => {
    const { auth, mfa, store, enrolled, clock, tokenOf, userId } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    const token = await tokenOf(login);
    const [verified] = await Promise.all([mfa.verify(token, codeAt(enrolment.secret, clock.now())), auth.revokeUser(userId)]);
    if (verified.kind === "ok") expect(codeOf(await auth.verifyAccessToken(verified.value.tokens.accessToken))).toBe(1004);
    expect((await store.subjects.read(userId)).tokenVersion).toBeGreaterThan(token.principal.tokenVersion);
  });
});
