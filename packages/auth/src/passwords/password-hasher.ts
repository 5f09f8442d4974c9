import { Buffer } from "node:buffer";
import { hash as argon2Hash, verify as argon2Verify } from "@node-rs/argon2";
import type { PasswordSettings } from "./password-settings.js";
import { costOf, isAffordable, isWeaker, unmatchableHash, type Argon2Cost } from "./argon2-hash.js";
import { HashQueue, type Place } from "./hash-queue.js";

/** What verifying found. `unusable`: the stored hash is none of ours or too dear to compute. */
export type PasswordMatch = "match" | "mismatch" | "unusable";

/** Hashes and verifies, within bounds. Every call needs a {@link Place}. */
export interface PasswordHasher {
  /** @returns `undefined` when too many are waiting. */
  enter(): Place | undefined;
  hash(place: Place, password: string): Promise<string>;
  /** As much work for an account without a hash as for one with it. */
  verify(place: Place, password: string, storedHash: string | undefined): Promise<PasswordMatch>;
  /** Whether a stored hash was made with less than the configured cost. */
  needsRehash(storedHash: string): boolean;
}

// The package's constant is a `const enum`, which isolated modules cannot read.
const ARGON2ID = 2;
const PARALLELISM = 1;
const TAG_BYTES = 32;

export function createPasswordHasher(
  settings: PasswordSettings,
  random: (bytes: number) => Uint8Array,
  onDepth: (places: number) => void,
): PasswordHasher {
  const cost: Argon2Cost = { memoryKiB: settings.memoryKiB, iterations: settings.iterations, parallelism: PARALLELISM };
  const queue = new HashQueue(settings.concurrency, settings.queueLength, onDepth);
  const dummy = unmatchableHash(cost, random);

  return Object.freeze({
    enter: () => queue.enter(),
    hash: (place: Place, password: string) =>
      place.run(() =>
        argon2Hash(password, {
          algorithm: ARGON2ID,
          memoryCost: cost.memoryKiB,
          timeCost: cost.iterations,
          parallelism: cost.parallelism,
          outputLen: TAG_BYTES,
          salt: Buffer.from(random(16)),
        }),
      ),
    async verify(place: Place, password: string, storedHash: string | undefined): Promise<PasswordMatch> {
      const stored = storedHash === undefined ? undefined : costOf(storedHash);
      const usable = storedHash !== undefined && stored !== undefined && isAffordable(stored, cost);
      const matches = await place.run(() => argon2Verify(usable ? storedHash : dummy, password));
      if (!usable) return storedHash === undefined ? "mismatch" : "unusable";
      return matches ? "match" : "mismatch";
    },
    needsRehash(storedHash: string): boolean {
      const stored = costOf(storedHash);
      return stored === undefined || isWeaker(stored, cost);
    },
  });
}
