import { availableParallelism } from "node:os";
import { invalidOption, type MaybePromise, ownOptions } from "@portcullis/core";
import { integer } from "../settings/option-checks.js";

/** How passwords are accepted and hashed (Argon2id, RFC 9106). */
export interface PasswordSettings {
  /** Fewest characters of a new password; default 12; 8 to 64. */
  readonly minLength: number;
  /** Longer passwords are refused unhashed, bytes of UTF-8; default 1024; 64 to 4096. */
  readonly maxBytes: number;
  /** KiB; default 19,456; up to 1 GiB. Lower is refused (OWASP's floor). */
  readonly memoryKiB: number;
  /** Passes; default 2; up to 16. */
  readonly iterations: number;
  /**
   * Hashes computed at once, each in a thread of its own; default one less than there are cores, at least 1, at most 4; 1 to 64.
   * On Linux the threads have a lower priority than the requests.
   */
  readonly concurrency: number;
  /** Logins that may wait for their hash; more are answered 503 at once; default 64; 0 to 10,000. */
  readonly queueLength: number;
  /**
   * Whether a new password is known from a leak, e.g. by a list or by the range query of Have I Been Pwned; such a one is refused
   * (OWASP ASVS 6.2.4). Asked for new passwords only. Where it throws, or takes longer than 5 s, the password is taken and an
   * event tells of it. Default: nothing is asked.
   */
  readonly isBreached?: ((password: string) => MaybePromise<boolean>) | undefined;
}

const DEFAULTS: PasswordSettings = Object.freeze({
  minLength: 12,
  maxBytes: 1024,
  memoryKiB: 19_456,
  iterations: 2,
  concurrency: Math.min(4, Math.max(1, availableParallelism() - 1)),
  queueLength: 64,
});

const NAMES = Object.freeze(["minLength", "maxBytes", "memoryKiB", "iterations", "concurrency", "queueLength", "isBreached"] as const);

/** @throws {ConfigurationError} `invalid_option` */
export function readPasswords(options: Partial<PasswordSettings> = {}): PasswordSettings {
  const { minLength, maxBytes, memoryKiB, iterations, concurrency, queueLength, isBreached } = {
    ...DEFAULTS,
    ...ownOptions("passwords", options, NAMES),
  };
  if (isBreached !== undefined && typeof isBreached !== "function") throw invalidOption("passwords.isBreached", isBreached, "a function");
  return Object.freeze({
    minLength: integer("passwords.minLength", minLength, 8, 64),
    maxBytes: integer("passwords.maxBytes", maxBytes, 64, 4096),
    memoryKiB: integer("passwords.memoryKiB", memoryKiB, DEFAULTS.memoryKiB, 1_048_576),
    iterations: integer("passwords.iterations", iterations, DEFAULTS.iterations, 16),
    concurrency: integer("passwords.concurrency", concurrency, 1, 64),
    queueLength: integer("passwords.queueLength", queueLength, 0, 10_000),
    isBreached,
  });
}
