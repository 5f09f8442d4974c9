// What happens between two steps of ours: somebody else is let in at exactly that moment.
import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { createAuth, createUserDirectory, type Mfa, type UserDirectory } from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { internalsOf } from "../src/auth-internals.js";
import { asynchronous, codeOf, EMAIL, PASSWORD, PEPPER, SECRET, valueOf, wrapPort } from "./auth-fixture.js";
import { codeAt, createMfaFixture, MFA_KEY, mfaOf } from "./mfa-fixture.js";

/** The store, with something that happens just before the next call of a method of `records`, once. */
function withMoment(store: MemoryStore, method: "insert" | "replace" | "remove", moment: () => Promise<unknown>): MemoryStore {
  let isOver = false;
  const records = wrapPort(store.records, (call, name) => async (...args) => {
    if (name === method && !isOver) {
      isOver = true;
      await moment();
    }
    return call(...args);
  });
  return { ...store, records };
}

async function createRace(roles: readonly string[], options: { readonly users?: (users: UserDirectory) => UserDirectory } = {}) {
  const fixture = await createMfaFixture({}, roles);
  const { clock, users } = fixture;
  const on = (other: MemoryStore): Mfa =>
    mfaOf(
      createAuth({
        ...{ store: other, clock, users: options.users?.(users) ?? users },
        ...{ secrets: SECRET, apiKeyPeppers: PEPPER, mfa: { keys: MFA_KEY } },
      }),
    );
  const sessionToken = async () => fixture.tokenOf(valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD })));
  return { ...fixture, on, sessionToken };
}

describe("between two steps", () => {
  it("a revocation while the first code is noted wins over the session that would come of it", async () => {
    const { auth, mfa, store, clock, on, pending, userId } = await createRace(["admin"]);
    const pendingToken = await pending();
    const { secret } = valueOf(await mfa.enroll({ pendingToken }));
    const raced = on(withMoment(store, "replace", () => auth.revokeUser(userId)));
    expect(codeOf(await raced.verify({ pendingToken }, codeAt(secret, clock.now())))).toBe(1004);
    expect(await store.sessions.list(userId)).toEqual([]);
  });

  it("a factor that comes into force while another is made is not replaced without its proof", async () => {
    const { mfa, store, clock, on, sessionToken } = await createRace(["member"]);
    const token = await sessionToken();
    const { secret } = valueOf(await mfa.enroll(token));
    const raced = on(withMoment(store, "replace", () => mfa.verify(token, codeAt(secret, clock.now()))));
    expect(codeOf(await raced.enroll(token))).toBe(4002);
  });

  it("two enrolments at once both answer, and the later one is that which the first code confirms", async () => {
    const { mfa, store, clock, on, pending } = await createRace(["admin"]);
    const pendingToken = await pending();
    const raced = on(withMoment(store, "insert", () => mfa.enroll({ pendingToken })));
    const { secret } = valueOf(await raced.enroll({ pendingToken }));
    expect(codeOf(await mfa.verify({ pendingToken }, codeAt(secret, clock.now())))).toBe("ok");
  });

  it("a factor that was used while it is disabled, or reset, stays as it is", async () => {
    const { mfa, store, clock, on, sessionToken, tokenOf, pending, userId } = await createRace(["member"]);
    const first = await sessionToken();
    const { secret, backupCodes } = valueOf(await mfa.enroll(first));
    const token = await tokenOf(valueOf(await mfa.verify(first, codeAt(secret, clock.now()))));
    const [one = "", two = ""] = backupCodes;
    const use = (code: string) => async () => mfa.verify({ pendingToken: await pending() }, code);
    expect(codeOf(await on(withMoment(store, "remove", use(one))).disable(token))).toBe(4002);
    expect(codeOf(await on(withMoment(store, "remove", use(two))).reset(userId))).toBe(4002);
    expect(valueOf(await mfa.status(userId))).toMatchObject({ enrolled: true, backupCodesLeft: 8 });
    const replaced = valueOf(await on(withMoment(store, "replace", use(backupCodes[2] ?? ""))).replaceBackupCodes(token));
    expect(codeOf(await use(replaced[0] ?? "")())).toBe("ok");
  });

  it("a version that was raised, or a disabled account, refuses a step-up though its session is still there", async () => {
    const { mfa, store, clock, enrolled, tokenOf, userId } = await createRace(["admin"]);
    const { enrolment, login } = await enrolled();
    const token = await tokenOf(login);
    await store.subjects.setDisabled(userId, true);
    expect(codeOf(await mfa.verify(token, codeAt(enrolment.secret, clock.now())))).toBe(1004);
    await store.subjects.setDisabled(userId, false);
    await store.subjects.bump(userId, "tokenVersion");
    expect(codeOf(await mfa.verify(token, codeAt(enrolment.secret, clock.now())))).toBe(1004);
    expect(await store.sessions.list(userId)).toHaveLength(1);
  });

  it("a session that ended enrols nothing", async () => {
    const { auth, mfa, sessionToken } = await createRace(["member"]);
    const token = await sessionToken();
    await auth.logout(token);
    expect(codeOf(await mfa.enroll(token))).toBe(1004);
  });

  it("a use is remembered for as long as the token could be shown, though the store's clock is ahead", async () => {
    const [clock, storeClock] = [createManualClock(), createManualClock()];
    const store = createMemoryStore({ clock: storeClock });
    const users = createUserDirectory({ store });
    const auth = createAuth({ store, users, clock, secrets: SECRET, apiKeyPeppers: PEPPER, mfa: { keys: MFA_KEY } });
    valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["admin"] }));
    const login = await auth.login({ email: EMAIL, password: PASSWORD });
    if (login.kind !== "mfa_required") throw new Error(login.kind);
    const caller = { pendingToken: login.challenge.token };
    const { secret, backupCodes } = valueOf(await mfaOf(auth).enroll(caller));
    // Ends the session's pending login: the token's version is over.
    expect(codeOf(await mfaOf(auth).verify(caller, codeAt(secret, clock.now())))).toBe("ok");
    const again = await auth.login({ email: EMAIL, password: PASSWORD });
    if (again.kind !== "mfa_required") throw new Error(again.kind);
    const second = { pendingToken: again.challenge.token };
    expect(codeOf(await mfaOf(auth).verify(second, backupCodes[0] ?? ""))).toBe("ok");
    storeClock.advance(359_999);
    expect(codeOf(await mfaOf(auth).verify(second, backupCodes[1] ?? ""))).toBe(1002);
  });

  it("AUTH-M5 fifty parallel uses of one code on a store behind a network", async () => {
    const { mfa, store, clock, on, enrolled, pending, userId } = await createRace(["admin"]);
    const { enrolment } = await enrolled();
    const before = (await store.sessions.list(userId)).length;
    const far = on(asynchronous(store));
    const pendings: string[] = [];
    while (pendings.length < 50) pendings.push(await pending());
    const code = codeAt(enrolment.secret, clock.now());
    const results = await Promise.all(pendings.map((pendingToken, index) => (index % 2 === 0 ? far : mfa).verify({ pendingToken }, code)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(await store.sessions.list(userId)).toHaveLength(before + 1);
  });
});

