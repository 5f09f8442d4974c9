import { StoreUnavailable } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { HashQueue } from "../src/passwords/hash-queue.js";
import type { UserAccount } from "@portcullis/auth";
import { type AuthFixture, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

const NEW_PASSWORD = "a new and longer one";

async function signIn(fixture: Awaited<ReturnType<typeof createFixtureWithAda>>, password = PASSWORD) {
  const { tokens } = valueOf(await fixture.auth.login({ email: EMAIL, password }));
  return { tokens, token: valueOf(await fixture.auth.verifyAccessToken(tokens.accessToken)) };
}

describe("the hash queue", () => {
  it("runs as many as there are lanes, in the order they came, and is full beyond its places", async () => {
    const depths: number[] = [];
    const queue = new HashQueue(2, 2, (places) => depths.push(places));
    const places = [queue.enter(), queue.enter(), queue.enter(), queue.enter()];
    expect(queue.enter()).toBeUndefined();
    const started: number[] = [];
    const finish: (() => void)[] = [];
    const runs = places.map(async (place, index) => {
      await place?.run(async () => {
        started.push(index);
        await new Promise<void>((resolve) => finish.push(resolve));
      });
      place?.leave();
      place?.leave();
    });
    await Promise.resolve();
    expect(started).toEqual([0, 1]);
    finish[1]?.();
    await runs[1];
    expect(started).toEqual([0, 1, 2]);
    expect(queue.enter()).toBeDefined();
    finish[0]?.();
    finish[2]?.();
    await runs[0];
    finish[3]?.();
    await Promise.all(runs);
    expect(depths).toEqual([1, 2, 3, 4, 3, 4, 3, 2, 1]);
  });

  it("a job that fails gives its lane back", async () => {
    const queue = new HashQueue(1, 5, () => {});
    const place = queue.enter();
    await expect(place?.run(async () => Promise.reject(new Error("native")))).rejects.toThrow("native");
    expect(await place?.run(async () => "next")).toBe("next");
  });
});

describe("hashing", () => {
  it("AUTH-P makes Argon2id with the floor's parameters, each time with another salt", async () => {
    const { auth } = createFixture();
    const [one, two] = [valueOf(await auth.hashPassword(PASSWORD)), valueOf(await auth.hashPassword(PASSWORD))];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(two).not.toBe(one);
  });
  it("AUTH-P refuses what is too long in bytes before hashing it", async () => {
    const { auth } = createFixture({ passwords: { maxBytes: 64 } });
    expect(codeOf(await auth.hashPassword("é".repeat(32)))).toBe("ok");
    expect(codeOf(await auth.hashPassword("é".repeat(32) + "x"))).toBe(2002);
  });
  it("AUTH-P nothing is cut off, nothing is normalised: near misses do not log in", async () => {
    const { auth } = createFixture();
    const password = `${"p".repeat(80)}é`;
    valueOf(await auth.createAccount({ email: EMAIL, password, roles: [] }));
    for (const miss of [password.slice(0, 80), password.normalize("NFD"), `${password} `, password.toUpperCase()]) {
      expect(codeOf(await auth.login({ email: EMAIL, password: miss }))).toBe(1005);
    }
  });
  it("sheds when the queue is full", async () => {
    const { auth } = createFixture({ passwords: { concurrency: 1, queueLength: 0 } });
    const results = await Promise.all([auth.hashPassword(PASSWORD), auth.hashPassword(PASSWORD)]);
    expect(results.map(codeOf)).toEqual(["ok", 8002]);
    const accounts = await Promise.all(
      ["a", "b"].map(async (name) => auth.createAccount({ email: `${name}@example.com`, password: PASSWORD, roles: [] })),
    );
    expect(accounts.map(codeOf)).toEqual(["ok", 8002]);
  });
});

describe("AUTH-P passwords from leaks", () => {
  const LEAKED = "known from a leak";

  it("are refused wherever a new one is chosen, and only there", async () => {
    const asked: string[] = [];
    const isBreached = async (password: string): Promise<boolean> => {
      asked.push(password);
      return password === LEAKED;
    };
    const fixture = await createFixtureWithAda({ passwords: { isBreached } });
    const { auth, events } = fixture;
    const refused = { problem: { code: 2002, extensions: { errors: [{ message: expect.stringContaining("leak") }] } } };
    expect(await auth.createAccount({ email: "eve@example.com", password: LEAKED, roles: [] })).toMatchObject(refused);
    const { token } = await signIn(fixture);
    expect(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: LEAKED })).toMatchObject(refused);
    expect(asked).toEqual([PASSWORD, LEAKED, LEAKED]);
    // What is refused anyway is shown to nobody.
    await auth.createAccount({ email: "eve@example.com", password: "short", roles: [] });
    expect(asked).toHaveLength(3);
    expect(events.filter(({ kind }) => kind === "breach_check_failed")).toEqual([]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error(LEAKED);
      },
    ],
    ["rejects", async () => Promise.reject(new Error(LEAKED))],
    ["answers nonsense", () => "no" as unknown as boolean],
  ])("are taken where the list %s, and an event tells of it", async (_name, isBreached) => {
    const { auth, events } = createFixture({ passwords: { isBreached } });
    expect(codeOf(await auth.createAccount({ email: EMAIL, password: LEAKED, roles: [] }))).toBe("ok");
    expect(events[0]).toEqual({ kind: "breach_check_failed" });
  });

  it("are taken where the list does not answer in five seconds", async () => {
    const { auth, clock, events } = createFixture({ passwords: { isBreached: () => new Promise<boolean>(() => {}) } });
    const creating = auth.createAccount({ email: EMAIL, password: LEAKED, roles: [] });
    clock.advance(4999);
    await Promise.resolve();
    expect(events).toEqual([]);
    clock.advance(1);
    expect(codeOf(await creating)).toBe("ok");
    expect(events[0]).toEqual({ kind: "breach_check_failed" });
  });

  it("a list that is no function is refused when auth is made", () => {
    expect(() => createFixture({ passwords: { isBreached: true as never } })).toThrow(/isBreached/);
  });
});

