import { type EncryptedRecord, type EncryptionEvent, type EncryptionPolicy, type FieldFailure } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { bytesOf, codeOf, encryptionWith, envelopeOf, KEY_1, KEY_2, PLACE } from "./fixture.js";

const FIELDS = ["/ssn", "/address/street", "/cards/*/pan"];
const RECORD = Object.freeze({
  id: "u1",
  ssn: "078-05-1120",
  address: Object.freeze({ street: "1 Main St", city: "Springfield" }),
  cards: Object.freeze([Object.freeze({ pan: "4111", brand: "visa" }), Object.freeze({ pan: 5500n, brand: "mc" })]),
  born: new Date(0),
});

describe("encryptFields and decryptFields", () => {
  const encryption = encryptionWith();

  it("encrypt the named fields, nested and in lists, and give back the same record", () => {
    const row = encryption.encryptFields(RECORD, FIELDS, PLACE);
    expect(JSON.stringify(row)).not.toMatch(/078-05|Main St|4111|5500/);
    expect(row).toMatchObject({
      id: "u1",
      address: { city: "Springfield" },
      cards: [{ brand: "visa" }, { brand: "mc" }],
      _encrypted: true,
    });
    expect(encryption.decryptFields(row, FIELDS, PLACE)).toStrictEqual(RECORD);
  });

  it("survive storage as JSON", () => {
    const stored = JSON.parse(JSON.stringify(encryption.encryptFields(RECORD, [...FIELDS, "/born"], PLACE))) as EncryptedRecord<
      typeof RECORD
    >; // what was written
    expect(encryption.decryptFields(stored, [...FIELDS, "/born"], PLACE)).toStrictEqual(RECORD);
  });

  it("ENC-22 touch nothing of what they are given, and share what no path leads through", () => {
    const before = structuredClone(RECORD);
    const row = encryption.encryptFields(RECORD, ["/ssn"], PLACE);
    expect(RECORD).toStrictEqual(before);
    expect(row.address).toBe(RECORD.address);
    const sealed = Object.freeze({ ...row });
    expect(encryption.decryptFields(sealed, ["/ssn"], PLACE).ssn).toBe(RECORD.ssn);
  });

  it("ENC-22 a whole subtree may be one field; one object at two places is two values", () => {
    const street = { street: "1 Main St" };
    const record = { main: street, spare: street };
    const fields = ["/main/street", "/spare/street"];
    const row = encryption.encryptFields(record, fields, PLACE);
    expect(encryption.decryptFields(row, fields, PLACE)).toEqual(record);
    expect(street.street).toBe("1 Main St");
    const whole = encryption.encryptFields(record, ["/main"], PLACE);
    expect(typeof whole.main).toBe("string");
    expect(encryption.decryptFields(whole, ["/main"], PLACE)).toEqual(record);
  });

  it("ENC-22 instances of classes and lists are no records", () => {
    class User {
      readonly ssn = "x";
      readonly inner = new (class Inner {
        readonly a = 1;
      })();
    }
    for (const wrong of [new User(), [1], null, "text", { inner: new User() }]) {
      expect(codeOf(() => encryption.encryptFields(wrong as object, ["/inner/a"], PLACE))).toBe("invalid_input"); // what a program without types can pass
    }
  });

  it("ENC-23 a path that leads nowhere creates nothing; undefined stays as it is", () => {
    const record = { a: undefined, list: [], deep: null, text: "abc" };
    const row = encryption.encryptFields(record, ["/a", "/b", "/list/*/x", "/items/0", "/deep/x", "/text/length", "/x/y"], PLACE);
    expect(row).toStrictEqual({ ...record, _encrypted: true });
    expect(encryption.encryptFields({ list: ["a"] }, ["/list/length"], PLACE).list).toEqual(["a"]);
  });

  it("ENC-23 a key with a dot, a slash or a tilde is not a nested field", () => {
    const record = { "a.b": "1", a: { b: "2" }, "a/b": "3", "m~n": "4", "*": "5" };
    const sealedBy = (field: string): readonly string[] => {
      const row: Readonly<Record<string, unknown>> = encryption.encryptFields(record, [field], PLACE);
      return ["a.b", "a/b", "m~n", "*"]
        .filter((name) => String(row[name]).startsWith("enc:"))
        .concat(String((row.a as { b: unknown }).b).startsWith("enc:") ? ["nested"] : []);
    };
    expect(["/a.b", "/a/b", "/a~1b", "/m~0n", "/*"].map(sealedBy)).toEqual([["a.b"], ["nested"], ["a/b"], ["m~n"], ["*"]]);
  });

  it.each([
    [["/a", "/a"]],
    [["a", "/a"]],
    [["/a", "/a/b"]],
    [["/cards/*/pan", "/cards/0"]],
    [["a.b"]],
    [["cards[0]"]],
    [["/a~2b"]],
    [["/a~"]],
    [[""]],
    [["/__proto__/x"]],
    [["/a/constructor"]],
    [["/_encrypted"]],
    [[`/${"a/".repeat(40)}`]],
    [[7]],
    ["/a"],
  ])("ENC-23 the fields %j are refused", (fields) => {
    expect(codeOf(() => encryption.encryptFields({ a: 1 }, fields as string[], PLACE))).toBe("invalid_input"); // wrong on purpose
    expect(({} as { readonly x?: unknown }).x).toBeUndefined();
  });

  it("ENC-24 encrypting twice changes nothing more", () => {
    const once = encryption.encryptFields(RECORD, FIELDS, PLACE);
    expect(encryption.encryptFields(once, FIELDS, PLACE)).toStrictEqual(once);
    const updated = encryption.encryptFields({ ...once, ssn: "new" }, FIELDS, PLACE);
    expect(updated.address).toStrictEqual(once.address);
    expect(encryption.decryptFields(updated, FIELDS, PLACE)).toMatchObject({ ssn: "new", address: RECORD.address });
  });

  it("ENC-24 a user's text that looks like an envelope is encrypted and comes back the same", () => {
    const foreign = encryptionWith({ keys: KEY_2 }).encrypt("x", PLACE);
    const mine = String(encryption.encryptFields({ ssn: "x" }, ["ssn"], PLACE).ssn);
    for (const text of ["enc:v1:hello", "enc:v9:", foreign, mine]) {
      const row = encryption.encryptFields({ ssn: text }, ["ssn"], PLACE);
      expect(row.ssn).not.toBe(text);
      expect(encryption.decryptFields(row, ["ssn"], PLACE).ssn).toBe(text);
    }
    const row = encryption.encryptFields({ ssn: "enc:v1:hello", _encrypted: true }, ["ssn"], PLACE);
    expect(encryption.decryptFields(row, ["ssn"], PLACE).ssn).toBe("enc:v1:hello");
  });

  it("ENC-24 ENC-29 in a marked record, an envelope of a missing key or a newer release is refused, not encrypted once more", () => {
    const row = encryptionWith({ keys: KEY_2 }).encryptFields(RECORD, FIELDS, PLACE);
    expect(codeOf(() => encryption.encryptFields({ ...row, ssn: "new" }, FIELDS, PLACE))).toBe("key_not_found");
    expect(codeOf(() => encryption.encryptFields({ ssn: "enc:v9:AAAA", _encrypted: true }, ["ssn"], PLACE))).toBe("unsupported_version");
    const both = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
    const updated = both.encryptFields({ ...row, ssn: "new" }, FIELDS, PLACE);
    expect(both.decryptFields(updated, FIELDS, PLACE)).toMatchObject({ ssn: "new", address: RECORD.address });
  });

  it("ENC-24 an envelope moved to another record or index is refused, not encrypted once more", () => {
    const row = encryption.encryptFields(RECORD, FIELDS, PLACE);
    expect(codeOf(() => encryption.encryptFields(row, FIELDS, { ...PLACE, recordId: "u2" }))).toBe("auth_failed");
    const shifted = { ...row, cards: (row.cards as unknown[]).slice(1) };
    expect(codeOf(() => encryption.encryptFields(shifted, FIELDS, PLACE))).toBe("auth_failed");
  });
});

