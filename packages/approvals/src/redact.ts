import type { JsonValue } from "@portcullis/core";

/** Replaces secrets in what an approver is shown and the store keeps; the digest is taken before it, over the real values. */
export type Redact = (value: JsonValue) => JsonValue;

const REDACTED = "[redacted]";
// Names are compared in lower case without separators, by their end, also in the plural: newPassword, refresh_tokens, X-Api-Key.
const SECRET_NAMES = [
  "password",
  "passwd",
  "passphrase",
  "secret",
  "token",
  "apikey",
  "privatekey",
  "secretkey",
  "accesskey",
  "signingkey",
  "encryptionkey",
  "jwt",
  "otp",
  "pwd",
  "authorization",
  "cookie",
  "credential",
  "cvv",
  "cvc",
  "ssn",
];

/** Makes the redaction of these member names, beside those that are always redacted. */
export function createRedact(names: readonly string[]): Redact {
  const secretNames = [...SECRET_NAMES, ...names.map(plain)];
  const isSecret = (name: string): boolean =>
    secretNames.some((secret) => plain(name).endsWith(secret) || plain(name).endsWith(`${secret}s`));
  const redact = (value: JsonValue): JsonValue => {
    if (typeof value !== "object" || value === null) return value;
    if (isList(value)) return value.map(redact);
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, isSecret(name) ? REDACTED : redact(member)]));
  };
  return redact;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

// Array.isArray does not narrow readonly arrays.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
