import type { Principal } from "@portcullis/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseApiKeyText } from "../src/api-keys/api-key-text.js";
import {
  asynchronous,
  codeOf,
  createFixture,
  createFixtureWithAda,
  EMAIL,
  OLD_SECRET,
  PASSWORD,
  PEPPER,
  valueOf,
  wrapPort,
} from "./auth-fixture.js";

async function createFixtureWithKey(options: Parameters<typeof createFixtureWithAda>[0] = {}) {
  const fixture = await createFixtureWithAda(options);
  const { accessToken } = valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD })).tokens;
  const { principal } = valueOf(await fixture.auth.verifyAccessToken(accessToken));
  const created = valueOf(await fixture.auth.apiKeys.create(principal, { name: "ci" }));
  return { ...fixture, caller: principal as Principal, ...created };
}

describe("API keys", () => {
  it("AUTH-K1 look like prefix_environment_id_secret_checksum and carry 256 random bits", async () => {
    const { key, info } = await createFixtureWithKey({ apiKeys: { prefix: "acme", environment: "test" } });
    expect(key).toMatch(/^acme_test_[0-9A-Za-z]{17}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    expect(key.split("_")[2]).toBe(info.id);
    expect(key.split("_")[3]?.endsWith(info.lastFour)).toBe(true);
  });

  it("act for their owner with the owner's roles", async () => {
    const { auth, key, info, userId } = await createFixtureWithKey();
    const principal = valueOf(await auth.apiKeys.authenticate(key));
    expect(principal).toEqual({
      type: "apiKey",
      id: info.id,
      keyId: info.id,
      ownerId: userId,
      orgId: "org-1",
      workspaceId: undefined,
      roles: ["admin", "member"],
      orgRoles: [],
      scopes: undefined,
      authMethod: "apiKey",
    });
    expect(Object.isFrozen(principal) && Object.isFrozen(principal.roles)).toBe(true);
  });

  it("AUTH-K2 AUTH-K3 the store, the list and the events hold nothing that opens anything", async () => {
    const { auth, store, key, info, caller, events } = await createFixtureWithKey();
    const [, , , secret = ""] = key.split("_");
    const seen = JSON.stringify([await store.apiKeys.find(info.id), valueOf(await auth.apiKeys.list(caller)), events]);
    expect(seen).not.toContain(secret);
    expect(seen).not.toContain(secret.slice(0, 12));
    expect(await store.apiKeys.find(info.id)).toMatchObject({
      hash: expect.stringMatching(/^[\w-]{43}$/) as string,
      lastFour: secret.slice(-4),
    });
  });

  it("AUTH-K4 an unknown id, a wrong secret and a wrong checksum are refused with one answer", async () => {
    const { auth, key } = await createFixtureWithKey();
    const other = await createFixtureWithKey();
    const wrongSecret = other.key;
    const swapped = ((): string => {
      const [prefix, environment, , secret, sum] = other.key.split("_");
      return [prefix, environment, key.split("_")[2], secret, sum].join("_");
    })();
    const foreign = await createFixtureWithKey({ apiKeys: { prefix: "abc", environment: "live" } });
    const elsewhere = await createFixtureWithKey({ apiKeys: { prefix: "pcs", environment: "test" } });
    const parsing = { prefix: "pcs", environment: "live" };
    expect([foreign.key, elsewhere.key, key].map((text) => parseApiKeyText(text, parsing) !== undefined)).toEqual([false, false, true]);
    for (const text of [
      foreign.key,
      elsewhere.key,
      wrongSecret,
      swapped,
      key.slice(0, -1),
      `${key}0`,
      key.replace("_live_", "_test_"),
      key.replace("pcs_", "abc_"),
      key.toUpperCase(),
      "",
      "x",
      "x".repeat(10_000),
    ]) {
      expect(codeOf(await auth.apiKeys.authenticate(text)), text).toBe(1009);
    }
  });

  it("AUTH-K4 the right id and checksum with another secret are refused by the hash", async () => {
    const fixture = await createFixtureWithKey();
    const { auth } = createFixture({
      clock: fixture.clock,
      users: fixture.users,
      store: { ...fixture.store, apiKeys: { ...fixture.store.apiKeys, find: async () => fixture.store.apiKeys.find(fixture.info.id) } },
    });
    const other = await createFixtureWithKey();
    expect(codeOf(await auth.apiKeys.authenticate(fixture.key))).toBe("ok");
    expect(codeOf(await auth.apiKeys.authenticate(other.key))).toBe(1009);
  });

  it("every changed character is refused, without a look-up where the checksum tells", async () => {
    const fixture = await createFixtureWithKey();
    let lookUps = 0;
    const apiKeys = { ...fixture.store.apiKeys, find: async (id: string) => ((lookUps += 1), fixture.store.apiKeys.find(id)) };
    const { auth } = createFixture({ clock: fixture.clock, users: fixture.users, store: { ...fixture.store, apiKeys } });
    const { key } = fixture;
    await fc.assert(
      fc.asyncProperty(fc.nat(key.length - 1), fc.constantFrom("0", "a", "Z", "_", "-", ".", " "), async (at, character) => {
        const changed = key.slice(0, at) + character + key.slice(at + 1);
        return changed === key || (await auth.apiKeys.authenticate(changed)).kind === "denied";
      }),
      { numRuns: 300 },
    );
    expect(lookUps).toBe(0);
  });

  it("AUTH-K5 peppers rotate: keys of the old one live while it is listed, and die with it", async () => {
    const fixture = await createFixtureWithKey();
    const { clock, store, users, key } = fixture;
    const during = createFixture({ clock, store, users, apiKeyPeppers: [OLD_SECRET, PEPPER] });
    expect(codeOf(await during.auth.apiKeys.authenticate(key))).toBe("ok");
    const fresh = valueOf(await during.auth.apiKeys.create(fixture.caller, { name: "new" }));
    const after = createFixture({ clock, store, users, apiKeyPeppers: [OLD_SECRET] });
    expect(codeOf(await after.auth.apiKeys.authenticate(key))).toBe(1009);
    expect(codeOf(await after.auth.apiKeys.authenticate(fresh.key))).toBe("ok");
    expect(codeOf(await fixture.auth.apiKeys.authenticate(fresh.key))).toBe(1009);
  });

  it("AUTH-K6 only the owner sees and ends a key; for others it does not exist", async () => {
    const { auth, key, info, caller, events, userId } = await createFixtureWithKey();
    const eve: Principal = { ...caller, id: "eve" };
    expect(valueOf(await auth.apiKeys.list(eve))).toEqual([]);
    expect(codeOf(await auth.apiKeys.revoke(eve, info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
    expect(codeOf(await auth.apiKeys.revoke(caller, info.id))).toBe("ok");
    expect(codeOf(await auth.apiKeys.revoke(caller, info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.revoke(caller, "unknown"))).toBe(3001);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1009);
    expect(events.filter(({ kind }) => kind.startsWith("api_key"))).toEqual([
      { kind: "api_key_created", userId, keyId: info.id },
      { kind: "api_key_revoked", userId, keyId: info.id },
    ]);
  });

  it("AUTH-K7 a key ends at its expiry exactly, and with its owner", async () => {
    const { auth, caller, clock, store, userId, key } = await createFixtureWithKey();
    const short = valueOf(await auth.apiKeys.create(caller, { name: "short", ttlMs: 1000 }));
    clock.advance(999);
    expect(codeOf(await auth.apiKeys.authenticate(short.key))).toBe("ok");
    clock.advance(1);
    expect(codeOf(await auth.apiKeys.authenticate(short.key))).toBe(1009);
    await store.records.remove("auth-users", userId);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1009);
  });

  it("AUTH-K7 a role taken from the owner is taken from the key", async () => {
    const { auth, users, userId, key } = await createFixtureWithKey();
    await users.update(userId, { roles: ["member", "auditor"] });
    expect(valueOf(await auth.apiKeys.authenticate(key)).roles).toEqual(["member"]);
  });

  it("an owner who must change the password has no use of keys until then", async () => {
    const { auth, users, userId, key } = await createFixtureWithKey();
    await users.update(userId, { mustChangePassword: true });
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1103);
  });

  it("AUTH-K8 use is noted at most once a minute, and asks the store no more often", async () => {
    const fixture = await createFixtureWithKey();
    let touches = 0;
    const apiKeys = wrapPort(fixture.store.apiKeys, (method, name) => (...args) => {
      if (name === "touch") touches += 1;
      return method(...args);
    });
    const { auth } = createFixture({ clock: fixture.clock, store: { ...fixture.store, apiKeys }, users: fixture.users });
    const lastUsedAt = async (): Promise<number | undefined> => (await fixture.store.apiKeys.find(fixture.info.id))?.lastUsedAt;
    await auth.apiKeys.authenticate(fixture.key);
    expect(await lastUsedAt()).toBeUndefined();
    for (let use = 0; use < 5; use += 1) await auth.apiKeys.noteUse(fixture.info.id);
    expect(touches).toBe(1);
    const first = await lastUsedAt();
    expect(first).toBe(fixture.clock.now());
    fixture.clock.advance(60_000);
    await auth.apiKeys.noteUse(fixture.info.id);
    expect(await lastUsedAt()).toBe((first ?? 0) + 60_000);
  });

  it("AUTH-K9 keys make, see and end no keys, and do not refresh", async () => {
    const { auth, key, info } = await createFixtureWithKey();
    const principal = valueOf(await auth.apiKeys.authenticate(key));
    expect(codeOf(await auth.apiKeys.create(principal, { name: "child" }))).toBe(1101);
    expect(codeOf(await auth.apiKeys.list(principal))).toBe(1101);
    expect(codeOf(await auth.apiKeys.revoke(principal, info.id))).toBe(1101);
    expect(codeOf(await auth.refresh(key))).toBe(1002);
  });

  it("AUTH-K9 a trusted caller makes no key for whom it speaks: the key would outlive its say", async () => {
    const { auth, caller } = await createFixtureWithKey();
    const forwarded: Principal = { ...caller, authMethod: "forwarded", via: "billing" };
    expect(codeOf(await auth.apiKeys.create(forwarded, { name: "durable" }))).toBe(1101);
    expect(valueOf(await auth.apiKeys.list(caller))).toHaveLength(1);
  });

  it("AUTH-K9 a key gets roles and scopes of its maker only", async () => {
    const { auth, caller } = await createFixtureWithKey();
    const bounded = { ...caller, scopes: ["a", "b"] } as Principal;
    const scopesOf = async (scopes?: string[]): Promise<unknown> => {
      const result = await auth.apiKeys.create(bounded, { name: "k", ...(scopes === undefined ? {} : { scopes }) });
      return result.kind === "ok" ? valueOf(await auth.apiKeys.authenticate(result.value.key)).scopes : result.problem.code;
    };
    expect(await scopesOf()).toEqual(["a", "b"]);
    expect(await scopesOf(["a"])).toEqual(["a"]);
    expect(await scopesOf([])).toEqual([]);
    expect(await scopesOf(["a", "c"])).toBe(2002);
    expect(codeOf(await auth.apiKeys.create(caller, { name: "k", roles: ["owner"] }))).toBe(2002);
    expect(valueOf(await auth.apiKeys.create(caller, { name: "k", roles: ["member"] })).info.roles).toEqual(["member"]);
    for (const bad of [{ name: "" }, { name: " " }, { name: "x".repeat(101) }, { name: "k", ttlMs: 0 }, { name: "k", ttlMs: Infinity }]) {
      expect(codeOf(await auth.apiKeys.create(caller, bad))).toBe(2002);
    }
  });

  it("AUTH-K6 rotation gives the same rights under a new key and ends the old one; strangers' and ended keys are not found", async () => {
    const { auth, caller, key, info, clock } = await createFixtureWithKey();
    const narrow = valueOf(await auth.apiKeys.create(caller, { name: "narrow", roles: ["member"], scopes: ["a.read"], ttlMs: 60_000 }));
    clock.advance(20_000);
    const rotated = valueOf(await auth.apiKeys.rotate(caller, narrow.info.id));
    expect(rotated.info).toMatchObject({ name: "narrow", roles: ["member"], scopes: ["a.read"], expiresAt: narrow.info.expiresAt });
    expect(rotated.key).not.toBe(narrow.key);
    expect(codeOf(await auth.apiKeys.authenticate(narrow.key))).toBe(1009);
    expect(valueOf(await auth.apiKeys.authenticate(rotated.key)).roles).toEqual(["member"]);
    expect(codeOf(await auth.apiKeys.rotate(caller, narrow.info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.rotate({ ...caller, id: "mallory" }, info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.rotate(valueOf(await auth.apiKeys.authenticate(key)), info.id))).toBe(1101);
    clock.advance(40_000);
    expect(codeOf(await auth.apiKeys.rotate(caller, rotated.info.id))).toBe(3001);
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
  });

  it("AUTH-K6 of fifty parallel rotations of a key one new key lives", async () => {
    const { auth, store } = await createFixtureWithAda();
    const shared = createFixture({ store: asynchronous(store) }).auth;
    const { accessToken } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD })).tokens;
    const caller = valueOf(await auth.verifyAccessToken(accessToken)).principal;
    const { info } = valueOf(await shared.apiKeys.create(caller, { name: "ci" }));
    const results = await Promise.all(Array.from({ length: 50 }, () => shared.apiKeys.rotate(caller, info.id)));
    expect(results.filter((result) => result.kind === "ok")).toHaveLength(1);
    const live = valueOf(await shared.apiKeys.list(caller)).filter((key) => key.revokedAt === undefined);
    expect(live).toHaveLength(1);
  });

  it("a random source that repeats itself makes no second key", async () => {
    const { caller } = await createFixtureWithKey();
    const stuck = createFixture({ random: (bytes) => new Uint8Array(bytes).fill(7) });
    expect(codeOf(await stuck.auth.apiKeys.create(caller, { name: "one" }))).toBe("ok");
    expect(codeOf(await stuck.auth.apiKeys.create(caller, { name: "two" }))).toBe(8001);
  });
});
