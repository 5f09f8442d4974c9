import { AuthError, type AuthOptions, createAuth } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createBackupCodes } from "../src/mfa/backup-codes.js";
import { createSealer } from "../src/mfa/sealed-secret.js";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { codeOf, EMAIL, PASSWORD, PEPPER, SECRET, valueOf, withDeadPort } from "./auth-fixture.js";
import { codeAt, createMfaFixture, createMfaServer, MFA_KEY, mfaOf, OLD_MFA_KEY, wrongCodeAt } from "./mfa-fixture.js";

async function createMember(options: Partial<AuthOptions> = {}) {
  const fixture = await createMfaFixture(options, ["member"]);
  const login = async () => valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD }));
  return { ...fixture, login };
}

describe("enrolling", () => {
  it("by choice: a recent login may, an old session needs the password", async () => {
    const { mfa, login, clock, tokenOf, userId } = await createMember();
    const token = await tokenOf(await login());
    expect(valueOf(await mfa.status(userId))).toEqual({ enrolled: false, required: false, enrolledAt: undefined, backupCodesLeft: 0 });
    clock.advance(600_000);
    expect(codeOf(await mfa.enroll(token))).toBe("ok");
    clock.advance(1);
    expect(codeOf(await mfa.enroll(token))).toBe(1010);
    expect(codeOf(await mfa.enroll(token, { password: "wrong horse battery" }))).toBe(1005);
    const { secret } = valueOf(await mfa.enroll(token, { password: PASSWORD }));
    valueOf(await mfa.verify(token, codeAt(secret, clock.now())));
    expect(valueOf(await mfa.status(userId))).toEqual({
      enrolled: true,
      required: false,
      enrolledAt: clock.now(),
      backupCodesLeft: 10,
    });
  });

  it("guesses at the password count as logins do", async () => {
    const { auth, mfa, login, clock, tokenOf } = await createMember({ lockout: { threshold: 2 } });
    const token = await tokenOf(await login());
    clock.advance(600_001);
    for (const expected of [1005, 1005, 1006]) expect(codeOf(await mfa.enroll(token, { password: "wrong horse battery" }))).toBe(expected);
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1006);
  });

  it("nothing is in force before its first code, which must come in time; making it again replaces it", async () => {
    const { auth, mfa, login, clock, tokenOf, userId } = await createMember();
    const token = await tokenOf(await login());
    const first = valueOf(await mfa.enroll(token));
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    const second = valueOf(await mfa.enroll(token));
    expect(codeOf(await mfa.verify(token, codeAt(first.secret, clock.now())))).toBe(1014);
    expect(second.expiresAt).toBe(clock.now() + 600_000);
    clock.advance(600_000);
    expect(codeOf(await mfa.verify(token, codeAt(second.secret, clock.now())))).toBe(1015);
    expect(valueOf(await mfa.status(userId)).enrolled).toBe(false);
    const third = valueOf(await mfa.enroll(token, { password: PASSWORD }));
    clock.advance(599_999);
    expect(codeOf(await mfa.verify(token, codeAt(third.secret, clock.now())))).toBe("ok");
  });

  it("the first code ends every session from before, and logins under way that saw no factor", async () => {
    const { auth, mfa, login, store, clock, tokenOf, userId } = await createMember();
    const [first, other] = [await login(), await login()];
    const state = await store.subjects.read(userId);
    const token = await tokenOf(first);
    const { secret } = valueOf(await mfa.enroll(token));
    const { tokens } = valueOf(await mfa.verify(token, codeAt(secret, clock.now())));
    for (const { tokens: before } of [first, other]) {
      expect(codeOf(await auth.verifyAccessToken(before.accessToken))).toBe(1004);
      expect(codeOf(await auth.refresh(before.refreshToken))).toBe(1004);
    }
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe("ok");
    // What a login opened with the state that it read before would be refused: its version is over.
    expect((await store.subjects.read(userId)).tokenVersion).toBeGreaterThan(state.tokenVersion);
  });

  it("of fifty parallel first codes one opens a session", async () => {
    const { mfa, login, store, clock, tokenOf, userId } = await createMember({ mfa: { keys: MFA_KEY, lockout: { threshold: 100 } } });
    const token = await tokenOf(await login());
    const { secret } = valueOf(await mfa.enroll(token));
    const code = codeAt(secret, clock.now());
    const results = await Promise.all(Array.from({ length: 50 }, () => mfa.verify(token, code)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(await store.sessions.list(userId)).toHaveLength(1);
  });

  it("with a factor in force, another takes its place only for who proved the one there is, recently", async () => {
    const { auth, mfa, pending, enrolled, clock, tokenOf } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    expect(codeOf(await mfa.enroll({ pendingToken: await pending() }))).toBe(1010);
    const weak = await auth.createTokenPair({ userId: login.account.id, role: "member" });
    const weakToken = valueOf(await auth.verifyAccessToken(weak.accessToken));
    expect(codeOf(await mfa.enroll(weakToken))).toBe(1010);
    expect(codeOf(await mfa.enroll(weakToken, { password: PASSWORD }))).toBe(1010);
    const token = await tokenOf(login);
    const next = valueOf(await mfa.enroll(token));
    // Until it is confirmed the old one is in force, and a pending login cannot confirm the new one.
    const pendingToken = await pending();
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(next.secret, clock.now())))).toBe(1014);
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())))).toBe("ok");
    expect(codeOf(await mfa.verify(token, codeAt(next.secret, clock.now())))).toBe("ok");
    clock.advance(30_000);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, codeAt(enrolment.secret, clock.now())))).toBe(1014);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, enrolment.backupCodes[0] ?? ""))).toBe(1014);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, next.backupCodes[0] ?? ""))).toBe("ok");
  });

  it("ten minutes after the proof it is too old for a change, to the millisecond", async () => {
    const { mfa, enrolled, clock, tokenOf } = await createMfaFixture();
    const { login } = await enrolled();
    const token = await tokenOf(login);
    clock.advance(570_000);
    expect(codeOf(await mfa.enroll(token))).toBe("ok");
    expect(codeOf(await mfa.replaceBackupCodes(token))).toBe("ok");
    clock.advance(1);
    expect([codeOf(await mfa.enroll(token)), codeOf(await mfa.replaceBackupCodes(token))]).toEqual([1010, 1010]);
  });
});

