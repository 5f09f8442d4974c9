// The secrets that sign and verify. A key is made once, for one algorithm (HMAC-SHA-256): no input chooses either.

import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { invalidOption } from "@portcullis/core";
import { isKeyMaterial } from "./key-material.js";

/** One secret, ready for use. */
export interface RingSecret {
  /** Names the secret in tokens and rows; says nothing about it. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Secrets in order: the first makes, all verify. */
export interface SecretRing {
  readonly current: RingSecret;
  readonly all: readonly RingSecret[];
  byId(id: string): RingSecret | undefined;
}

const MIN_CHARACTERS = 32;
// 32 characters are not 256 bits: "aaaa…" passes a length check.
const MIN_DISTINCT = 8;
const MAX_SECRETS = 8;
const HMAC_BLOCK_BYTES = 64;
// What could not be read in the encoding it was written in. HMAC would take different texts with it for one key.
const UNREADABLE = /[\uFFFD\p{Surrogate}]/u;

/**
 * Parses secrets.
 *
 * @param option  Name for messages.
 * @param secrets A list, or one string with commas between.
 * @throws {ConfigurationError} `invalid_option`: empty, a weak or repeated entry, or key material that is not a secret. The
 *   message never shows an entry.
 */
export function createSecretRing(option: string, secrets: string | readonly string[]): SecretRing {
  if (typeof secrets === "string" && isKeyMaterial(secrets)) throw notASecret(option, secrets);
  const entries: readonly unknown[] = typeof secrets === "string" ? secrets.split(",") : Array.isArray(secrets) ? [...secrets] : [];
  if (entries.length === 0 || entries.length > MAX_SECRETS) {
    throw invalidOption(option, secrets, `1 to ${MAX_SECRETS} secrets, the one in use first; make one with: openssl rand -base64 48`);
  }
  const seen = new Set<string>();
  const all = entries.map((entry, index) => {
    const path = `${option}[${index}]`;
    const secret = checkSecret(path, entry);
    const identity = hmacIdentity(secret);
    if (seen.has(identity)) throw invalidOption(path, secret, "different from the entries before it");
    seen.add(identity);
    const key = createSecretKey(secret, "utf8");
    return Object.freeze({ id: createHmac("sha256", key).update("portcullis key id\0").digest("base64url").slice(0, 11), key });
  });
  const byId = new Map(all.map((secret) => [secret.id, secret]));
  const current = all[0] as RingSecret; // at least one entry
  return Object.freeze({ current, all: Object.freeze(all), byId: (id: string) => byId.get(id) });
}

/** A secret of at least 32 characters, 8 of them different, that is nothing else. @throws {ConfigurationError} `invalid_option` */
export function checkSecret(path: string, secret: unknown): string {
  if (typeof secret !== "string" || secret.length < MIN_CHARACTERS || new Set(secret).size < MIN_DISTINCT) {
    throw invalidOption(
      path,
      secret,
      `at least ${MIN_CHARACTERS} characters, ${MIN_DISTINCT} of them different; make one with: openssl rand -base64 48`,
    );
  }
  if (isKeyMaterial(secret)) throw notASecret(path, secret);
  if (UNREADABLE.test(secret)) throw invalidOption(path, secret, "well-formed text");
  // Trimming silently would make a secret that differs from the one another service reads from the same file.
  if (secret.trim() !== secret) throw invalidOption(path, secret, "without white space around it");
  return secret;
}

function notASecret(path: string, secret: string): Error {
  return invalidOption(path, secret, "a random secret, not a PEM, JWK, certificate or SSH key");
}

// HMAC pads a short key with zero bytes and hashes a long one (RFC 2104 §2): `s` and `s\0` are one key.
function hmacIdentity(secret: string): string {
  const bytes = Buffer.from(secret, "utf8");
  const key = bytes.length > HMAC_BLOCK_BYTES ? createHash("sha256").update(bytes).digest() : bytes;
  return key.toString("hex").replace(/(?:00)+$/, "");
}
