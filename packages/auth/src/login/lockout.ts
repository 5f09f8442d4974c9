import { createHmac } from "node:crypto";
import type { Counters } from "@portcullis/core";
import type { LockoutSettings } from "./lockout-settings.js";
import type { Instruments } from "../instruments.js";
import type { RingSecret } from "../jwt/secret-ring.js";

/** A right to try once, taken before anything is computed. */
export type Attempt = { readonly kind: "reserved"; readonly isLast: boolean } | Locked;

/** No right to try. */
export interface Locked {
  readonly kind: "locked";
  readonly remainingMs: number;
  /** No lock yet: all attempts are taken by others that are still being computed, and one of them may succeed. */
  readonly isBusy: boolean;
}

/**
 * Locks an identifier after too many failures, whether or not an account has it: the answers for both are the same.
 *
 * Attempts are reserved before the password is hashed: of any number of parallel guesses at most `threshold` are computed. An
 * attempt that ends in a fault stays reserved until the window is over.
 */
export interface Lockout {
  /** A keyed hash of the identifier: what counters and events know it by. A `/` and more may follow, to count parts of it apart. */
  hashOf(identifier: string): string;
  /** Whether it is locked now; reserves nothing. */
  lockOf(identifierHash: string): Promise<Locked | undefined>;
  reserve(identifierHash: string): Promise<Attempt>;
  /** The attempt failed; the last one allowed locks. */
  failed(identifierHash: string, attempt: Attempt): Promise<void>;
  /** The attempt succeeded: what failed before is forgotten. */
  succeeded(identifierHash: string): Promise<void>;
}

// How long those that compute may need; asking again costs nothing.
const BUSY_RETRY_MS = 1000;

/** @param purpose What is guessed at: passwords, codes; each is counted apart. */
export function createLockout(
  counters: Counters,
  settings: Pick<LockoutSettings, "threshold" | "windowMs" | "durationMs">,
  secret: RingSecret,
  purpose: string,
  instruments: Instruments,
): Lockout {
  const { threshold, windowMs, durationMs } = settings;
  const failuresKey = (hash: string): string => `auth:failures:${purpose}:${hash}`;
  // The lock is a counter of its own: it outlives the window, and the store says exactly how long it still holds.
  const lockKey = (hash: string): string => `auth:lock:${purpose}:${hash}`;

  async function lockOf(hash: string): Promise<Locked | undefined> {
    const { value, remainingMs } = await counters.read(lockKey(hash));
    return value > 0 ? { kind: "locked", remainingMs, isBusy: false } : undefined;
  }

  return Object.freeze({
    hashOf: (identifier: string): string =>
      createHmac("sha256", secret.key).update(`lockout\0${purpose}\0${identifier}`).digest("base64url").slice(0, 22),
    lockOf,
    async reserve(hash: string): Promise<Attempt> {
      const before = await lockOf(hash);
      if (before !== undefined) return before;
      const reserved = await counters.add(failuresKey(hash), 1, { limit: threshold, windowMs });
      // Again, because locking resets the failures: whoever read before the lock and reserved after the reset must not pass.
      const after = await lockOf(hash);
      if (after !== undefined) {
        // Nor may what it reserved count when the lock is over.
        if (reserved.accepted) await counters.reset(failuresKey(hash));
        return after;
      }
      if (!reserved.accepted) return { kind: "locked", remainingMs: BUSY_RETRY_MS, isBusy: true };
      return { kind: "reserved", isLast: reserved.value >= threshold };
    },
    async failed(hash: string, attempt: Attempt): Promise<void> {
      if (attempt.kind !== "reserved" || !attempt.isLast) return;
      const lock = await counters.add(lockKey(hash), 1, { limit: 1, windowMs: durationMs });
      // In this order: between a reset and a lock, a guess would slip through.
      await counters.reset(failuresKey(hash));
      if (!lock.accepted) return;
      instruments.locked();
      const [identifierHash = hash] = hash.split("/", 1);
      instruments.emit({ kind: "account_locked", identifierHash, purpose, durationMs });
    },
    async succeeded(hash: string): Promise<void> {
      await counters.reset(failuresKey(hash));
      await counters.reset(lockKey(hash));
    },
  });
}
