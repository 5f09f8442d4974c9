import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { ConfigurationError } from "@portcullis/core";
import { createEncryption, createKeyring, generateKey } from "@portcullis/encryption";
import { describe, expect, it, vi } from "vitest";
import { codeOf, encryptionWith, KEY_1, KEY_2, PLACE } from "./fixture.js";

const BYTES = Buffer.from(KEY_1, "hex");

function mistakeIn(keys: string | readonly string[]): string {
  try {
    createKeyring({ keys });
    return "accepted";
  } catch (error) {
    return error instanceof ConfigurationError ? error.message : `threw ${String(error)}`;
  }
}

describe("reading keys", () => {
  it("ENC-7 hex, base64, base64url, padded or not, give the same key", () => {
    const spellings = [
      KEY_1,
      KEY_1.toUpperCase(),
      BYTES.toString("base64"),
      BYTES.toString("base64url"),
      BYTES.toString("base64").replace("=", ""),
    ];
    const ids = spellings.map((keys) => createKeyring({ keys }).activeKeyId());
    expect(new Set(ids).size).toBe(1);
  });

  it("ENC-7 spaces and newlines around keys are ignored", () => {
    expect(createKeyring({ keys: ` ${KEY_1} ,\n${KEY_2}\n` }).keys()).toHaveLength(2);
    expect(createKeyring({ keys: [` ${KEY_1}\n`] }).activeKeyId()).toBe(createKeyring({ keys: KEY_1 }).activeKeyId());
  });

  it.each([
    ["63 hex digits", KEY_1.slice(1)],
    ["65 hex digits", `${KEY_1}0`],
    ["hex with a wrong letter", `${KEY_1.slice(0, 40)}g${KEY_1.slice(41)}`],
    ["base64 with a foreign character", `${BYTES.toString("base64").slice(0, 20)}*${BYTES.toString("base64").slice(21)}`],
    ["base64 with a foreign character added", `${BYTES.toString("base64").slice(0, 20)}\n${BYTES.toString("base64").slice(20)}`],
    ["both base64 alphabets in one key", `-_+/${"A".repeat(38)}A`],
    ["16 bytes", randomBytes(16).toString("base64")],
    ["24 bytes", randomBytes(24).toString("base64")],
    ["31 bytes", randomBytes(31).toString("base64")],
    ["33 bytes", randomBytes(33).toString("base64")],
    ["16 bytes of hex", randomBytes(16).toString("hex")],
    ["32 characters", "correct horse battery staple 32!"],
    ["a passphrase as base64", Buffer.from("correct horse battery staple 32!").toString("base64")],
    ["a letter that Node cuts down to ASCII", `\u0141${BYTES.toString("base64url").slice(1)}`],
    ["zeros", "0".repeat(64)],
    ["one byte repeated", "ab".repeat(32)],
    [
      "stray bits in the last base64 digit",
      `${BYTES.toString("base64url").slice(0, 42)}${nextDigit(BYTES.toString("base64url").slice(42))}`,
    ],
    ["an empty name", `:${KEY_1}`],
    ["a name with spaces", `my key:${KEY_1}`],
  ])("ENC-7 %s: refused by position, without its content", (_what, key) => {
    const message = mistakeIn([KEY_2, key]);
    expect(message).toMatch(/^Option "keys", key 2 /);
    expect(message).not.toContain(key);
    expect(message).not.toContain(key.slice(0, 12));
  });

  it("ENC-7 an empty item and an empty list are refused", () => {
    expect(mistakeIn(`${KEY_1},,${KEY_2}`)).toMatch(/key 2 is empty/);
    for (const none of ["", "  \n", []]) expect(mistakeIn(none)).toMatch(/holds no key/);
    expect(mistakeIn(Array.from({ length: 33 }, generateKey))).toMatch(/at most 32 keys/);
    expect(mistakeIn([7 as unknown as string])).toMatch(/keys\[0\]/); // what a program without types can pass
    expect(mistakeIn({} as unknown as string)).toMatch(/a string or a list/); // likewise
  });

  it("ENC-7 one key in two spellings is a duplicate", () => {
    expect(mistakeIn([KEY_1, BYTES.toString("base64")])).toMatch(/key 2 has the same bytes as key 1/);
  });

  it("ENC-8 two keys with one name are refused", () => {
    expect(mistakeIn(`a:${KEY_1},a:${KEY_2}`)).toMatch(/key 2 has the same name as key 1/);
  });
});

