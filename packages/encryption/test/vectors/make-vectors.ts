// Writes envelope-v1.json: `npx tsx --conditions=@portcullis/source packages/encryption/test/vectors/make-vectors.ts`.
// A released vector never changes; a new format gets a new file.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createEncryption, createKeyring, type ValueBinding } from "@portcullis/encryption";
import { toVectorJson } from "./vector-value.js";

const key = (name: string): string => createHash("sha256").update(`portcullis test key ${name}`).digest("hex");

const cases: readonly { readonly why: string; readonly value: unknown; readonly binding: ValueBinding; readonly paddingBytes?: number }[] = [
  { why: "text", value: "078-05-1120", binding: { tenant: "acme", table: "users", recordId: "u1", field: "/ssn" } },
  { why: "empty text, no tenant", value: "", binding: { table: "users", recordId: "u1", field: "/note" } },
  { why: "integer record id, context", value: true, binding: { tenant: "acme", table: "users", recordId: 42, field: "/vip", context: { revision: 7, by: ["a", null], "": false } } },
  { why: "64-bit record id", value: 9007199254740993n, binding: { table: "accounts", recordId: 9223372036854775807n, field: "/balance" } },
  { why: "minus zero", value: -0, binding: { table: "t", recordId: "r" } },
  { why: "not a number", value: Number.NaN, binding: { table: "t", recordId: "r" } },
  { why: "instant", value: new Date(Date.UTC(2026, 10, 22, 10, 0, 0)), binding: { table: "t", recordId: "r" } },
  { why: "bytes", value: new Uint8Array([0, 1, 254, 255]), binding: { table: "t", recordId: "r" } },
  { why: "nested", value: { name: "Ada 👩‍💻", tags: ["x", undefined, null], deep: { n: 1.5 } }, binding: { table: "t", recordId: "r", field: "/a~1b/0" } },
  { why: "lone surrogate", value: "\ud800!", binding: { table: "t", recordId: "r" } },
  { why: "padded to 32", value: "yes", binding: { table: "t", recordId: "r" }, paddingBytes: 32 },
];

const namespace = "vectors";
const keys = { active: key("active"), old: key("old") };
const vectors = cases.map(({ why, value, binding, paddingBytes = 0 }, index) => {
  const drawn: string[] = [];
  const encryption = createEncryption({
    keyring: createKeyring({ keys: [index === 1 ? keys.old : keys.active] }),
    policy: "strict",
    namespace,
    paddingBytes,
    randomBytes: (size) => {
      const bytes = createHash("sha256").update(`${index} ${drawn.length}`).digest().subarray(0, size);
      drawn.push(bytes.toString("hex"));
      return bytes;
    },
  });
  const envelope = encryption.encrypt(value, binding);
  return { why, key: index === 1 ? "old" : "active", binding: toVectorJson(binding), paddingBytes, drawn, value: toVectorJson(value), envelope };
});

const file = {
  description: "Envelopes of docs/design/encryption-format.md, version 1. Values JSON cannot hold are {\"$\": type, \"v\": text}.",
  licence: "MIT, made by the project",
  namespace,
  purpose: "value",
  keys,
  keyIds: Object.fromEntries(Object.entries(keys).map(([name, text]) => [name, createKeyring({ keys: text }).activeKeyId()])),
  vectors,
};
writeFileSync(new URL("envelope-v1.json", import.meta.url), `${JSON.stringify(file, undefined, 2)}\n`);