describe("ENC-25 the marker is a hint; the policy decides", () => {
  const plain = { ssn: "078" };
  const sealed = encryptionWith().encryptFields(plain, ["ssn"], PLACE);
  const unmarked = { ssn: sealed.ssn };
  const marked = { ...plain, _encrypted: true };
  const mixed = { ...sealed, name: "Ada" };
  const read = (policy: EncryptionPolicy, row: object, fields = ["ssn"]) => encryptionWith({ policy }).decryptFields(row, fields, PLACE);

  it("strict: marker removed, marker added, one field plain: each fails closed", () => {
    expect(codeOf(() => read("strict", unmarked))).toBe("malformed");
    expect(codeOf(() => read("strict", marked))).toBe("malformed");
    expect(codeOf(() => read("strict", mixed, ["ssn", "name"]))).toBe("malformed");
    expect(read("strict", sealed)).toEqual(plain);
  });

  it.each(["off", "write", "migrate"] as const)(
    "%s: plaintext is read and counted, envelopes are decrypted, with or without the marker",
    (policy) => {
      const events: EncryptionEvent[] = [];
      const encryption = encryptionWith({ policy, onEvent: (event) => void events.push(event) });
      for (const row of [plain, marked, unmarked, sealed]) expect(encryption.decryptFields(row as object, ["ssn"], PLACE)).toEqual(plain);
      expect(encryption.decryptFields(mixed as object, ["ssn", "name"], PLACE)).toEqual({ ssn: "078", name: "Ada" });
      expect(events).toEqual(["/ssn", "/ssn", "/name"].map((pointer) => ({ kind: "plaintext_read", table: "users", pointer })));
    },
  );

  it("without the marker, text that only begins like an envelope is text; with it, it is refused", () => {
    expect(read("migrate", { ssn: "enc:v1:hello" })).toEqual({ ssn: "enc:v1:hello" });
    expect(codeOf(() => read("migrate", { ssn: "enc:v1:hello", _encrypted: true }))).toBe("malformed");
  });

  it("a changed envelope is refused under every policy, marked or not", () => {
    const bytes = bytesOf(String(sealed.ssn));
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    for (const policy of ["off", "write", "migrate", "strict"] as const) {
      expect(codeOf(() => read(policy, { ssn: envelopeOf(bytes), _encrypted: true }))).toBe("auth_failed");
      if (policy !== "strict") expect(codeOf(() => read(policy, { ssn: envelopeOf(bytes) }))).toBe("auth_failed");
    }
  });

  it("a field of the application's own called _encrypted is refused on writing and left alone on reading", () => {
    expect(codeOf(() => encryptionWith().encryptFields({ ssn: "x", _encrypted: "yes" }, ["ssn"], PLACE))).toBe("invalid_input");
    expect(read("migrate", { ssn: "x", _encrypted: false })).toEqual({ ssn: "x", _encrypted: false });
  });

  it("off writes plaintext", () => {
    expect(encryptionWith({ policy: "off" }).encryptFields(plain, ["ssn"], PLACE)).toEqual(plain);
  });
});

