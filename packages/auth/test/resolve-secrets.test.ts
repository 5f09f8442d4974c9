import { ConfigurationError, createMemoryStore, type MemoryStore, StoreUnavailable } from "@portcullis/core";
import { createAuth, createUserDirectory, resolveSecrets } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { asynchronous, PEPPER, SECRET, valueOf, withDeadPort } from "./auth-fixture.js";

const NAME = "token-secrets";
const stored = async (store: MemoryStore) => store.records.find("auth-secrets", { id: NAME });

describe("resolveSecrets: what is configured, else what the store holds, else a new one where that is allowed", () => {
  it("what is configured wins, and is not stored", async () => {
    const store = createMemoryStore();
    const generated = await resolveSecrets({ store, name: NAME, allowGenerate: true });
    expect(await resolveSecrets({ configured: SECRET, store, name: NAME, allowGenerate: true })).toBe(SECRET);
    expect(await resolveSecrets({ store, name: NAME })).toBe(generated);
    const empty = createMemoryStore();
    await resolveSecrets({ configured: SECRET, store: empty, name: NAME, allowGenerate: true });
    expect(await stored(empty)).toBeUndefined();
  });

  it("a configured secret that is weak or empty is refused, never replaced by a generated one", async () => {
    for (const configured of ["", " ", "hunter2", `${SECRET},`, `${SECRET},${SECRET}`]) {
      const store = createMemoryStore();
      await expect(resolveSecrets({ configured, store, name: NAME, allowGenerate: true })).rejects.toMatchObject({
        code: "invalid_option",
      });
      expect(await stored(store)).toBeUndefined();
    }
  });

  it("a list is no string, and is not taken for one", async () => {
    // @ts-expect-error: JavaScript callers can
    await expect(resolveSecrets({ configured: [SECRET], store: createMemoryStore(), name: NAME })).rejects.toThrow(/configured/);
  });

  it("without an explicit yes nothing is made: the error says what to do", async () => {
    const store = createMemoryStore();
    for (const options of [{}, { allowGenerate: false }, { configured: undefined }]) {
      const refused = resolveSecrets({ store, name: NAME, ...options });
      await expect(refused).rejects.toMatchObject({ code: "no_secrets" });
      await expect(refused).rejects.toThrow(/openssl rand.*allowGenerate/);
    }
    for (const allowGenerate of ["true", 1, null]) {
      // @ts-expect-error: JavaScript callers can
      await expect(resolveSecrets({ store, name: NAME, allowGenerate })).rejects.toThrow(ConfigurationError);
    }
    expect(await stored(store)).toBeUndefined();
  });

  it("what was made once is found from then on, and is never overwritten", async () => {
    const store = createMemoryStore();
    const first = await resolveSecrets({ store, name: NAME, allowGenerate: true });
    expect(first).toMatch(/^[A-Za-z0-9_-]{64}$/);
    for (let round = 0; round < 3; round += 1) expect(await resolveSecrets({ store, name: NAME, allowGenerate: true })).toBe(first);
    expect((await stored(store))?.revision).toBe(1);
    expect(await resolveSecrets({ store, name: "api-key-peppers", allowGenerate: true })).not.toBe(first);
  });

  it("a hundred at once get one secret", async () => {
    for (const make of [(store: MemoryStore) => store, asynchronous]) {
      const store = make(createMemoryStore());
      const all = await Promise.all(Array.from({ length: 100 }, async () => resolveSecrets({ store, name: NAME, allowGenerate: true })));
      expect(new Set(all).size).toBe(1);
      expect((await stored(store))?.revision).toBe(1);
    }
  });

  it("of two that both found nothing, the second takes what the first stored", async () => {
    const store = createMemoryStore();
    const waiting: (() => void)[] = [];
    // Both are held between looking and storing.
    const held = {
      ...store,
      records: {
        ...store.records,
        find: async (...args: Parameters<typeof store.records.find>) => {
          const found = await store.records.find(...args);
          if (waiting.length < 2) await new Promise<void>((resolve) => void waiting.push(resolve));
          return found;
        },
      },
    };
    const both = [1, 2].map(async () => resolveSecrets({ store: held, name: NAME, allowGenerate: true }));
    while (waiting.length < 2) await Promise.resolve();
    for (const go of waiting) go();
    const [first, second] = await Promise.all(both);
    expect(second).toBe(first);
    expect(JSON.parse((await stored(store))?.value ?? "")).toEqual({ secrets: first });
  });

  it("what the store holds may be several secrets, put there by an operator; what is none is left alone", async () => {
    const store = createMemoryStore();
    const secrets = `${SECRET},${PEPPER}`;
    await store.records.insert("auth-secrets", { id: NAME, scope: "auth-secrets", value: JSON.stringify({ secrets }) });
    expect(await resolveSecrets({ store, name: NAME })).toBe(secrets);
    for (const value of [
      "",
      "{",
      "null",
      "[]",
      '{"secrets":1}',
      '{"secrets":"short"}',
      JSON.stringify({ secrets: `${SECRET},${SECRET}` }),
    ]) {
      const broken = createMemoryStore();
      await broken.records.insert("auth-secrets", { id: NAME, scope: "auth-secrets", value });
      const refused = resolveSecrets({ store: broken, name: NAME, allowGenerate: true });
      await expect(refused).rejects.toMatchObject({ code: "stored_secrets_unusable" });
      await expect(refused).rejects.not.toThrow(SECRET);
      expect((await stored(broken))?.value).toBe(value);
    }
  });

  it("a dead store and a broken source of chance are faults: nothing is made up", async () => {
    const store = createMemoryStore();
    for (const manner of ["throws", "rejects"] as const) {
      const dead = withDeadPort(store, "records", manner);
      await expect(resolveSecrets({ store: dead, name: NAME, allowGenerate: true })).rejects.toThrow(StoreUnavailable);
      expect(await resolveSecrets({ configured: SECRET, store: dead, name: NAME })).toBe(SECRET);
    }
    const random = (bytes: number): Uint8Array => new Uint8Array(bytes);
    await expect(resolveSecrets({ store, name: NAME, allowGenerate: true, random })).rejects.toMatchObject({ code: "invalid_option" });
    expect(await stored(store)).toBeUndefined();
  });

  it.each([undefined, "", "Upper", "a b", "x".repeat(65), 1])("the name %j is refused", async (name) => {
    // @ts-expect-error: JavaScript callers can
    await expect(resolveSecrets({ store: createMemoryStore(), name, allowGenerate: true })).rejects.toMatchObject({
      code: "invalid_option",
    });
  });

  it("createAuth takes what it resolves to: two processes on one store accept each other's tokens", async () => {
    const store = createMemoryStore();
    const build = async () =>
      createAuth({
        store,
        users: createUserDirectory({ store }),
        secrets: await resolveSecrets({ store, name: NAME, allowGenerate: true }),
        apiKeyPeppers: await resolveSecrets({ store, name: "api-key-peppers", allowGenerate: true }),
      });
    const [one, other] = await Promise.all([build(), build()]);
    const { accessToken } = await one.createTokenPair({ userId: "ada", role: "member" });
    expect(valueOf(await other.verifyAccessToken(accessToken)).principal.id).toBe("ada");
  });
});
