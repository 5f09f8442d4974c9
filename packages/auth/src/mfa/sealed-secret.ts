// What must be read again is stored sealed: whoever has the store alone has no second factor of anybody.

import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { AuthError } from "../errors.js";
import type { RingSecret, SecretRing } from "../jwt/secret-ring.js";

/** A sealed value as it is stored. */
export interface SealedSecret {
  /** Which entry of the ring sealed it. */
  readonly keyId: string;
  /** Nonce, ciphertext and tag, base64url. */
  readonly box: string;
}

/** Seals for one purpose. */
export interface Sealer {
  /** @param ownerId Whose it is: opened for another owner, or another purpose, it is refused. */
  seal(ownerId: string, secret: Uint8Array): SealedSecret;
  /** @throws {AuthError} `sealed_secret_unreadable` */
  open(ownerId: string, sealed: SealedSecret): Buffer;
  /** Whether an older entry of the ring sealed it. */
  isStale(sealed: SealedSecret): boolean;
}

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12; // random ones are safe for 2^32 values under one key (SP 800-38D §8.3)
const TAG_BYTES = 16;

/** A key of its own for each purpose (RFC 5869): what one use shows says nothing about another. */
export function deriveKey(secret: RingSecret, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret.key, "portcullis", purpose, KEY_BYTES));
}

/** @param purpose Part of what is authenticated: a value moved to another use does not open. */
export function createSealer(ring: SecretRing, purpose: string, random: (bytes: number) => Uint8Array): Sealer {
  const keyById = new Map(ring.all.map((secret) => [secret.id, deriveKey(secret, `seal ${purpose}`)]));
  const context = (ownerId: string): Buffer => Buffer.from(JSON.stringify([purpose, ownerId]));

  return Object.freeze({
    seal(ownerId: string, secret: Uint8Array): SealedSecret {
      const keyId = ring.current.id;
      const nonce = random(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, keyById.get(keyId) ?? unreadable(), nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(context(ownerId));
      const box = Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString("base64url");
      return { keyId, box };
    },
    open(ownerId: string, { keyId, box }: SealedSecret): Buffer {
      const bytes = Buffer.from(box, "base64url");
      const key = keyById.get(keyId);
      if (key === undefined || bytes.length < NONCE_BYTES + TAG_BYTES) return unreadable();
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(context(ownerId));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      } catch (error) {
        return unreadable(error);
      }
    },
    isStale: ({ keyId }: SealedSecret) => keyId !== ring.current.id,
  });
}

function unreadable(cause?: unknown): never {
  throw new AuthError(
    "sealed_secret_unreadable",
    "A stored secret does not open: its key was taken out of mfa.keys, or the row was altered. Put the key back, or reset the user's second factor.",
    { cause },
  );
}