describe("change of password", () => {
  it("ends every session and token, gives a new pair, and only the new password logs in", async () => {
    const fixture = await createFixtureWithAda();
    const { auth, events, userId } = fixture;
    const [one, two] = [await signIn(fixture), await signIn(fixture)];
    const pair = valueOf(await auth.changePassword(one.token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }));
    for (const { tokens } of [one, two]) {
      expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
      expect(codeOf(await auth.refresh(tokens.refreshToken))).toBe(1004);
    }
    expect(pair.sessionId).not.toBe(one.tokens.sessionId);
    expect(codeOf(await auth.verifyAccessToken(pair.accessToken))).toBe("ok");
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
    expect(codeOf(await auth.login({ email: EMAIL, password: NEW_PASSWORD }))).toBe("ok");
    expect(events).toContainEqual({ kind: "password_changed", userId });
    expect((await fixture.store.sessions.list(userId)).map(({ createdAt }) => createdAt)).toHaveLength(2); // of the change, of the last login
  });

  it("the password version alone ends tokens, without any session being touched", async () => {
    const fixture = await createFixtureWithAda();
    const { tokens } = await signIn(fixture);
    await fixture.store.subjects.bump(fixture.userId, "passwordVersion");
    expect(codeOf(await fixture.auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(fixture.counted).toContain("auth_failures_total{password_changed}");
  });

  it("guesses at the current password count as logins do", async () => {
    const fixture = await createFixtureWithAda({ lockout: { threshold: 2 } });
    const { token } = await signIn(fixture);
    const change = { currentPassword: "wrong horse battery", newPassword: NEW_PASSWORD };
    expect(codeOf(await fixture.auth.changePassword(token, change))).toBe(1005);
    expect(codeOf(await fixture.auth.changePassword(token, change))).toBe(1005);
    expect(codeOf(await fixture.auth.changePassword(token, { ...change, currentPassword: PASSWORD }))).toBe(1006);
    expect(codeOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1006);
  });

  it("a new password must be long enough, short enough and new", async () => {
    const fixture = await createFixtureWithAda();
    const { token } = await signIn(fixture);
    for (const newPassword of ["elevenchars", "😀".repeat(6), "x".repeat(1025), PASSWORD]) {
      expect(await fixture.auth.changePassword(token, { currentPassword: PASSWORD, newPassword })).toMatchObject({
        problem: { code: 2002, extensions: { errors: [{ pointer: "/new_password" }] } },
      });
    }
    expect(codeOf(await fixture.auth.changePassword(token, { currentPassword: PASSWORD, newPassword: "twelve chars" }))).toBe("ok");
  });

  it("of two parallel changes one wins, and no session of before is left", async () => {
    const fixture = await createFixtureWithAda();
    const { token, tokens } = await signIn(fixture);
    const results = await Promise.all(
      ["the first new one", "the second new one"].map(async (newPassword) =>
        fixture.auth.changePassword(token, { currentPassword: PASSWORD, newPassword }),
      ),
    );
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(codeOf(await fixture.auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
  });

  it("a password that was changed meanwhile is a conflict, and every session ends", async () => {
    const fixture = await createFixtureWithAda();
    const { token, tokens } = await signIn(fixture);
    const users = { ...fixture.users, updatePassword: async () => false };
    const { auth } = createFixture({ store: fixture.store, users, clock: fixture.clock });
    expect(codeOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }))).toBe(4002);
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
  });

  it("when the store dies after the hash was stored, what the old password opened is over", async () => {
    const fixture = await createFixtureWithAda();
    const { token, tokens } = await signIn(fixture);
    let bumps = 0;
    const subjects: typeof fixture.store.subjects = {
      ...fixture.store.subjects,
      bump(...args) {
        bumps += 1;
        if (bumps === 2) throw new StoreUnavailable("subjects.bump");
        return fixture.store.subjects.bump(...args);
      },
    };
    const { auth } = createFixture({ store: { ...fixture.store, subjects }, users: fixture.users, clock: fixture.clock });
    await expect(auth.changePassword(token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD })).rejects.toThrow(StoreUnavailable);
    expect(codeOf(await fixture.auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await fixture.auth.login({ email: EMAIL, password: NEW_PASSWORD }))).toBe("ok");
  });

  it("an account that is gone cannot change its password; a full queue sheds", async () => {
    const fixture = await createFixtureWithAda({ passwords: { concurrency: 1, queueLength: 0 } });
    const { token } = await signIn(fixture);
    const change = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const [, shed] = await Promise.all([fixture.auth.hashPassword(PASSWORD), fixture.auth.changePassword(token, change)]);
    expect(codeOf(shed)).toBe(8002);
    await fixture.store.records.remove("auth-users", fixture.userId);
    expect(codeOf(await fixture.auth.changePassword(token, change))).toBe(1004);
  });

  it("mustChangePassword is in the tokens, stays over a refresh, and ends with the change", async () => {
    const fixture = createFixture();
    const { auth } = fixture;
    valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["member"], mustChangePassword: true }));
    const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const refreshed = valueOf(await auth.refresh(tokens.refreshToken));
    const token = valueOf(await auth.verifyAccessToken(refreshed.accessToken));
    expect(token.principal.mustChangePassword).toBe(true);
    const pair = valueOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }));
    expect(valueOf(await auth.verifyAccessToken(pair.accessToken)).principal.mustChangePassword).toBe(false);
    const next = valueOf(await auth.refresh(pair.refreshToken));
    expect(valueOf(await auth.verifyAccessToken(next.accessToken)).principal.mustChangePassword).toBe(false);
  });
});

