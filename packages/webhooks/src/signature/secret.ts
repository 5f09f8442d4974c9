import { randomBytes } from "node:crypto";
import { WebhookError } from "../errors.js";

const PREFIX = "whsec_";
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const NEW_SECRET_BYTES = 32;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * A new signing secret: `whsec_` and 32 random bytes in base64.
 *
 * @param random Cryptographically secure bytes.
 * @see Standard Webhooks §"Signature scheme"
 */
export function createWebhookSecret(random: (size: number) => Uint8Array = randomBytes): string {
  return PREFIX + Buffer.from(random(NEW_SECRET_BYTES)).toString("base64");
}

/**
 * The key bytes of a secret.
 *
 * @throws {WebhookError} `invalid_secret`: not `whsec_` and base64 of 24 to 64 bytes. The message never holds the secret.
 */
export function secretKey(secret: string): Uint8Array {
  const encoded = typeof secret === "string" && secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : undefined;
  // Decoders skip what is not base64: a mistyped or truncated secret would become a shorter key without a word.
  const key = encoded !== undefined && BASE64.test(encoded) ? Buffer.from(encoded, "base64") : undefined;
  if (key === undefined || key.length < MIN_BYTES || key.length > MAX_BYTES) throw new WebhookError("invalid_secret", hintFor(secret));
  return key;
}

function hintFor(secret: unknown): string {
  const expected = `A webhook secret is "${PREFIX}" and base64 of ${MIN_BYTES} to ${MAX_BYTES} bytes`;
  const text = typeof secret === "string" ? secret : "";
  if (text.startsWith("v1,")) return `${expected}; remove the leading "v1,".`;
  if (text.startsWith("whpk_") || text.startsWith("whsk_")) return `${expected}; this is a key of another signature scheme.`;
  return `${expected}; make one with createWebhookSecret().`;
}
