// Options, checked once, copied and frozen: nothing reads the caller's object afterwards.

import { randomBytes } from "node:crypto";
import {
  createMemoryStore,
  invalidOption,
  noMetrics,
  systemClock,
  type Clock,
  type Metrics,
  type Ports,
  type StoreWith,
  ownOptions,
} from "@portcullis/core";
import { readApiKeys, type ApiKeySettings } from "./api-keys/api-key-settings.js";
import type { AuthEvent } from "./auth-event.js";
import { type CookieOptions, type CookieSettings, readCookieOptions } from "./cookies/cookie-settings.js";
import { createSecretRing, type SecretRing } from "./jwt/secret-ring.js";
import { readSigning, type SigningKeys, type SigningRing } from "./jwt/signing-keys.js";
import { readLockout, type LockoutSettings } from "./login/lockout-settings.js";
import { readRevocation, type RevocationSettings } from "./revocation/revocation-settings.js";
import { type MfaOptions, type MfaSettings, readMfa } from "./mfa/mfa-settings.js";
import { readPasswords, type PasswordSettings } from "./passwords/password-settings.js";
import { readSessions, type SessionSettings } from "./sessions/session-settings.js";
import { functionOr, integer, text } from "./settings/option-checks.js";
import type { UserDirectory } from "./users/user-directory.js";

/** The ports that authentication needs; over `bus`, where the store has it, revocations reach other processes sooner. */
export type AuthStore = StoreWith<"subjects" | "sessions" | "tickets" | "counters" | "apiKeys" | "records"> & Partial<Pick<Ports, "bus">>;

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
  /**
   * Key pairs, from `loadSigningKeys`: their first signs access and system tokens, which others then verify by
   * `GET /.well-known/jwks.json`. What `secrets` signed before is accepted on. Everything else stays with `secrets`, refresh tokens too.
   * Default: none, `secrets` sign all.
   */
  readonly signing?: SigningKeys;
  /** Default: the memory store. */
  readonly store?: AuthStore;
  /** `iss` of the tokens, required in them when set. */
  readonly issuer?: string;
  /** `aud` of access tokens, required in them when set. */
  readonly audience?: string;
  readonly sessions?: Partial<SessionSettings>;
  readonly revocation?: Partial<RevocationSettings>;
  /** Most verified access tokens remembered; default 10,000 (about 1.5 kB each); 0 switches it off. */
  readonly tokenCacheEntries?: number;
  readonly lockout?: Partial<LockoutSettings>;
  readonly passwords?: Partial<PasswordSettings>;
  readonly apiKeys?: Partial<ApiKeySettings>;
  /** Lets browsers hold the tokens in cookies, with protection against CSRF. Default: off, and the Cookie header is not looked at. */
  readonly cookies?: CookieOptions;
  /** Second factors. Without it there are none, and no role needs one. */
  readonly mfa?: MfaOptions;
  readonly clock?: Clock;
  /** Cryptographically strong random bytes. Default: `node:crypto`. */
  readonly random?: (bytes: number) => Uint8Array;
  readonly metrics?: Metrics;
  /** Told of what happened. What it throws is dropped. */
  readonly onEvent?: (event: AuthEvent) => void;
}

/** Options with every default filled in. */
export interface AuthSettings {
  readonly users: UserDirectory;
  readonly store: AuthStore;
  readonly secrets: SecretRing;
  readonly peppers: SecretRing;
  readonly signing: SigningRing | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly sessions: SessionSettings;
  readonly revocation: RevocationSettings;
  readonly tokenCacheEntries: number;
  readonly lockout: LockoutSettings;
  readonly passwords: PasswordSettings;
  readonly apiKeys: ApiKeySettings;
  readonly cookies: CookieSettings | undefined;
  readonly mfa: MfaSettings | undefined;
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly metrics: Metrics;
  readonly onEvent: ((event: AuthEvent) => void) | undefined;
}

const PORTS = ["subjects", "sessions", "tickets", "counters", "apiKeys", "records"] as const;
const DEFAULT_TOKEN_CACHE_ENTRIES = 10_000;
const NAMES: Readonly<Record<keyof AuthOptions, true>> = Object.freeze({
  users: true,
  secrets: true,
  apiKeyPeppers: true,
  signing: true,
  store: true,
  issuer: true,
  audience: true,
  sessions: true,
  revocation: true,
  tokenCacheEntries: true,
  lockout: true,
  passwords: true,
  apiKeys: true,
  cookies: true,
  mfa: true,
  clock: true,
  random: true,
  metrics: true,
  onEvent: true,
});

/** @throws {ConfigurationError} `invalid_option` names the first wrong option and what it accepts, never its value. */
export function readAuthOptions(given: AuthOptions): AuthSettings {
  // With every name, or the compiler says so: what is missing here would be an option that nobody can give.
  const options = ownOptions("createAuth", given, Object.keys(NAMES) as (keyof AuthOptions)[]) as AuthOptions; // what must be there is checked below
  const { users, clock = systemClock, metrics = noMetrics } = options;
  if (typeof users?.byEmail !== "function") throw invalidOption("users", users, "a UserDirectory, e.g. createUserDirectory({ store })");
  if (typeof clock?.now !== "function") throw invalidOption("clock", clock, "a Clock, with now() in epoch ms");
  if (typeof metrics?.counter !== "function") throw invalidOption("metrics", metrics, "Metrics, e.g. prometheusMetrics of core");
  const secrets = createSecretRing("secrets", options.secrets);
  const peppers = createSecretRing("apiKeyPeppers", options.apiKeyPeppers);
  // One key for two purposes lets what one of them shows be used against the other.
  if (peppers.all.some(({ id }) => secrets.byId(id) !== undefined)) {
    throw invalidOption("apiKeyPeppers", options.apiKeyPeppers, "other than the entries of secrets");
  }
  const lockout = readLockout(options.lockout);
  return Object.freeze({
    users,
    store: readStore(options.store) ?? createMemoryStore({ clock }),
    secrets,
    peppers,
    signing: readSigning(options.signing),
    issuer: text("issuer", options.issuer),
    audience: text("audience", options.audience),
    sessions: readSessions(options.sessions),
    revocation: readRevocation(options.revocation),
    tokenCacheEntries: integer("tokenCacheEntries", options.tokenCacheEntries ?? DEFAULT_TOKEN_CACHE_ENTRIES, 0, 10_000_000),
    lockout,
    passwords: readPasswords(options.passwords),
    apiKeys: readApiKeys(options.apiKeys),
    cookies: readCookieOptions(options.cookies),
    mfa: readMfa(options.mfa, lockout, [secrets, peppers]),
    clock,
    random: functionOr("random", options.random, randomBytes),
    metrics,
    onEvent: functionOr("onEvent", options.onEvent, undefined),
  });
}

// Found out here, not by the first login.
function readStore(store: AuthStore | undefined): AuthStore | undefined {
  if (store === undefined) return undefined;
  const missing = PORTS.filter((port) => typeof (store as Partial<AuthStore> | null)?.[port] !== "object");
  if (missing.length > 0) throw invalidOption("store", store, `a store with the ports ${PORTS.join(", ")}; it lacks ${missing.join(", ")}`);
  return store;
}