describe("backup codes", () => {
  it("new ones end the old ones", async () => {
    const { mfa, pending, enrolled, tokenOf, events, userId } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    const codes = valueOf(await mfa.replaceBackupCodes(await tokenOf(login)));
    expect(new Set([...codes, ...enrolment.backupCodes]).size).toBe(20);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, enrolment.backupCodes[0] ?? ""))).toBe(1014);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, codes[0] ?? ""))).toBe("ok");
    expect(events).toContainEqual({ kind: "mfa_backup_codes_replaced", userId });
  });

  it("there are none without a factor", async () => {
    const { mfa, login, tokenOf } = await createMember();
    expect(codeOf(await mfa.replaceBackupCodes(await tokenOf(await login())))).toBe(1015);
  });
});

describe("disabling", () => {
  async function createEnrolledMember() {
    const fixture = await createMember();
    const { mfa, login, clock, tokenOf } = fixture;
    const token = await tokenOf(await login());
    const { secret } = valueOf(await mfa.enroll(token));
    const proved = valueOf(await mfa.verify(token, codeAt(secret, clock.now())));
    clock.advance(30_000);
    return { ...fixture, secret, proved, token: await tokenOf(proved) };
  }

  it("needs a recent proof, and ends all other sessions", async () => {
    const { auth, mfa, pending, clock, secret, proved, token, events, userId } = await createEnrolledMember();
    const other = valueOf(await mfa.verify({ pendingToken: await pending() }, codeAt(secret, clock.now())));
    expect(valueOf(await mfa.disable(token))).toEqual({ sessionsEnded: 1 });
    expect(codeOf(await auth.verifyAccessToken(other.tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(proved.tokens.accessToken))).toBe("ok");
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    expect(events).toContainEqual({ kind: "mfa_disabled", userId, by: "user" });
    expect(codeOf(await mfa.disable(token))).toBe(1015);
  });

  it("an old proof needs the password; the password alone is not enough", async () => {
    const { auth, mfa, clock, token, userId } = await createEnrolledMember();
    clock.advance(600_000);
    expect(codeOf(await mfa.disable(token))).toBe(1010);
    expect(codeOf(await mfa.disable(token, { password: "wrong horse battery" }))).toBe(1005);
    const weak = await auth.createTokenPair({ userId, role: "member" });
    const weakToken = valueOf(await auth.verifyAccessToken(weak.accessToken));
    expect(codeOf(await mfa.disable(weakToken, { password: PASSWORD }))).toBe(1010);
    expect(codeOf(await mfa.disable(token, { password: PASSWORD }))).toBe("ok");
  });

  it("is refused in roles that need one, those that the account has by now too", async () => {
    const { mfa, users, token, userId } = await createEnrolledMember();
    await users.update(userId, { orgRoles: ["admin"] });
    expect(codeOf(await mfa.disable(token))).toBe(1101);
    const admin = await createMfaFixture();
    const { login } = await admin.enrolled();
    expect(codeOf(await admin.mfa.disable(await admin.tokenOf(login), { password: PASSWORD }))).toBe(1101);
    expect(valueOf(await admin.mfa.status(admin.userId))).toMatchObject({ enrolled: true, required: true });
  });

  it("an administrator resets what was lost: factor, sessions and pending logins are over", async () => {
    const { auth, mfa, pending, enrolled, clock, userId, events } = await createMfaFixture();
    const { enrolment, login } = await enrolled();
    const pendingToken = await pending();
    expect(valueOf(await mfa.reset(userId))).toMatchObject({ sessionsEnded: 1 });
    expect(codeOf(await auth.verifyAccessToken(login.tokens.accessToken))).toBe(1004);
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())))).toBe(1004);
    expect(codeOf(await mfa.verify({ pendingToken: await pending() }, codeAt(enrolment.secret, clock.now())))).toBe(1015);
    expect(events).toContainEqual({ kind: "mfa_disabled", userId, by: "administrator" });
    expect(codeOf(await mfa.reset(userId))).toBe(1015);
    expect(codeOf(await mfa.status("nobody"))).toBe(3001);
  });
});

