import { Buffer } from "node:buffer";
import type { Worker } from "node:worker_threads";
import { AuthError } from "../errors.js";
import type { PasswordSettings } from "./password-settings.js";
import { costOf, isAffordable, isWeaker, shortfall, unmatchableHash, type Argon2Cost } from "./argon2-hash.js";
import { startArgon2Worker } from "./argon2-worker.js";
import { HashQueue, type Place } from "./hash-queue.js";
import { createHashWorkers } from "./hash-workers.js";

/** What verifying found. `unusable`: the stored hash is none of ours or too dear to compute. */
export type PasswordMatch = "match" | "mismatch" | "unusable";

/** Hashes and verifies in worker threads, within bounds. Every call needs a {@link Place}, whose lane it holds until the thread is done. */
export interface PasswordHasher {
  /** @returns `undefined` when too many are waiting. */
  enter(): Place | undefined;
  /** @throws {AuthError} `hashing_failed`, `closed` */
  hash(place: Place, password: string): Promise<string>;
  /** As much work for an account without a hash as for one with it. @throws {AuthError} `hashing_failed`, `closed` */
  verify(place: Place, password: string, storedHash: string | undefined): Promise<PasswordMatch>;
  /** Whether a stored hash was made with less than the configured cost. */
  needsRehash(storedHash: string): boolean;
  /** Ends the threads, each after the job it has; what is asked later is a fault. */
  close(): Promise<void>;
}

// The package's constant is a `const enum`, which isolated modules cannot read.
const ARGON2ID = 2;
const PARALLELISM = 1;
const TAG_BYTES = 32;
const SALT_BYTES = 16;

export function createPasswordHasher(
  settings: PasswordSettings,
  random: (bytes: number) => Uint8Array,
  onDepth: (places: number) => void,
  startWorker: () => Worker = startArgon2Worker,
): PasswordHasher {
  const cost: Argon2Cost = { memoryKiB: settings.memoryKiB, iterations: settings.iterations, parallelism: PARALLELISM };
  const queue = new HashQueue(settings.concurrency, settings.queueLength, onDepth);
  const workers = createHashWorkers(startWorker);
  const dummy = unmatchableHash(cost, random);

  // "refused" is a hash that Argon2 cannot read although it looks like one.
  async function matches(place: Place, password: string, storedHash: string): Promise<boolean | "refused"> {
    const answer = await place.run(async () => workers.run({ kind: "verify", password: bytesOf(password), storedHash }));
    return answer.kind === "verified" ? answer.matches : "refused";
  }

  return Object.freeze({
    enter: () => queue.enter(),
    async hash(place: Place, password: string): Promise<string> {
      const options = {
        algorithm: ARGON2ID,
        memoryCost: cost.memoryKiB,
        timeCost: cost.iterations,
        parallelism: cost.parallelism,
        outputLen: TAG_BYTES,
        salt: Uint8Array.from(random(SALT_BYTES)),
      };
      const answer = await place.run(async () => workers.run({ kind: "hash", password: bytesOf(password), options }));
      if (answer.kind !== "hashed") throw new AuthError("hashing_failed", "Argon2 refused the parameters of passwords. Lower them.");
      return answer.hash;
    },
    async verify(place: Place, password: string, storedHash: string | undefined): Promise<PasswordMatch> {
      const stored = storedHash === undefined ? undefined : costOf(storedHash);
      const usable = storedHash !== undefined && stored !== undefined && isAffordable(stored, cost);
      const found = await matches(place, password, usable ? storedHash : dummy);
      if (!usable) return storedHash === undefined ? "mismatch" : "unusable";
      if (found === "refused") {
        await matches(place, password, dummy);
        return "unusable";
      }
      if (found) return "match";
      // A hash from before the cost was raised takes less time than the dummy of an account that does not exist.
      const missing = shortfall(stored, cost);
      if (missing !== undefined) await matches(place, password, unmatchableHash(missing, random));
      return "mismatch";
    },
    needsRehash(storedHash: string): boolean {
      const stored = costOf(storedHash);
      return stored === undefined || isWeaker(stored, cost);
    },
    close: () => workers.close(),
  });
}

// Its own memory, which can be handed over to a thread and wiped there: a Buffer may lie in a pool that others use.
function bytesOf(password: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Buffer.byteLength(password, "utf8"));
  new TextEncoder().encodeInto(password, bytes);
  return bytes;
}
