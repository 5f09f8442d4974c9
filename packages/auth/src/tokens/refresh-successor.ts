// The refresh token that follows another is derived from it, not drawn: whichever process is asked for it again gives the same one,
// and nothing that could be redeemed has to be stored for that.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { RingSecret } from "../jwt/secret-ring.js";

/** The id of the refresh token that follows `refreshId`, as this secret makes it. */
export function successorId(secret: RingSecret, refreshId: string): string {
  // The zero byte keeps this apart from everything else the secret signs: a token's signing input has none.
  return createHmac("sha256", secret.key).update(`refresh successor\0${refreshId}`).digest("base64url");
}

/** All that the store learns of a refresh token. */
export function refreshHash(refreshId: string): string {
  return createHash("sha256").update(refreshId).digest("base64url");
}

/** Whether a stored hash is the one of this refresh token. */
export function isHashOf(stored: string | undefined, refreshId: string): boolean {
  const expected = Buffer.from(stored ?? "");
  const given = Buffer.from(refreshHash(refreshId));
  // timingSafeEqual throws on unequal lengths; the length of a hash is public.
  return given.length === expected.length && timingSafeEqual(given, expected);
}