describe("who is asked for what", () => {
  it("a login that has proved a second factor is not asked for another", async () => {
    const { auth, enrolled, userId } = await createRace(["admin"]);
    await enrolled();
    const { signIn, settings } = internalsOf("test", auth);
    const [account, state] = [await settings.users.byId(userId), await settings.store.subjects.read(userId)];
    if (account === undefined) throw new Error("not made");
    expect(codeOf(await signIn.complete(account, state, { amr: ["hwk", "mfa"], mfaAt: settings.clock.now() }, {}))).toBe("ok");
    expect(codeOf(await signIn.complete(account, state, { amr: ["fed"], mfaAt: undefined }, {}))).toBe("mfa_required");
  });

  it("another factor waits for its first code as long as the first one, to the millisecond", async () => {
    const { mfa, clock, enrolled, tokenOf } = await createRace(["admin"]);
    const { login } = await enrolled();
    const token = await tokenOf(login);
    const { secret, expiresAt } = valueOf(await mfa.enroll(token));
    clock.set(expiresAt);
    expect(codeOf(await mfa.verify(token, codeAt(secret, clock.now())))).toBe(1014);
    clock.set(expiresAt - 1);
    expect(codeOf(await mfa.verify(token, codeAt(secret, clock.now())))).toBe("ok");
  });

  it("a token in a role that needs a factor does not take it away, whatever the account's roles", async () => {
    const { auth, mfa, clock, enrolled, users, userId } = await createRace(["admin"]);
    await enrolled();
    const pair = await auth.createTokenPair({ userId, role: "owner" }, { mfaAt: clock.now() });
    await users.update(userId, { roles: ["member"] });
    expect(codeOf(await mfa.disable(valueOf(await auth.verifyAccessToken(pair.accessToken))))).toBe(1101);
    const member = await auth.createTokenPair({ userId, role: "member" }, { mfaAt: clock.now() });
    expect(codeOf(await mfa.disable(valueOf(await auth.verifyAccessToken(member.accessToken))))).toBe("ok");
  });

  it("somebody else's password, whose address it is by now, proves nothing", async () => {
    const { auth, clock, on, store, sessionToken } = await createRace(["member"], {
      users: (users) => ({ ...users, byEmail: () => users.byEmail("eve@example.com") }),
    });
    valueOf(await auth.createAccount({ email: "eve@example.com", password: "the horse of eve", roles: [] }));
    const token = await sessionToken();
    clock.advance(600_001);
    expect(codeOf(await on(store).enroll(token, { password: "the horse of eve" }))).toBe(1005);
    expect(codeOf(await on(store).enroll(token))).toBe(1010);
  });
});
