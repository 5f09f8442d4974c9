import { readFileSync } from "node:fs";
import type { BindingValue, RecordBinding } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { bytesOf, codeOf, encryptionWith, envelopeOf, KEY_1, PLACE } from "./fixture.js";
import { open, seal } from "./reference-envelope.js";
import { vectorFolder } from "./vector-folder.js";

describe("ENC-16 a value opens in its place only", () => {
  const encryption = encryptionWith();
  const place = { ...PLACE, field: "/ssn", context: { revision: 1 } };
  const envelope = encryption.encrypt("x", place);

  it.each([
    ["field", { field: "/name" }],
    ["no field", { field: undefined }],
    ["record", { recordId: "u2" }],
    ["table", { table: "accounts" }],
    ["tenant", { tenant: "globex" }],
    ["no tenant", { tenant: undefined }],
    ["context", { context: { revision: 2 } }],
    ["no context", { context: undefined }],
  ])("another %s is refused", (_what, other) => {
    expect(encryption.decrypt(envelope, place)).toBe("x");
    expect(codeOf(() => encryption.decrypt(envelope, { ...place, ...other }))).toBe("auth_failed");
  });

  it("another namespace is refused, under the same key", () => {
    expect(codeOf(() => encryptionWith({ namespace: "bank" }).decrypt(envelope, place))).toBe("auth_failed");
  });

  it("a value on its own and a field of a record are not interchangeable", () => {
    const field = String(encryption.encryptFields({ ssn: "x" }, ["ssn"], PLACE).ssn);
    expect(codeOf(() => encryption.decrypt(field, { ...PLACE, field: "/ssn" }))).toBe("auth_failed");
    const value = encryption.encrypt("x", { ...PLACE, field: "/ssn" });
    expect(codeOf(() => encryption.decryptFields({ ssn: value, _encrypted: true as const }, ["ssn"], PLACE))).toBe("auth_failed");
  });

  it("every byte of the header edited is refused", () => {
    const bytes = bytesOf(envelope);
    for (let index = 0; index < 70; index += 1) {
      const edited = Buffer.from(bytes);
      edited[index] = (edited[index] ?? 0) ^ 0xff;
      expect(["auth_failed", "key_not_found", "unsupported_version"]).toContain(
        codeOf(() => encryption.decrypt(envelopeOf(edited), place)),
      );
    }
  });

  it("the type of a value is inside the authenticated plaintext: an unknown one is refused even under the right key", () => {
    const reference = { namespace: "shop", tenant: "acme", table: "users", recordId: "u1", field: "", purpose: "value" } as const;
    const key = Buffer.from(KEY_1, "hex");
    const id = Buffer.from(encryption.activeKeyId(), "hex");
    const write = (plaintext: readonly number[]) =>
      seal(Buffer.from(plaintext), key, id, Buffer.alloc(16, 1), Buffer.alloc(12, 2), reference);
    expect(encryption.decrypt(write([0x06, 0x61]), PLACE)).toBe("a");
    const unreadable = [
      [],
      [0x99],
      [0x04, 1],
      [0x01, 1],
      [0x05, 0x2d],
      [0x0b, 0, 0],
      [0x0b, 0, 0, 0, 9],
      [0x0c, 0, 0, 0, 1, 0x01, 0, 0, 0, 1, 0x01],
      [0x0c, 0, 0, 0, 2, 0x06, 0x61],
      [0x10, 0, 0, 0, 1, 0x01, 7],
    ];
    for (const plaintext of unreadable)
      expect(
        codeOf(() => encryption.decrypt(write(plaintext), PLACE)),
        plaintext.join(),
      ).toBe("malformed");
    const deep = Array.from({ length: 70 }).reduce<Buffer>((inner) => {
      const frame = Buffer.alloc(5 + inner.length, 0x0b);
      frame.writeUInt32BE(inner.length, 1);
      inner.copy(frame, 5);
      return frame;
    }, Buffer.of(0x01));
    expect(codeOf(() => encryption.decrypt(write([...deep]), PLACE))).toBe("malformed");
    expect(open(encryption.encrypt("b", PLACE), key, reference)).toBe("b");
  });
});