describe("what is stored", () => {
  const ring = createSecretRing("keys", [MFA_KEY, OLD_MFA_KEY]);
  const random = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(7);
  const secret = Buffer.from("a secret of an authenticator");

  it("a sealed secret opens for its owner and purpose only, and unaltered only", () => {
    const sealer = createSealer(ring, "totp", random);
    const sealed = sealer.seal("ada", secret);
    expect(sealer.open("ada", sealed)).toEqual(secret);
    const bytes = Buffer.from(sealed.box, "base64url");
    const altered = Array.from(bytes, (byte, index) => {
      const copy = Buffer.from(bytes);
      copy[index] = byte ^ 1;
      return { ...sealed, box: copy.toString("base64url") };
    });
    const foreign = createSealer(ring, "provider-token", random).seal("ada", secret);
    const cut = [0, 11, 27, bytes.length - 1].map((length) => ({ ...sealed, box: bytes.subarray(0, length).toString("base64url") }));
    for (const wrong of [...altered, ...cut, foreign, { ...sealed, keyId: "unknown" }, { ...sealed, keyId: ring.all[1]?.id ?? "" }]) {
      expect(() => sealer.open("ada", wrong)).toThrow(AuthError);
    }
    expect(() => sealer.open("eve", sealed)).toThrow(AuthError);
  });

  it("hashes of backup codes are one user's: moved to another they open nothing", () => {
    let seed = 0;
    const codes = createBackupCodes(ring, (bytes) => new Uint8Array(bytes).fill((seed += 1)));
    const made = codes.create("ada");
    const { stored } = made;
    const plain = (made.codes[0] ?? "").replace("-", "");
    expect(codes.use("ada", plain, stored)?.hashes).toHaveLength(9);
    expect(codes.use("eve", plain, stored)).toBeUndefined();
    expect(codes.use("ada", plain, { ...stored, keyId: ring.all[1]?.id ?? "" })).toBeUndefined();
  });

  it("keys rotate: what an old one sealed opens, and is sealed with the first one at its next use", async () => {
    const { store, users, clock, enrolled } = await createMfaFixture({ mfa: { keys: OLD_MFA_KEY } });
    const { enrolment } = await enrolled();
    const under = (keys: readonly string[]) => {
      const auth = createAuth({ store, users, clock, secrets: SECRET, apiKeyPeppers: PEPPER, mfa: { keys } });
      return async (code: string) => {
        const login = await auth.login({ email: EMAIL, password: PASSWORD });
        if (login.kind !== "mfa_required") throw new Error(login.kind);
        return mfaOf(auth).verify({ pendingToken: login.challenge.token }, code);
      };
    };
    await expect(under([MFA_KEY])(codeAt(enrolment.secret, clock.now()))).rejects.toMatchObject({ code: "sealed_secret_unreadable" });
    // Before its use, only the old key opens it; backup codes of an old key are good while it is listed.
    const both = under([MFA_KEY, OLD_MFA_KEY]);
    expect(codeOf(await both(enrolment.backupCodes[0] ?? ""))).toBe("ok");
    await expect(under([MFA_KEY])(codeAt(enrolment.secret, clock.now()))).rejects.toThrow(AuthError);
    expect(codeOf(await both(codeAt(enrolment.secret, clock.now())))).toBe("ok");
    clock.advance(30_000);
    expect(codeOf(await under([MFA_KEY])(codeAt(enrolment.secret, clock.now())))).toBe("ok");
    expect(codeOf(await under([MFA_KEY])(enrolment.backupCodes[1] ?? ""))).toBe(1014);
  });

  it("AUTH-G4 neither secrets nor codes are in the store, in events, metrics, problems or faults", async () => {
    const { auth, mfa, store, clock, events, counted, pending, enrolled, userId } = await createMfaFixture();
    const { enrolment } = await enrolled();
    const pendingToken = await pending();
    const code = codeAt(enrolment.secret, clock.now());
    const wrong = wrongCodeAt(enrolment.secret, clock.now());
    const refused = await mfa.verify({ pendingToken }, wrong);
    valueOf(await mfa.verify({ pendingToken }, code));
    const used = await mfa.verify({ pendingToken: await pending() }, enrolment.backupCodes[0] ?? "");
    expect(used.kind).toBe("ok");
    const again = await mfa.verify({ pendingToken: await pending() }, enrolment.backupCodes[0] ?? "");
    const server = createMfaServer(auth);
    await server.call("POST", "/mfa/verify", { mfa_token: await pending(), code: enrolment.backupCodes[0] });
    const { records } = await store.records.list("auth-mfa", { scope: "factors", limit: 10 });
    expect(records.map(({ id }) => id)).toEqual([userId]);
    const said = JSON.stringify([records, events, counted, refused, again, server.bodies, server.faults]);
    const raw = Buffer.from(records[0]?.value ?? "").toString("latin1");
    const bytes = Buffer.alloc(20);
    let value = 0n;
    for (const character of enrolment.secret) value = (value << 5n) | BigInt("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(character));
    bytes.write(value.toString(16).padStart(40, "0"), "hex");
    const canaries = [
      enrolment.secret,
      bytes.toString("base64url"),
      bytes.toString("base64"),
      bytes.toString("hex"),
      ...enrolment.backupCodes,
      ...enrolment.backupCodes.map((one) => one.replace("-", "")),
      `"${code}"`,
      `"${wrong}"`,
      pendingToken,
      MFA_KEY,
    ];
    for (const canary of canaries) expect(said.includes(canary) || raw.includes(canary), canary).toBe(false);
  });

  it("AUTH-G1 a store that does not answer lets nobody in", async () => {
    const { store, users, clock, enrolled } = await createMfaFixture();
    const { enrolment } = await enrolled();
    for (const port of ["records", "counters", "subjects", "sessions", "tickets"] as const) {
      for (const manner of ["throws", "rejects"] as const) {
        const options = { users, clock, secrets: SECRET, apiKeyPeppers: PEPPER, mfa: { keys: MFA_KEY } };
        const login = await createAuth({ ...options, store }).login({ email: EMAIL, password: PASSWORD });
        if (login.kind !== "mfa_required") throw new Error(login.kind);
        const dead = mfaOf(createAuth({ ...options, store: withDeadPort(store, port, manner) }));
        const caller = { pendingToken: login.challenge.token };
        await expect(dead.verify(caller, codeAt(enrolment.secret, clock.now())), `${port} ${manner}`).rejects.toThrow("store");
        clock.advance(30_000);
      }
    }
  });
});
