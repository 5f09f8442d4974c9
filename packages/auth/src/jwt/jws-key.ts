// A key and the one algorithm it is for. The token names a key, never an algorithm of its own choice (RFC 8725 §3.1).

import { sign, timingSafeEqual, verify, type KeyObject } from "node:crypto";
import { isCanonicalBase64Url } from "./base64url.js";
import { createTextMac } from "./hmac-sha256.js";
import { MAX_TOKEN_CHARACTERS } from "./jws-segment.js";
import type { RingSecret } from "./secret-ring.js";

/** Algorithms of key pairs: RSA PKCS#1 v1.5 and ECDSA on P-256, both with SHA-256, and Ed25519 (RFC 7518 §3.1, RFC 8037 §3.1). */
export type SigningAlgorithm = "RS256" | "ES256" | "EdDSA";

/** Verifies texts. */
export interface JwsKey {
  /** `kid` of the tokens. */
  readonly id: string;
  readonly algorithm: "HS256" | SigningAlgorithm;
  /** The secret it is; `undefined` for a key pair. */
  readonly secret: RingSecret | undefined;
  /** Never throws. */
  verifies(input: string, signature: string): boolean;
}

/** Signs texts, too. */
export interface JwsSigner extends JwsKey {
  sign(input: string): string;
}

/** Of HMAC-SHA-256: 32 bytes. */
export const SIGNATURE_CHARACTERS = 43;

export function hmacKey(secret: RingSecret): JwsSigner {
  const mac = createTextMac(secret.key, MAX_TOKEN_CHARACTERS);
  const expected = Buffer.alloc(SIGNATURE_CHARACTERS);
  const given = Buffer.alloc(SIGNATURE_CHARACTERS);
  return Object.freeze({
    id: secret.id,
    algorithm: "HS256" as const,
    secret,
    verifies(input: string, signature: string): boolean {
      if (signature.length !== SIGNATURE_CHARACTERS) return false;
      const text = mac.of(input);
      if (text === undefined) return false;
      expected.write(text, 0, "latin1");
      // As text, so that no other spelling of the same bytes is taken; UTF-8, so that no other character is taken for its low byte.
      // A character that finds no room is not written: the bytes of the signature before would stay in its place.
      return given.write(signature, 0, "utf8") === SIGNATURE_CHARACTERS && timingSafeEqual(expected, given);
    },
    sign(input: string): string {
      const text = mac.of(input);
      // Longer than what is accepted: whoever signs refuses it for that.
      return text ?? "";
    },
  });
}

// EdDSA hashes by itself. ES256 is r and s side by side, not the DER that OpenSSL makes of them (RFC 7518 §3.4).
const DIGEST: Readonly<Record<SigningAlgorithm, string | null>> = Object.freeze({ RS256: "sha256", ES256: "sha256", EdDSA: null });

/**
 * Verifies for the half that everybody has. For an ES256 signature (r, s) there is (r, n - s), which is as good and which anybody can
 * make: two texts are one token then, which is why nothing is revoked or counted by its text.
 */
export function publicJwsKey(id: string, algorithm: SigningAlgorithm, publicKey: KeyObject): JwsKey {
  const digest = DIGEST[algorithm];
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" as const };
  return Object.freeze({
    id,
    algorithm,
    secret: undefined,
    verifies(input: string, signature: string): boolean {
      // ASCII for the same reason: what is signed is the text, and bytes are all that is compared.
      if (!isCanonicalBase64Url(signature) || Buffer.byteLength(input) !== input.length) return false;
      return verify(digest, Buffer.from(input, "latin1"), key, Buffer.from(signature, "base64url"));
    },
  });
}

export function privateJwsKey(id: string, algorithm: SigningAlgorithm, privateKey: KeyObject, publicKey: KeyObject): JwsSigner {
  const digest = DIGEST[algorithm];
  const key = { key: privateKey, dsaEncoding: "ieee-p1363" as const };
  return Object.freeze({
    ...publicJwsKey(id, algorithm, publicKey),
    sign: (input: string) => sign(digest, Buffer.from(input, "latin1"), key).toString("base64url"),
  });
}
