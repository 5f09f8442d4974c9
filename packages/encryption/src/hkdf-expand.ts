import { createHmac, type KeyObject } from "node:crypto";

const FIRST_BLOCK = Buffer.of(0x01);

/**
 * The first block of HKDF-Expand with SHA-512 (RFC 5869 §2.3): 64 bytes. The key is uniformly random, so that Extract has
 * nothing to add; one HMAC costs less than a third of `hkdfSync`.
 */
export function expand(key: KeyObject, ...info: readonly Uint8Array[]): Buffer {
  const hmac = createHmac("sha512", key);
  for (const part of info) hmac.update(part);
  return hmac.update(FIRST_BLOCK).digest();
}
