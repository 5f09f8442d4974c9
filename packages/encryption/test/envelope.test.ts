import { ConfigurationError } from "@portcullis/core";
import { createEncryption, createKeyring, type EncryptionEvent } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { bytesOf, codeOf, encryptionWith, envelopeOf, KEY_1, KEY_2, PLACE } from "./fixture.js";

const CODES_OF_A_CHANGED_ENVELOPE = ["auth_failed", "malformed", "unsupported_version", "key_not_found"];

describe("a changed envelope", () => {
  const encryption = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
  const secret = "the quick brown fox jumps over the lazy dog";
  const envelope = encryption.encrypt(secret, PLACE);
  const bytes = bytesOf(envelope);

  it("ENC-5 every single bit flipped is refused, and no part of the plaintext is in the error", () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const outcome = errorOf(() => encryption.decrypt(envelopeOf(changed), PLACE));
      expect(CODES_OF_A_CHANGED_ENVELOPE, `bit ${bit}`).toContain(outcome.code);
      expect(outcome.text).not.toMatch(/quick|brown|lazy/);
      // From the salt on there is nothing left to tell apart (ENC-27).
      if (bit >= 10 * 8) expect(outcome.code, `bit ${bit}`).toBe("auth_failed");
    }
  });

  it("every single character of its text changed is refused", () => {
    for (let index = 0; index < envelope.length; index += 1) {
      for (const character of ["A", "_", "=", " ", "\u0141", "+"]) {
        if (envelope[index] === character) continue;
        const changed = envelope.slice(0, index) + character + envelope.slice(index + 1);
        expect(CODES_OF_A_CHANGED_ENVELOPE).toContain(codeOf(() => encryption.decrypt(changed, PLACE)));
      }
    }
  });

  it("ENC-1 a tag cut to 15, 12, 8, 4 or 0 bytes, or with its boundary moved, is refused", () => {
    for (const length of [15, 12, 8, 4, 0]) {
      const short = bytes.subarray(0, bytes.length - 16 + length);
      expect(codeOf(() => encryption.decrypt(envelopeOf(short), PLACE))).toBe("auth_failed");
    }
    const longer = Buffer.concat([bytes, Buffer.alloc(1)]);
    expect(codeOf(() => encryption.decrypt(envelopeOf(longer), PLACE))).toBe("auth_failed");
  });

  it("cut short anywhere it is refused", () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(["auth_failed", "malformed"]).toContain(codeOf(() => encryption.decrypt(envelopeOf(bytes.subarray(0, length)), PLACE)));
    }
  });

  it("two halves of two envelopes do not make one", () => {
    const other = bytesOf(encryption.encrypt("x".repeat(secret.length), PLACE));
    for (const cut of [2, 10, 26, 38, 70, bytes.length - 16]) {
      const spliced = Buffer.concat([bytes.subarray(0, cut), other.subarray(cut)]);
      const expected = cut === 2 || cut === 10 ? "returned string" : "auth_failed"; // the same version, suite and key id
      expect(
        codeOf(() => encryption.decrypt(envelopeOf(spliced), PLACE)),
        `cut at ${cut}`,
      ).toBe(expected);
    }
  });

  it("ENC-27 wrong key bytes, wrong place, changed bit and changed tag are one error", () => {
    const wrongCommitment = Buffer.from(bytes).fill(7, 38, 70);
    const wrongTag = Buffer.from(bytes).fill(7, bytes.length - 16);
    const errors = [
      () => encryption.decrypt(envelopeOf(wrongCommitment), PLACE),
      () => encryption.decrypt(envelopeOf(wrongTag), PLACE),
      () => encryption.decrypt(envelope, { ...PLACE, recordId: "u2" }),
    ].map(errorOf);
    expect(new Set(errors.map(({ text }) => text)).size).toBe(1);
    expect(errors.map(({ code }) => code)).toEqual(["auth_failed", "auth_failed", "auth_failed"]);
  });
});

