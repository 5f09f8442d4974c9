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
  /** Hashes computed at once; default 2; 1 to 64. libuv's pool (4 threads unless told otherwise) is shared with files and DNS. */
  readonly concurrency: number;
  /** Logins that may wait for their hash; more are answered 503 at once; default 64; 0 to 10,000. */
  readonly queueLength: number;
}

const DEFAULTS: PasswordSettings = Object.freeze({
  minLength: 12,
  maxBytes: 1024,
  memoryKiB: 19_456,
  iterations: 2,
  concurrency: 2,
  queueLength: 64,
});

/** @throws {ConfigurationError} `invalid_option` */
export function readPasswords(options: Partial<PasswordSettings> = {}): PasswordSettings {
  const { minLength, maxBytes, memoryKiB, iterations, concurrency, queueLength } = { ...DEFAULTS, ...options };
  return Object.freeze({
    minLength: integer("passwords.minLength", minLength, 8, 64),
    maxBytes: integer("passwords.maxBytes", maxBytes, 64, 4096),
    memoryKiB: integer("passwords.memoryKiB", memoryKiB, DEFAULTS.memoryKiB, 1_048_576),
    iterations: integer("passwords.iterations", iterations, DEFAULTS.iterations, 16),
    concurrency: integer("passwords.concurrency", concurrency, 1, 64),
    queueLength: integer("passwords.queueLength", queueLength, 0, 10_000),
  });
}
