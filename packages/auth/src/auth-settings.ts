// Options, checked once, copied and frozen: nothing reads the caller's object afterwards.

import { randomBytes } from "node:crypto";
import { createMemoryStore, invalidOption, noMetrics, systemClock, type Clock, type Metrics, type StoreWith } from "@portcullis/core";
import type { AuthEvent } from "./auth-event.js";
import { createSecretRing, type SecretRing } from "./jwt/secret-ring.js";
import type { UserDirectory } from "./users/user-directory.js";

/** The ports that authentication needs. */
export type AuthStore = StoreWith<"subjects" | "sessions" | "tickets" | "counters" | "apiKeys">;

/** Options of `createAuth`. */
export interface AuthOptions {
  /** Where people's accounts are: your own table, or `createUserDirectory`. */
  readonly users: UserDirectory;
  /**
   * Secrets that sign tokens, as a list or as one string with commas between; the first signs, all verify (at most 8).
   * To rotate, put the new one first and drop the old one when the longest token has expired. Each at least 32 characters,
   * 8 of them different. No default.
   */
  readonly secrets: string | readonly string[];
  /** Secrets that stored API keys are hashed with, same form and rules, none of them also in `secrets`. No default. */
  readonly apiKeyPeppers: string | readonly string[];
  /** Default: the memory store. */
  readonly store?: AuthStore;
  /** `iss` of the tokens, required in them when set. */
  readonly issuer?: string;
  /** `aud` of access tokens, required in them when set. */
  readonly audience?: string;
  /** Life of an access token, ms; default 1 h; 1 s to 24 h. */
  readonly accessTtlMs?: number;
  /** Life of a session from login, ms; no refresh extends it; default 30 d; from `accessTtlMs` to 365 d. */
  readonly refreshTtlMs?: number;
  /** Most sessions of one user at once, the oldest going first; default 0: no bound. */
  readonly maxSessionsPerUser?: number;
  /** Most verified access tokens remembered; default 10,000 (about 2 kB each); 0 switches it off. */
  readonly tokenCacheEntries?: number;
  readonly lockout?: Partial<LockoutSettings>;
  readonly passwords?: Partial<PasswordSettings>;
  readonly apiKeys?: Partial<ApiKeySettings>;
  readonly clock?: Clock;
  /** Cryptographically strong random bytes. Default: `node:crypto`. */
  readonly random?: (bytes: number) => Uint8Array;
  readonly metrics?: Metrics;
  /** Told of what happened. What it throws is dropped. */
  readonly onEvent?: (event: AuthEvent) => void;
}

/** When failed logins lock an account. */
export interface LockoutSettings {
  /** Failures within the window that lock; default 5; 1 to 100. */
  readonly threshold: number;
  /** Ms from the first failure in which failures add up; default 15 min; 1 s to 24 h. */
  readonly windowMs: number;
  /** Ms that a lock holds; default 15 min; 1 s to 24 h. */
  readonly durationMs: number;
}

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

/** How API keys look: `prefix_environment_id_secret_checksum`. */
export interface ApiKeySettings {
  /** Lower-case letters and digits, 1 to 12; default `pcs`. */
  readonly prefix: string;
  /** Keys of another environment are refused; lower-case letters and digits, 1 to 12; default `live`. */
  readonly environment: string;
}

