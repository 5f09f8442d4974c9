import { ConfigurationError, createMemoryStore, type Records, StoreUnavailable } from "@portcullis/core";
import { createEncryptedStore, type FieldFailure } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { encryptionWith, KEY_1, KEY_2 } from "./fixture.js";

const COLLECTION = "integrations";
const OPTIONS = { collection: COLLECTION, fields: ["/apiKey", "/oauth"] };
const VALUE = JSON.stringify({ kind: "mail", apiKey: "sk-1", oauth: { refresh: "r-1" } });

/** The same store, answering later: as every store but the memory one does. */
function later(records: Records): Records {
  return {
    insert: async (...given) => records.insert(...given),
    find: async (...given) => records.find(...given),
    replace: async (...given) => records.replace(...given),
    remove: async (...given) => records.remove(...given),
    list: async (...given) => records.list(...given),
  };
}

describe.each([
  ["that answers at once", (records: Records) => records],
  ["that answers later", later],
])("an encrypted store over one %s", (_what, wrap) => {
  const { records } = createMemoryStore();
  const behind = wrap(records);
  const store = createEncryptedStore(behind, { ...OPTIONS, encryption: encryptionWith() });

  it("gives its users plaintext and the store behind it none", async () => {
    expect(await store.insert(COLLECTION, { id: "i1", scope: "acme", uniqueKey: "mail", value: VALUE })).toMatchObject({
      value: VALUE,
      revision: 1,
    });
    expect((await store.find(COLLECTION, { id: "i1" }))?.value).toBe(VALUE);
    expect((await store.find(COLLECTION, { uniqueKey: "mail" }))?.value).toBe(VALUE);
    const changed = VALUE.replace("sk-1", "sk-2");
    expect(await store.replace(COLLECTION, "i1", 1, changed)).toMatchObject({ value: changed, revision: 2 });
    expect(await store.list(COLLECTION, { scope: "acme", limit: 10 })).toMatchObject({ total: 1, records: [{ value: changed }] });
    const raw = (await behind.find(COLLECTION, { id: "i1" }))?.value ?? "";
    expect(raw).toContain('"kind":"mail"');
    expect(raw).not.toMatch(/sk-2|r-1/);
    expect(await store.remove(COLLECTION, "i1", 7)).toBe(false);
    expect(await store.remove(COLLECTION, "i1")).toBe(true);
    expect(await store.find(COLLECTION, { id: "i1" })).toBeUndefined();
  });

  it("keeps what the port says of taken ids, stale revisions and records that are gone", async () => {
    await store.insert(COLLECTION, { id: "i2", scope: "acme", value: VALUE });
    expect(await store.insert(COLLECTION, { id: "i2", scope: "acme", value: VALUE })).toBeUndefined();
    expect(await store.replace(COLLECTION, "i2", 9, VALUE)).toBeUndefined();
    expect(await store.replace(COLLECTION, "nobody", 1, VALUE)).toBeUndefined();
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => store.replace(COLLECTION, "i2", 1, VALUE.replace("sk-1", `sk-${n}`))),
    );
    expect(results.filter((result) => result !== undefined)).toHaveLength(1);
  });

  it("ENC-16 a value copied to another record or tenant is refused", async () => {
    await store.insert(COLLECTION, { id: "i3", scope: "acme", value: VALUE });
    const stolen = (await behind.find(COLLECTION, { id: "i3" }))?.value ?? "";
    await behind.insert(COLLECTION, { id: "i4", scope: "acme", value: stolen });
    await expect((async () => store.find(COLLECTION, { id: "i4" }))()).rejects.toMatchObject({ code: "auth_failed" });
    const elsewhere = createEncryptedStore(behind, { ...OPTIONS, encryption: encryptionWith(), tenantOf: () => "globex" });
    await expect((async () => elsewhere.find(COLLECTION, { id: "i3" }))()).rejects.toMatchObject({ code: "auth_failed" });
  });

  it("refuses another collection and a value that is no JSON object", async () => {
    const calls = [
      async () => store.insert("users", { id: "u1", scope: "acme", value: VALUE }),
      async () => store.find("users", { id: "u1" }),
      async () => store.replace("users", "u1", 1, VALUE),
      async () => store.remove("users", "u1"),
      async () => store.list("users", { scope: "acme", limit: 1 }),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "invalid_input" });
    for (const value of ["{", "[]", "null", '"x"']) {
      await expect((async () => store.insert(COLLECTION, { id: "i9", scope: "acme", value }))()).rejects.toMatchObject({
        code: "malformed",
      });
    }
    expect(await behind.find("users", { id: "u1" })).toBeUndefined();
  });
});

describe("an encrypted store", () => {
  it("lists past a record that does not decrypt where it is told to report", async () => {
    const { records } = createMemoryStore();
    const strict = createEncryptedStore(records, { ...OPTIONS, encryption: encryptionWith() });
    await strict.insert(COLLECTION, { id: "good", scope: "acme", value: VALUE });
    await createEncryptedStore(records, { ...OPTIONS, encryption: encryptionWith({ keys: KEY_2 }) }).insert(COLLECTION, {
      id: "lost",
      scope: "acme",
      value: VALUE,
    });
    await expect((async () => strict.list(COLLECTION, { scope: "acme", limit: 10 }))()).rejects.toMatchObject({ code: "key_not_found" });
    const failures: FieldFailure[] = [];
    const lenient = createEncryptedStore(records, {
      ...OPTIONS,
      encryption: encryptionWith(),
      onFailure: (failure) => void failures.push(failure),
    });
    const { records: listed } = await lenient.list(COLLECTION, { scope: "acme", limit: 10 });
    expect(listed.map(({ id, value }) => [id, value])).toEqual([
      ["good", VALUE],
      ["lost", '{"kind":"mail"}'],
    ]);
    expect(failures.map(({ pointer }) => pointer)).toEqual(["/apiKey", "/oauth"]);
  });

  it("reads what an older key wrote, and writes with the new one", async () => {
    const { records } = createMemoryStore();
    await createEncryptedStore(records, { ...OPTIONS, encryption: encryptionWith({ keys: KEY_2 }) }).insert(COLLECTION, {
      id: "i1",
      scope: "acme",
      value: VALUE,
    });
    const rotated = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
    const store = createEncryptedStore(records, { ...OPTIONS, encryption: rotated });
    expect((await store.replace(COLLECTION, "i1", 1, (await store.find(COLLECTION, { id: "i1" }))?.value ?? ""))?.value).toBe(VALUE);
    const { apiKey } = JSON.parse((await records.find(COLLECTION, { id: "i1" }))?.value ?? "{}") as { readonly apiKey?: string };
    expect(rotated.needsReencryption(apiKey)).toBe(false);
  });

  it("passes on that the store is unavailable", async () => {
    const dead = (): never => {
      throw new StoreUnavailable("records");
    };
    const store = createEncryptedStore(
      { insert: dead, find: dead, replace: dead, remove: dead, list: dead },
      { ...OPTIONS, encryption: encryptionWith() },
    );
    await expect((async () => store.find(COLLECTION, { id: "i1" }))()).rejects.toBeInstanceOf(StoreUnavailable);
    await expect((async () => store.replace(COLLECTION, "i1", 1, VALUE))()).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it.each([{ collection: "" }, { fields: [] }])("refuses %j", (wrong) => {
    const { records } = createMemoryStore();
    expect(() => createEncryptedStore(records, { ...OPTIONS, encryption: encryptionWith(), ...wrong })).toThrow(ConfigurationError);
  });
});
