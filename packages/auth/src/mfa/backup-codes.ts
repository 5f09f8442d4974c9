import { createHmac, timingSafeEqual } from "node:crypto";
import type { SecretRing } from "../jwt/secret-ring.js";
import { toBase32 } from "./base32.js";
import { deriveKey } from "./sealed-secret.js";

/** Backup codes as they are stored: nothing of them opens anything. */
export interface StoredBackupCodes {
  /** Which entry of the ring they were hashed with. */
  readonly keyId: string;
  /** Of the codes that are left. */
  readonly hashes: readonly string[];
}

/** Codes for whoever lost the authenticator; each is good once. */
export interface BackupCodes {
  /** Ten codes of 50 random bits, and what is stored of them. */
  create(userId: string): { readonly codes: readonly string[]; readonly stored: StoredBackupCodes };
  /** What is left after a code was used; `undefined` when it is none of them. */
  use(userId: string, code: string, stored: StoredBackupCodes): StoredBackupCodes | undefined;
}

export const BACKUP_CODE_COUNT = 10;
/** 10 characters of 5 bits, however they are grouped. */
export const BACKUP_CODE = /^[A-Z2-7]{10}$/;
const CODE_BYTES = 7;

export function createBackupCodes(ring: SecretRing, random: (bytes: number) => Uint8Array): BackupCodes {
  const keyById = new Map(ring.all.map((secret) => [secret.id, deriveKey(secret, "backup codes")]));
  // Keyed: 50 bits are too few for a plain hash in a stolen store (about a day on one graphics card).
  const hash = (key: Buffer, userId: string, code: string): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify([userId, code]))
      .digest();

  return Object.freeze({
    create(userId: string): { readonly codes: readonly string[]; readonly stored: StoredBackupCodes } {
      const keyId = ring.current.id;
      const key = keyById.get(keyId);
      const codes = Array.from({ length: BACKUP_CODE_COUNT }, () => toBase32(random(CODE_BYTES)).slice(0, 10));
      const hashes = key === undefined ? [] : codes.map((code) => hash(key, userId, code).toString("base64url"));
      return { codes: codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`), stored: { keyId, hashes } };
    },
    use(userId: string, code: string, stored: StoredBackupCodes): StoredBackupCodes | undefined {
      const key = keyById.get(stored.keyId);
      // Hashed under a key that was dropped: they cannot be told from wrong ones any more.
      if (key === undefined) return undefined;
      const given = hash(key, userId, code);
      // Each is compared, whichever matches: the time says nothing about which are left.
      const left = stored.hashes.filter((known) => !isSame(given, Buffer.from(known, "base64url")));
      return left.length === stored.hashes.length ? undefined : { ...stored, hashes: left };
    },
  });
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
