import { invalidOption } from "@portcullis/core";

/** What counts as secret by its name, beside what always does. */
export interface RedactOptions {
  /** Further names; compared without case and punctuation, as a whole (`taxNumber` is `tax_number`). */
  readonly keys?: readonly string[];
  /** Names to keep although they look secret; compared in the same way. */
  readonly allow?: readonly string[];
}

/** Whether the value under this name is a secret. */
export type IsSecretName = (name: string) => boolean;

// Anywhere in a name: clientSecret, x-api-key, SET_COOKIE, refreshToken.
const PARTS = [
  "password",
  "passwd",
  "passphrase",
  "secret",
  "token",
  "apikey",
  "accesskey",
  "privatekey",
  "signingkey",
  "encryptionkey",
  "authorization",
  "cookie",
  "credential",
  "sessionid",
  "csrf",
];
// Too short to look for inside other words.
const WHOLE = [
  "pwd",
  "pass",
  "pin",
  "otp",
  "totp",
  "mfacode",
  "cvv",
  "cvc",
  "ssn",
  "pan",
  "jwt",
  "sid",
  "auth",
  "cardnumber",
  "recoverycodes",
];
// They name a secret without being one, and an audit trail needs them.
const HARMLESS = [
  "apikeyid",
  "tokenid",
  "tokenversion",
  "tokentype",
  "passwordversion",
  "passwordchangedat",
  "mustchangepassword",
  "secretversion",
  "tokens",
  "tokencount",
  "tokensused",
  "inputtokens",
  "outputtokens",
  "prompttokens",
  "completiontokens",
  "totaltokens",
  "maxtokens",
];

/** Builds the test. @throws {ConfigurationError} `invalid_option`. */
export function secretNames(options: RedactOptions = {}): IsSecretName {
  const whole = new Set([...WHOLE, ...namesOf("redact.keys", options.keys)]);
  const allowed = new Set([...HARMLESS, ...namesOf("redact.allow", options.allow)]);
  const known = new Map<string, boolean>();
  return (name) => {
    const remembered = known.get(name);
    if (remembered !== undefined) return remembered;
    const plain = plainName(name);
    const isSecret = !allowed.has(plain) && (whole.has(plain) || PARTS.some((part) => plain.includes(part)));
    // Names repeat; strangers can send new ones without end.
    if (known.size < 4096) known.set(name, isSecret);
    return isSecret;
  };
}

function namesOf(option: string, names: readonly string[] = []): readonly string[] {
  if (!Array.isArray(names) || names.some((name) => typeof name !== "string" || plainName(name) === "")) {
    throw invalidOption(option, names, "a list of names with a letter or digit in each");
  }
  return names.map(plainName);
}

function plainName(name: string): string {
  return name
    .slice(0, 256)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, "");
}