describe("a keyring", () => {
  it("ENC-8 the first key encrypts, all decrypt, whatever the order of the rest", () => {
    const third = generateKey();
    const old = encryptionWith({ keys: KEY_2 }).encrypt("x", PLACE);
    for (const keys of [`${KEY_1},${KEY_2},${third}`, `${KEY_1},${third},${KEY_2}`]) {
      const encryption = encryptionWith({ keys });
      expect(encryption.activeKeyId()).toBe(createKeyring({ keys: KEY_1 }).activeKeyId());
      expect(encryption.decrypt(old, PLACE)).toBe("x");
    }
  });

  it("ENC-8 a key's id is fixed by the key alone", () => {
    expect(createKeyring({ keys: KEY_1 }).activeKeyId()).toBe("e30f17cfe9b3b86e");
    expect(createKeyring({ keys: `2026-11:${KEY_1}` }).keys()).toEqual([{ id: "e30f17cfe9b3b86e", name: "2026-11", active: true }]);
  });

  it("ENC-13 no output of a keyring or an encryption shows a key", () => {
    const keyring = createKeyring({ keys: [`main:${KEY_1}`, KEY_2] });
    const encryption = createEncryption({ keyring, policy: "strict", namespace: "shop" });
    const failures = ["x", "enc:v1:AAAA", encryptionWith({ keys: generateKey() }).encrypt("x", PLACE)].map((text) => {
      try {
        return encryption.decrypt(text, PLACE);
      } catch (error) {
        return inspect(error, { depth: 20, showHidden: true });
      }
    });
    const outputs = [keyring, encryption].flatMap((thing) => [
      inspect(thing, { depth: 20, showHidden: true }),
      JSON.stringify(thing),
      "".concat(thing as unknown as string),
      Object.values(thing).join(),
    ]);
    for (const text of [...outputs, ...failures]) {
      for (const key of [KEY_1, KEY_2]) {
        const bytes = Buffer.from(key, "hex");
        for (const secret of [key, bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("latin1")]) {
          expect(String(text).toLowerCase()).not.toContain(secret.slice(0, 16).toLowerCase());
        }
      }
    }
    expect(() => structuredClone(keyring)).toThrow();
  });

  it("ENC-14 after dispose() nothing is encrypted or decrypted, and no new encryption is made", () => {
    const keyring = createKeyring({ keys: KEY_1 });
    const encryption = createEncryption({ keyring, policy: "strict", namespace: "shop" });
    const envelope = encryption.encrypt("x", PLACE);
    keyring.dispose();
    keyring.dispose();
    expect(codeOf(() => encryption.encrypt("x", PLACE))).toBe("key_not_found");
    expect(codeOf(() => encryption.decrypt(envelope, PLACE))).toBe("key_not_found");
    expect(codeOf(() => createEncryption({ keyring, policy: "strict", namespace: "shop" }))).toBe("key_not_found");
  });

  it("generateKey: 64 hex digits, never the same", () => {
    const keys = Array.from({ length: 100 }, generateKey);
    expect(new Set(keys).size).toBe(100);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
  });

  it("ENC-14 overwrites the bytes that a key was read into", () => {
    const second = Buffer.from(KEY_2, "hex").toString("base64url");
    const decoded = vi.spyOn(Buffer, "from");
    try {
      createKeyring({ keys: [KEY_1, second] });
      const keys = decoded.mock.results.map(({ value }) => value as Buffer).filter(({ length }) => length === 32); // what Buffer.from gave
      expect(keys.map((key) => key.every((byte) => byte === 0))).toEqual([true, true]);
    } finally {
      decoded.mockRestore();
    }
  });
});

function nextDigit(digit: string): string {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return digits[digits.indexOf(digit) + 1] ?? "";
}
