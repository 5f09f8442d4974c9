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

// Within one count of them: more than there is time for.
const MOST_LOCKS = 1_000_000_000;
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
  // Locks are numbered, and failures counted for each number apart: what was reserved before a lock may still be computed, what comes
  // too late finds its number used up, and behind the lock nothing needs to be reset, which somebody else might do twice.
  const failuresKey = (hash: string, locks: number): string => `auth:failures:${purpose}:${hash}:${locks}`;
  const locksKey = (hash: string): string => `auth:locks:${purpose}:${hash}`;
  // Outlives the lock and what is counted behind it; then no count of an earlier number is left either.
  const locksWindowMs = durationMs + 2 * windowMs;
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
      // In this order: a lock is set before the next number, so that whoever has the next number sees the lock.
      const { value: locks } = await counters.read(locksKey(hash));
      const before = await lockOf(hash);
      if (before !== undefined) return before;
      const reserved = await counters.add(failuresKey(hash, locks), 1, { limit: threshold, windowMs });
      if (reserved.accepted) return { kind: "reserved", isLast: reserved.value >= threshold };
      return (await lockOf(hash)) ?? { kind: "locked", remainingMs: BUSY_RETRY_MS, isBusy: true };
    },
    async failed(hash: string, attempt: Attempt): Promise<void> {
      if (attempt.kind !== "reserved" || !attempt.isLast) return;
      const lock = await counters.add(lockKey(hash), 1, { limit: 1, windowMs: durationMs });
      if (!lock.accepted) return;
      await counters.add(locksKey(hash), 1, { limit: MOST_LOCKS, windowMs: locksWindowMs });
      instruments.locked();
      const [identifierHash = hash] = hash.split("/", 1);
      instruments.emit({ kind: "account_locked", identifierHash, purpose, durationMs });
    },
    async succeeded(hash: string): Promise<void> {
      const { value: locks } = await counters.read(locksKey(hash));
      await counters.reset(failuresKey(hash, locks));
      await counters.reset(lockKey(hash));
    },
  });
}
