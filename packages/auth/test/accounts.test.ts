import { createMemoryStore } from "@portcullis/core";
import { AuthError, createUserDirectory, normaliseEmail } from "@portcullis/auth";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

describe("setup of the first account", () => {
  it.each(["synchronous", "asynchronous"])("of 20 parallel ones exactly one succeeds (%s store)", async (manner) => {
    const memory = createMemoryStore();
    const store = manner === "synchronous" ? memory : asynchronous(memory);
    const { auth, events } = createFixture({ store, users: createUserDirectory({ store }) });
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        auth.setup({ email: `admin-${index}@example.com`, password: PASSWORD, roles: ["admin"] }),
      ),
    );
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(results.map(codeOf).filter((code) => code === 4001)).toHaveLength(19);
    expect(events.filter(({ kind }) => kind === "account_created")).toHaveLength(1);
  });
  it("is over for good once there is an account", async () => {
    const { auth, clock } = await createFixtureWithAda();
    for (let round = 0; round < 3; round += 1) {
      expect(codeOf(await auth.setup({ email: "eve@example.com", password: PASSWORD, roles: ["admin"] }))).toBe(4001);
      clock.advance(60_001);
    }
  });
  it("a refused attempt does not use it up", async () => {
    const { auth } = createFixture();
    expect(codeOf(await auth.setup({ email: EMAIL, password: "short", roles: [] }))).toBe(2002);
    expect(codeOf(await auth.setup({ email: "no address", password: PASSWORD, roles: [] }))).toBe(2002);
    expect(codeOf(await auth.setup({ email: EMAIL, password: PASSWORD, roles: ["admin"] }))).toBe("ok");
  });
});

describe("accounts", () => {
  it("an address is taken in every spelling", async () => {
    const { auth } = await createFixtureWithAda();
    for (const email of [EMAIL, "ADA@EXAMPLE.COM", " ada@example.com ", "ａｄａ@example.com"]) {
      expect(codeOf(await auth.createAccount({ email, password: PASSWORD, roles: [] }))).toBe(4001);
    }
  });
  it("parallel creations of one address make one account", async () => {
    const { auth, users } = createFixture();
    const results = await Promise.all(
      Array.from({ length: 20 }, async () => auth.createAccount({ email: EMAIL, password: PASSWORD, roles: [] })),
    );
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect((await users.list({ limit: 10 })).total).toBe(1);
  });
  it("the directory refuses an address that is not in its normal form", async () => {
    const account = {
      type: "user",
      email: "Ada@example.com",
      name: undefined,
      passwordHash: undefined,
      mustChangePassword: false,
      roles: [],
      orgRoles: [],
      orgId: undefined,
      workspaceId: undefined,
    } as const;
    await expect(Promise.resolve().then(async () => createFixture().users.create(account))).rejects.toThrow(AuthError);
  });
  it("update changes what it is for, keeps what parallel updates changed, and nothing else", async () => {
    const { users, userId } = await createFixtureWithAda();
    const before = await users.byId(userId);
    await Promise.all([
      users.update(userId, { name: "Ada" }),
      users.update(userId, { roles: ["viewer"] }),
      users.update(userId, { orgId: undefined }),
    ]);
    // @ts-expect-error: a request body that is passed through
    await users.update(userId, { passwordHash: "stolen", id: "other", email: "eve@example.com" });
    expect(await users.byId(userId)).toEqual({ ...before, name: "Ada", roles: ["viewer"], orgId: undefined });
    expect(await users.update("nobody", { name: "x" })).toBeUndefined();
  });
  it("updatePassword happens only on the hash it was meant for", async () => {
    const { users, userId } = await createFixtureWithAda();
    const { passwordHash } = (await users.byId(userId)) ?? {};
    const update = { expectedHash: passwordHash, passwordHash: "next", mustChangePassword: true };
    const results = await Promise.all(Array.from({ length: 20 }, async () => users.updatePassword(userId, update)));
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await users.byId(userId)).toMatchObject({ passwordHash: "next", mustChangePassword: true });
    expect(await users.updatePassword("nobody", update)).toBe(false);
  });
  it("accounts come out frozen and answer without a promise on the memory store", async () => {
    const { users, userId } = await createFixtureWithAda();
    const account = users.byId(userId);
    expect(account).not.toBeInstanceOf(Promise);
    expect(Object.isFrozen(account)).toBe(true);
    expect(users.byEmail("nobody@example.com")).toBeUndefined();
  });
});

describe("AUTH-O10 e-mail addresses are normalised before they are compared", () => {
  it.each([
    ["ＡＤＡ＠Ｘ.com", "ada@x.com"],
    ["\u212Aen@example.com", "ken@example.com"],
    ["  a@b  ", "a@b"],
    ["ada@münchen.de", "ada@münchen.de"],
    ["ada@mu\u0308nchen.de", "ada@münchen.de"],
  ])("%j", (email, normal) => {
    expect(normaliseEmail(email)).toBe(normal);
  });
  it.each(["", "@", "a@", "@b", "a@b@c", "a b@c", "a\0@b", "a\u200B@b", "a\n@b", "plain", `${"x".repeat(251)}@b.c`, "x".repeat(100_000)])(
    "%j is none",
    (email) => {
      expect(normaliseEmail(email)).toBeUndefined();
    },
  );
  it("the normal form of a normal form is itself", () => {
    const composedOnlyInLowerCase = "\u0386\u0345@example.com";
    expect(normaliseEmail(composedOnlyInLowerCase)).toBe("\u1fb4@example.com");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), (local, domain) => {
        const normal = normaliseEmail(`${local}@${domain}`);
        return normal === undefined || normaliseEmail(normal) === normal;
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("accounts that are handed out", () => {
  it("hold no password hash, so that nobody passes it on by mistake", async () => {
    const { auth } = createFixture();
    const made = valueOf(await auth.setup({ email: EMAIL, password: PASSWORD, roles: ["member"] }));
    const { account } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    for (const handedOut of [made, account]) {
      expect(handedOut.email).toBe(EMAIL);
      expect(JSON.stringify(handedOut)).not.toContain("argon2");
      expect("passwordHash" in handedOut).toBe(false);
    }
  });
});