describe("a binding", () => {
  const encryption = encryptionWith();

  it("ENC-18 without a record id is refused, unless records need none", () => {
    const bare = { table: "settings" };
    expect(codeOf(() => encryption.encrypt("x", bare))).toBe("invalid_input");
    expect(codeOf(() => encryption.encryptFields({ a: 1 }, ["a"], bare))).toBe("invalid_input");
    const optional = encryptionWith({ recordBinding: "optional" });
    expect(optional.decrypt(optional.encrypt("x", bare), bare)).toBe("x");
    expect(codeOf(() => optional.decrypt(optional.encrypt("x", bare), { ...bare, recordId: "" }))).toBe("auth_failed");
  });

  it("ENC-17 a lone surrogate anywhere in it is refused; composed and decomposed letters differ", () => {
    const lone = "u\ud800";
    const places = [
      { table: lone },
      { tenant: lone },
      { recordId: lone },
      { field: lone },
      { context: { a: lone } },
      { context: { [lone]: 1 } },
    ];
    for (const wrong of places) expect(codeOf(() => encryption.encrypt("x", { ...PLACE, ...wrong }))).toBe("invalid_input");
    const envelope = encryption.encrypt("x", { ...PLACE, recordId: "caf\u00e9" });
    expect(codeOf(() => encryption.decrypt(envelope, { ...PLACE, recordId: "cafe\u0301" }))).toBe("auth_failed");
  });

  it("ENC-17 numbers must be safe integers; larger ones are bigint, and 42 is 42n but not '42'", () => {
    for (const recordId of [2 ** 53, 1.5, Number.NaN, Infinity])
      expect(codeOf(() => encryption.encrypt("x", { ...PLACE, recordId }))).toBe("invalid_input");
    const envelope = encryption.encrypt("x", { ...PLACE, recordId: 42 });
    expect(encryption.decrypt(envelope, { ...PLACE, recordId: 42n })).toBe("x");
    expect(codeOf(() => encryption.decrypt(envelope, { ...PLACE, recordId: "42" }))).toBe("auth_failed");
    const large = encryption.encrypt("x", { ...PLACE, recordId: 2n ** 53n + 1n });
    expect(codeOf(() => encryption.decrypt(large, { ...PLACE, recordId: 2n ** 53n }))).toBe("auth_failed");
  });

  it("takes a hole in a list for what it is read as: undefined", () => {
    const holed: BindingValue[] = [];
    holed[1] = 1;
    const envelope = encryption.encrypt("x", { ...PLACE, context: { list: holed } });
    expect(encryption.decrypt(envelope, { ...PLACE, context: { list: [undefined, 1] } })).toBe("x");
  });

  it("holds plain data only", () => {
    const cycle: { [name: string]: BindingValue } = {};
    cycle.self = cycle;
    const wrong = [
      { table: "" },
      { table: undefined },
      { tenant: 7 },
      { recordId: {} },
      { context: { at: new Date(0) } },
      { context: { run: () => 1 } },
      { context: cycle },
    ];
    for (const part of wrong) {
      const place = { ...PLACE, ...part } as RecordBinding; // what a program without types can pass
      expect(codeOf(() => encryption.encrypt("x", place))).toBe("invalid_input");
    }
    expect(codeOf(() => encryption.encrypt("x", undefined as unknown as RecordBinding))).toBe("invalid_input"); // likewise
  });

  it("ENC-19 a list element is bound to its index, or to the pattern where it is told so", () => {
    const record = { cards: [{ pan: "1111" }, { pan: "2222" }] };
    const fields = ["/cards/*/pan"];
    const swap = <T extends { readonly cards: unknown }>(row: T): T => ({ ...row, cards: (row.cards as unknown[]).toReversed() });
    const byIndex = encryptionWith({ listBinding: "index" });
    const byDefault = encryptionWith();
    const row = byIndex.encryptFields(record, fields, PLACE);
    expect(byDefault.decryptFields(row, fields, PLACE)).toEqual(record);
    expect(codeOf(() => byIndex.decryptFields(swap(row), fields, PLACE))).toBe("auth_failed");
    const byPattern = encryptionWith({ listBinding: "pattern" });
    expect(byPattern.decryptFields(swap(byPattern.encryptFields(record, fields, PLACE)), fields, PLACE)).toEqual({
      cards: [{ pan: "2222" }, { pan: "1111" }],
    });
  });

  it("ENC-20 a revision in the context makes an older value of the same field detectable", () => {
    const older = encryption.encrypt("old", { ...PLACE, context: { revision: 1 } });
    expect(codeOf(() => encryption.decrypt(older, { ...PLACE, context: { revision: 2 } }))).toBe("auth_failed");
  });
});

const file = vectorFolder("aad-canonicalisation/collisions.json");
if (file !== undefined) {
  const pairs = JSON.parse(readFileSync(file, "utf8")) as Readonly<
    Record<"mustDiffer" | "mustBeEqual", readonly { why: string; a: BindingValue; b: BindingValue }[]>
  >;
  const encryption = encryptionWith();
  const bind = (given: BindingValue) => ({ ...PLACE, context: { given } });

  describe("ENC-15 bindings that careless encodings confuse", () => {
    it.each(pairs.mustDiffer)("$why: not the same place", ({ a, b }) => {
      for (const [made, read] of [
        [a, b],
        [b, a],
      ] as const) {
        const outcome = codeOf(() => encryption.decrypt(encryption.encrypt("x", bind(made)), bind(read)));
        expect(JSON.stringify(made).includes("\\ud800") || JSON.stringify(made).includes("\\udc00") ? "invalid_input" : "auth_failed").toBe(
          outcome,
        );
      }
    });

    it.each(pairs.mustBeEqual)("$why: the same place", ({ a, b }) => {
      expect(encryption.decrypt(encryption.encrypt("x", bind(a)), bind(b))).toBe("x");
    });
  });
}