describe("an envelope", () => {
  it("ENC-2 ENC-3 ENC-4 never repeats its salt and nonce", () => {
    const encryption = encryptionWith();
    const seen = new Set<string>();
    for (let count = 0; count < 20_000; count += 1) seen.add(bytesOf(encryption.encrypt("", PLACE)).toString("latin1", 10, 38));
    expect(seen.size).toBe(20_000);
    const row = bytesPerField(encryption.encryptFields({ a: 1, b: 2, c: 3 }, ["a", "b", "c"], PLACE));
    expect(new Set(row.map((bytes) => bytes.toString("hex", 10, 26))).size).toBe(1); // one derivation for the record
    expect(new Set(row.map((bytes) => bytes.toString("hex", 26, 38))).size).toBe(3);
  });

  it("ENC-2 a random source that gives too few bytes is refused", () => {
    const encryption = encryptionWith({ randomBytes: () => Buffer.alloc(1) });
    expect(() => encryption.encrypt("x", PLACE)).toThrow(ConfigurationError);
  });

  it("ENC-3 the limit of messages per key refuses, or reports once and goes on", () => {
    const events: EncryptionEvent[] = [];
    const onEvent = (event: EncryptionEvent): void => void events.push(event);
    const refusing = encryptionWith({ limits: { maxMessagesPerKey: 2 }, onEvent });
    refusing.encryptFields({ a: 1, b: 2 }, ["a", "b"], PLACE);
    expect(codeOf(() => refusing.encrypt("x", PLACE))).toBe("limit");
    expect(events).toEqual([{ kind: "message_limit_reached", keyId: refusing.activeKeyId(), messages: 2 }]);
    const reporting = encryptionWith({ limits: { maxMessagesPerKey: 2, atMessageLimit: "report" }, onEvent });
    for (let count = 0; count < 5; count += 1) reporting.encrypt("x", PLACE);
    expect(events).toHaveLength(2);
  });

  it("ENC-6 a value over the limit is refused, before it is decoded on the way back", () => {
    const small = encryptionWith({ limits: { maxPlaintextBytes: 100 } });
    expect(small.decrypt(small.encrypt("x".repeat(99), PLACE), PLACE)).toHaveLength(99);
    expect(codeOf(() => small.encrypt("x".repeat(100), PLACE))).toBe("limit");
    expect(codeOf(() => small.decrypt(encryptionWith().encrypt("x".repeat(200), PLACE), PLACE))).toBe("limit");
  });

  it("ENC-9 an unknown key id is named, and no other key is tried", () => {
    const foreign = encryptionWith({ keys: KEY_2 });
    const outcome = errorOf(() => encryptionWith().decrypt(foreign.encrypt("x", PLACE), PLACE));
    expect(outcome.code).toBe("key_not_found");
    expect(outcome.text).toContain(foreign.activeKeyId());
  });

  it("ENC-9 a key id exchanged for another of the ring is refused", () => {
    const both = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
    const bytes = bytesOf(both.encrypt("x", PLACE));
    Buffer.from(createKeyring({ keys: KEY_2 }).activeKeyId(), "hex").copy(bytes, 2);
    expect(codeOf(() => both.decrypt(envelopeOf(bytes), PLACE))).toBe("auth_failed");
  });

  it("a newer version or suite is unsupported, not malformed", () => {
    const encryption = encryptionWith();
    const bytes = bytesOf(encryption.encrypt("x", PLACE));
    const [version, suite] = [Buffer.from(bytes), Buffer.from(bytes)];
    version[0] = 2;
    suite[1] = 9;
    for (const text of [envelopeOf(version), envelopeOf(suite), "enc:v2:AAAA"])
      expect(codeOf(() => encryption.decrypt(text, PLACE))).toBe("unsupported_version");
    for (const text of ["", "enc:v1:", "enc:v1:!", "enc:v1:AQ", "plain", "enc:vx:AAAA"])
      expect(
        codeOf(() => encryption.decrypt(text, PLACE)),
        text,
      ).toBe("malformed");
    expect(codeOf(() => encryption.decrypt(7 as unknown as string, PLACE))).toBe("malformed"); // what a program without types can pass
  });
});

