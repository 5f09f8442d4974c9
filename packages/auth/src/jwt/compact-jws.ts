// Signs and verifies our own tokens: HS256, compact serialisation (RFC 7515 §7.1), nothing else. Synchronous node:crypto on
// purpose: WebCrypto shares libuv's thread pool with password hashing, and a verification would wait behind queued hashes.

import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { JsonRefused, parseStrictJson, type JsonValue } from "@portcullis/core";
import { AuthError } from "../errors.js";
import { isCanonicalBase64Url } from "./base64url.js";
import type { RingSecret, SecretRing } from "./secret-ring.js";

/** Why a token was refused before its claims were looked at. */
export type JwsRefusal = "malformed" | "unknown_key" | "bad_signature";

/** The members of a token's payload. */
export type JwsClaims = { readonly [name: string]: JsonValue };

/** A token that one of our secrets signed, or why it is none. */
export type OpenedJws =
  | { readonly kind: "opened"; readonly claims: JwsClaims; readonly secret: RingSecret }
  | { readonly kind: "refused"; readonly reason: JwsRefusal };

/** Tokens of one kind. */
export interface CompactJws {
  /** @throws {AuthError} `token_too_large`: no token was made. */
  sign(claims: JwsClaims): string;
  /** Never throws, whatever the text. */
  open(token: string): OpenedJws;
}

const ALGORITHM = "HS256";
/** Longer texts are refused unread: a bound on what a stranger can make us hash. */
export const MAX_TOKEN_CHARACTERS = 8192;
/** Of HMAC-SHA-256: 32 bytes. */
export const SIGNATURE_CHARACTERS = 43;
const SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/;

/**
 * @param type The `typ` header (RFC 8725 §3.11): a token of another kind is refused, though the same secret signed it.
 */
export function createCompactJws(ring: SecretRing, type: string): CompactJws {
  // Our own headers are constant: recognising the text saves parsing it.
  const headerOf = (secret: RingSecret): string => encode({ alg: ALGORITHM, typ: type, kid: secret.id });
  const ownHeader = headerOf(ring.current);
  const secretByHeader = new Map(ring.all.map((secret) => [headerOf(secret), [secret] as const]));

  return Object.freeze({
    sign(claims: JwsClaims): string {
      const input = `${ownHeader}.${encode(claims)}`;
      const token = `${input}.${mac(ring.current.key, input).toString("base64url")}`;
      if (token.length > MAX_TOKEN_CHARACTERS) {
        throw new AuthError(
          "token_too_large",
          `A token would be ${token.length} characters long, more than the ${MAX_TOKEN_CHARACTERS} that are accepted. Put fewer or shorter roles into it.`,
        );
      }
      return token;
    },
    open(token: string): OpenedJws {
      if (token.length > MAX_TOKEN_CHARACTERS || !SHAPE.test(token)) return MALFORMED;
      const headerEnd = token.indexOf(".");
      const payloadEnd = token.length - SIGNATURE_CHARACTERS - 1;
      const header = token.slice(0, headerEnd);
      const payload = token.slice(headerEnd + 1, payloadEnd);
      const signature = token.slice(payloadEnd + 1);
      if (!isCanonicalBase64Url(payload) || !isCanonicalBase64Url(signature)) return MALFORMED;
      const candidates = secretByHeader.get(header) ?? secretsForForeignHeader(header, type, ring);
      if (typeof candidates === "string") return candidates === "malformed" ? MALFORMED : UNKNOWN_KEY;
      const input = token.slice(0, payloadEnd);
      const expected = Buffer.from(signature, "base64url");
      const secret = candidates.find(({ key }) => timingSafeEqual(mac(key, input), expected)); // both 32 bytes by SHAPE
      if (secret === undefined) return BAD_SIGNATURE;
      const claims = parseObject(payload);
      return claims === undefined ? MALFORMED : { kind: "opened", claims, secret };
    },
  });
}

const MALFORMED: OpenedJws = Object.freeze({ kind: "refused", reason: "malformed" });
const UNKNOWN_KEY: OpenedJws = Object.freeze({ kind: "refused", reason: "unknown_key" });
const BAD_SIGNATURE: OpenedJws = Object.freeze({ kind: "refused", reason: "bad_signature" });

// A header we did not write, e.g. of another service with the same secret. Members beyond these three are refused rather
// than ignored: `crit` and `b64` change what is signed (RFC 7797), `jku`, `jwk`, `x5u` and `x5c` name the sender's own key.
function secretsForForeignHeader(header: string, type: string, ring: SecretRing): readonly RingSecret[] | "malformed" | "unknown_key" {
  if (!isCanonicalBase64Url(header)) return "malformed";
  const members = parseObject(header);
  if (members === undefined) return "malformed";
  const { alg, typ, kid, ...others } = members;
  if (alg !== ALGORITHM || typ !== type || Object.keys(others).length > 0) return "malformed";
  if (kid === undefined) return ring.all;
  const secret = typeof kid === "string" ? ring.byId(kid) : undefined;
  return secret === undefined ? "unknown_key" : [secret];
}

function parseObject(segment: string): JwsClaims | undefined {
  try {
    const value = parseStrictJson(Buffer.from(segment, "base64url"));
    // Neither null, nor an array, nor a primitive: an object of members.
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JwsClaims) : undefined;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}

function encode(members: JwsClaims): string {
  return Buffer.from(JSON.stringify(members), "utf8").toString("base64url");
}

function mac(key: KeyObject, input: string): Buffer {
  return createHmac("sha256", key).update(input).digest();
}