it("a password change never reaches another account, though the directory has one under the normal form of the address", async () => {
  const fixture = createFixture();
  const { users, store } = fixture;
  const victim = await users.create({ ...(await newAccount(fixture, "victim's own password")), email: EMAIL });
  const directory = {
    ...users,
    // Written before addresses were normalised.
    byId: async (id: string) =>
      id === "eve" ? { ...(await newAccount(fixture, PASSWORD)), id, email: EMAIL.toUpperCase() } : users.byId(id),
  };
  const { auth, events } = createFixture({ users: directory, store });
  const { accessToken } = await auth.createTokenPair({ userId: "eve", role: "member" });
  const token = valueOf(await auth.verifyAccessToken(accessToken));
  expect(codeOf(await auth.changePassword(token, { currentPassword: "victim's own password", newPassword: NEW_PASSWORD }))).toBe(1005);
  expect((await users.byId(victim?.id ?? ""))?.passwordHash).toBe(victim?.passwordHash);
  expect(events.map(({ kind }) => kind)).not.toContain("password_changed");
});

async function newAccount({ auth }: AuthFixture, password: string): Promise<Omit<UserAccount, "id">> {
  return {
    type: "user",
    email: "",
    name: undefined,
    passwordHash: valueOf(await auth.hashPassword(password)),
    mustChangePassword: false,
    roles: ["member"],
    orgRoles: [],
    orgId: undefined,
    workspaceId: undefined,
  };
}