describe("createEncryption", () => {
  const keyring = createKeyring({ keys: KEY_1 });
  const base = { keyring, policy: "strict", namespace: "shop" } as const;

  it.each([
    ["policy", {}],
    ["policy", { policy: "on" }],
    ["namespace", { namespace: "" }],
    ["namespace", { namespace: "\ud800" }],
    ["keyring", { keyring: undefined }],
    ["recordBinding", { recordBinding: "no" }],
    ["listBinding", { listBinding: true }],
    ["paddingBytes", { paddingBytes: -1 }],
    ["limits.maxPlaintextBytes", { limits: { maxPlaintextBytes: 0 } }],
    ["limits.maxMessagesPerKey", { limits: { maxMessagesPerKey: 1.5 } }],
    ["limits.atMessageLimit", { limits: { atMessageLimit: "warn" } }],
    ["requireBinding", { requireBinding: true }],
  ])("refuses a wrong %s %j", (name, wrong) => {
    const options = name === "policy" && !("policy" in wrong) ? { keyring, namespace: "shop" } : { ...base, ...wrong };
    const create = () => createEncryption(options as Parameters<typeof createEncryption>[0]); // wrong on purpose
    expect(create).toThrow(ConfigurationError);
    expect(create).toThrow(name);
  });

  it("an observer whose promise rejects ends no process", async () => {
    const told: string[] = [];
    const onEvent = ({ kind }: { readonly kind: string }): unknown => {
      told.push(kind);
      return Promise.reject(new Error("the log is down"));
    };
    const encryption = createEncryption({ ...base, policy: "migrate", onEvent });
    encryption.decryptFields({ ssn: "plain" }, ["ssn"], PLACE);
    await new Promise(setImmediate); // a rejection that nobody takes fails the run
    expect(told).toEqual(["plaintext_read"]);
  });

  it("counts operations, latency, errors, messages and plaintext reads; an observer that throws changes nothing", () => {
    const seen: string[] = [];
    const record =
      (name: string) =>
      (labels: object = {}) =>
        void seen.push(`${name} ${JSON.stringify(labels)}`);
    const metrics = {
      counter: ({ name }: { name: string }) => ({ add: record(name) }),
      gauge: ({ name }: { name: string }) => ({ set: (_value: number, labels?: object) => record(name)(labels) }),
      histogram: ({ name }: { name: string }) => ({ observe: (_value: number, labels?: object) => record(name)(labels) }),
    };
    const encryption = createEncryption({ ...base, policy: "migrate", metrics, onEvent: () => void JSON.parse("{") });
    const envelope = encryption.encrypt("x", PLACE);
    encryption.decryptFields({ ssn: "plain" }, ["ssn"], PLACE);
    codeOf(() => encryption.decrypt(envelope, { ...PLACE, tenant: "other" }));
    expect(seen).toEqual([
      `encryption_messages_total {"kid":"${encryption.activeKeyId()}"}`,
      'encryption_operations_total {"operation":"encrypt","store":""}',
      'encryption_operation_latency_seconds {"operation":"encrypt"}',
      "encryption_plaintext_reads_total {}",
      'encryption_operations_total {"operation":"decrypt_fields","store":""}',
      'encryption_operation_latency_seconds {"operation":"decrypt_fields"}',
      'encryption_errors_total {"operation":"decrypt","error_type":"auth_failed"}',
    ]);
  });
});

function errorOf(run: () => unknown): { readonly code: string; readonly text: string } {
  try {
    return { code: "returned", text: String(run()) };
  } catch (error) {
    return {
      code: (error as { readonly code: string }).code,
      text: `${String(error)} ${JSON.stringify(error)} ${String((error as Error).cause)}`,
    };
  }
}

function bytesPerField(row: { readonly a: unknown; readonly b: unknown; readonly c: unknown }): readonly Buffer[] {
  return [row.a, row.b, row.c].map((text) => bytesOf(String(text)));
}
