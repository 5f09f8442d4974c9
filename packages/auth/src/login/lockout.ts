import { createHmac } from "node:crypto";
import type { Counters } from "@portcullis/core";
import type { LockoutSettings } from "./lockout-settings.js";
import type { Instruments } from "../instruments.js";
import type { RingSecret } from "../jwt/secret-ring.js";

/** A right to try once, taken before anything is computed. */
export type Attempt = { readonly kind: "reserved"; readonly isLast: boolean } | { readonly kind: "locked"; readonly remainingMs: number };

/**
 * Locks an identifier after too many failures, whether or not an account has it: the answers for both are the same.
 *
 * Attempts are reserved before the password is hashed: of any number of parallel guesses at most `threshold` are computed.
 */
export interface Lockout {
  /** A keyed hash of the identifier: what counters and events know it by. */
  hashOf(identifier: string): string;
  reserve(identifierHash: string): Promise<Attempt>;
  /** The attempt failed; the last one allowed locks. */
  failed(identifierHash: string, attempt: Attempt): Promise<void>;
  /** The attempt succeeded: what failed before is forgotten. */
  succeeded(identifierHash: string): Promise<void>;
}

/** @param purpose What is guessed at: passwords, codes; each is counted apart. */
export function createLockout(
  counters: Counters,
  settings: LockoutSettings,
  secret: RingSecret,
  purpose: string,
  instruments: Instruments,
): Lockout {
  const { threshold, windowMs, durationMs } = settings;
  const failuresKey = (hash: string): string => `auth:failures:${purpose}:${hash}`;
  // The lock is a counter of its own: it outlives the window, and the store says exactly how long it still holds.
  const lockKey = (hash: string): string => `auth:lock:${purpose}:${hash}`;

  return Object.freeze({
    hashOf: (identifier: string): string =>
      createHmac("sha256", secret.key).update(`lockout\0${purpose}\0${identifier}`).digest("base64url").slice(0, 22),
    async reserve(hash: string): Promise<Attempt> {
      const before = await counters.read(lockKey(hash));
      if (before.value > 0) return { kind: "locked", remainingMs: before.remainingMs };
      const reserved = await counters.add(failuresKey(hash), 1, { limit: threshold, windowMs });
      // Again, because locking resets the failures: whoever read before the lock and reserved after the reset must not pass.
      const after = await counters.read(lockKey(hash));
      if (after.value > 0) return { kind: "locked", remainingMs: after.remainingMs };
      // All attempts are taken by others that are still being computed: as good as locked, for the moment.
      if (!reserved.accepted) return { kind: "locked", remainingMs: durationMs };
      return { kind: "reserved", isLast: reserved.value >= threshold };
    },
    async failed(hash: string, attempt: Attempt): Promise<void> {
      if (attempt.kind !== "reserved" || !attempt.isLast) return;
      const lock = await counters.add(lockKey(hash), 1, { limit: 1, windowMs: durationMs });
      // In this order: between a reset and a lock, a guess would slip through.
      await counters.reset(failuresKey(hash));
      if (!lock.accepted) return;
      instruments.locked();
      instruments.emit({ kind: "account_locked", identifierHash: hash, durationMs });
    },
    async succeeded(hash: string): Promise<void> {
      await counters.reset(failuresKey(hash));
      await counters.reset(lockKey(hash));
    },
  });
}
