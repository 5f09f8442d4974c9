import { readFileSync } from "node:fs";
import { createEncryption, createKeyring, type ValueBinding } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { keyId, open } from "./reference-envelope.js";
import { fromVectorJson } from "./vectors/vector-value.js";

interface Vector {
  readonly why: string;
  readonly key: "active" | "old";
  readonly binding: unknown;
  readonly paddingBytes: number;
  readonly drawn: readonly string[];
  readonly value: unknown;
  readonly envelope: string;
}

const file = JSON.parse(readFileSync(new URL("vectors/envelope-v1.json", import.meta.url), "utf8")) as {
  readonly namespace: string;
  readonly keys: Readonly<Record<"active" | "old", string>>;
  readonly keyIds: Readonly<Record<"active" | "old", string>>;
  readonly vectors: readonly Vector[];
};

describe("the vectors of the format specification", () => {
  it.each(["active", "old"] as const)("key id of the key %s", (name) => {
    expect(keyId(Buffer.from(file.keys[name], "hex")).toString("hex")).toBe(file.keyIds[name]);
    expect(createKeyring({ keys: file.keys[name] }).activeKeyId()).toBe(file.keyIds[name]);
  });

  it.each(file.vectors)("$why: an implementation made from the page alone opens it", ({ key, binding, value, envelope }) => {
    const place = fromVectorJson(binding) as ValueBinding; // as make-vectors.ts wrote it
    const opened = open(envelope, Buffer.from(file.keys[key], "hex"), {
      namespace: file.namespace,
      purpose: "value",
      table: place.table,
      field: place.field ?? "",
      ...(place.tenant === undefined ? {} : { tenant: place.tenant }),
      ...(place.recordId === undefined ? {} : { recordId: place.recordId }),
      ...(place.context === undefined ? {} : { context: place.context }),
    });
    expect(opened).toStrictEqual(fromVectorJson(value));
  });

  it.each(file.vectors)("$why: the package writes and reads it still", ({ key, binding, paddingBytes, drawn, value, envelope }) => {
    const place = fromVectorJson(binding) as ValueBinding; // as above
    const left = [...drawn];
    const encryption = createEncryption({
      keyring: createKeyring({ keys: file.keys[key] }),
      policy: "strict",
      namespace: file.namespace,
      paddingBytes,
      randomBytes: () => Buffer.from(left.shift() ?? "", "hex"),
    });
    expect(encryption.encrypt(fromVectorJson(value), place)).toBe(envelope);
    expect(encryption.decrypt(envelope, place)).toStrictEqual(fromVectorJson(value));
  });
});