/** Options with every default filled in. */
export interface AuthSettings {
  readonly users: UserDirectory;
  readonly store: AuthStore;
  readonly secrets: SecretRing;
  readonly peppers: SecretRing;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly accessTtlMs: number;
  readonly refreshTtlMs: number;
  readonly maxSessionsPerUser: number;
  readonly tokenCacheEntries: number;
  readonly lockout: LockoutSettings;
  readonly passwords: PasswordSettings;
  readonly apiKeys: ApiKeySettings;
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly metrics: Metrics;
  readonly onEvent: ((event: AuthEvent) => void) | undefined;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DEFAULTS = Object.freeze({
  accessTtlMs: HOUR,
  refreshTtlMs: 30 * DAY,
  maxSessionsPerUser: 0,
  tokenCacheEntries: 10_000,
  lockout: Object.freeze({ threshold: 5, windowMs: 15 * MINUTE, durationMs: 15 * MINUTE }),
  passwords: Object.freeze({ minLength: 12, maxBytes: 1024, memoryKiB: 19_456, iterations: 2, concurrency: 2, queueLength: 64 }),
  apiKeys: Object.freeze({ prefix: "pcs", environment: "live" }),
});

const KEY_PART = /^[a-z0-9]{1,12}$/;

/** @throws {ConfigurationError} `invalid_option` names the first wrong option and what it accepts, never its value. */
export function readAuthOptions(options: AuthOptions): AuthSettings {
  if (typeof options !== "object" || options === null) throw invalidOption("createAuth", options, "an object of options");
  const { users, clock = systemClock, random = randomBytes, metrics = noMetrics, onEvent, issuer, audience } = options;
  if (typeof users?.byEmail !== "function") throw invalidOption("users", users, "a UserDirectory, e.g. createUserDirectory({ store })");
  const secrets = createSecretRing("secrets", options.secrets);
  const peppers = createSecretRing("apiKeyPeppers", options.apiKeyPeppers);
  // One key for two purposes lets what one of them shows be used against the other.
  if (peppers.all.some(({ id }) => secrets.byId(id) !== undefined)) {
    throw invalidOption("apiKeyPeppers", options.apiKeyPeppers, "other than the entries of secrets");
  }
  const accessTtlMs = integer("accessTtlMs", options.accessTtlMs ?? DEFAULTS.accessTtlMs, SECOND, DAY);
  return Object.freeze({
    users,
    store: options.store ?? createMemoryStore({ clock }),
    secrets,
    peppers,
    issuer: text("issuer", issuer),
    audience: text("audience", audience),
    accessTtlMs,
    refreshTtlMs: integer("refreshTtlMs", options.refreshTtlMs ?? DEFAULTS.refreshTtlMs, accessTtlMs, 365 * DAY),
    maxSessionsPerUser: integer("maxSessionsPerUser", options.maxSessionsPerUser ?? DEFAULTS.maxSessionsPerUser, 0, 10_000),
    tokenCacheEntries: integer("tokenCacheEntries", options.tokenCacheEntries ?? DEFAULTS.tokenCacheEntries, 0, 10_000_000),
    lockout: readLockout(options.lockout ?? {}),
    passwords: readPasswords(options.passwords ?? {}),
    apiKeys: readApiKeys(options.apiKeys ?? {}),
    clock,
    random,
    metrics,
    onEvent,
  });
}

function readLockout(options: Partial<LockoutSettings>): LockoutSettings {
  const { threshold, windowMs, durationMs } = { ...DEFAULTS.lockout, ...options };
  return Object.freeze({
    threshold: integer("lockout.threshold", threshold, 1, 100),
    windowMs: integer("lockout.windowMs", windowMs, SECOND, DAY),
    durationMs: integer("lockout.durationMs", durationMs, SECOND, DAY),
  });
}

function readPasswords(options: Partial<PasswordSettings>): PasswordSettings {
  const { minLength, maxBytes, memoryKiB, iterations, concurrency, queueLength } = { ...DEFAULTS.passwords, ...options };
  return Object.freeze({
    minLength: integer("passwords.minLength", minLength, 8, 64),
    maxBytes: integer("passwords.maxBytes", maxBytes, 64, 4096),
    memoryKiB: integer("passwords.memoryKiB", memoryKiB, DEFAULTS.passwords.memoryKiB, 1_048_576),
    iterations: integer("passwords.iterations", iterations, DEFAULTS.passwords.iterations, 16),
    concurrency: integer("passwords.concurrency", concurrency, 1, 64),
    queueLength: integer("passwords.queueLength", queueLength, 0, 10_000),
  });
}

function readApiKeys(options: Partial<ApiKeySettings>): ApiKeySettings {
  const { prefix, environment } = { ...DEFAULTS.apiKeys, ...options };
  if (!KEY_PART.test(prefix)) throw invalidOption("apiKeys.prefix", prefix, "1 to 12 lower-case letters or digits");
  if (!KEY_PART.test(environment)) throw invalidOption("apiKeys.environment", environment, "1 to 12 lower-case letters or digits");
  return Object.freeze({ prefix, environment });
}

function integer(option: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw invalidOption(option, value, `an integer of ${least} to ${most}`);
  }
  return value;
}

function text(option: string, value: unknown): string | undefined {
  if (value !== undefined && (typeof value !== "string" || value === "")) throw invalidOption(option, value, "a string that is not empty");
  return value;
}