describe("ENC-29 a field that cannot be decrypted", () => {
  const encryption = encryptionWith();
  const row = { ...encryption.encryptFields(RECORD, FIELDS, PLACE), ssn: encryptionWith({ keys: KEY_2 }).encrypt("x", PLACE) };

  it("fails the record, is left out, or is reported, but is never returned as it is", () => {
    expect(codeOf(() => encryption.decryptFields(row, FIELDS, PLACE))).toBe("key_not_found");
    const { ssn: _ssn, ...rest } = RECORD;
    expect(encryption.decryptFields(row, FIELDS, PLACE, { onFailure: "omit" })).toStrictEqual(rest);
    const failures: FieldFailure[] = [];
    expect(encryption.decryptFields(row, FIELDS, PLACE, { onFailure: (failure) => void failures.push(failure) })).toStrictEqual(rest);
    expect(failures).toEqual([{ pointer: "/ssn", code: "key_not_found" }]);
  });

  it("in a list leaves its place empty, so that the others keep theirs", () => {
    const list = encryption.encryptFields({ tags: ["a", "b"] }, ["/tags/*"], PLACE);
    const broken = { ...list, tags: ["enc:v1:AAAA", (list.tags as unknown[])[1]] };
    expect(encryption.decryptFields(broken, ["/tags/*"], PLACE, { onFailure: "omit" })).toEqual({ tags: [undefined, "b"] });
  });
});

describe("needsReencryption", () => {
  const old = encryptionWith({ keys: KEY_2 });
  it("is true for another key than the active one, and for plaintext where it is to be migrated", () => {
    const rotated = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
    expect(rotated.needsReencryption(old.encrypt("x", PLACE))).toBe(true);
    expect(rotated.needsReencryption(rotated.encrypt("x", PLACE))).toBe(false);
    expect(rotated.needsReencryption(undefined)).toBe(false);
    const ofPlaintext = (policy: EncryptionPolicy) => encryptionWith({ policy }).needsReencryption("plain");
    expect((["off", "write", "migrate", "strict"] as const).map(ofPlaintext)).toEqual([false, false, true, true]);
    expect(encryptionWith({ policy: "migrate" }).needsReencryption("enc:v1:hello")).toBe(true);
    expect(codeOf(() => rotated.needsReencryption("enc:v7:AAAA"))).toBe("unsupported_version");
  });
});
