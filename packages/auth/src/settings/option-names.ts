// Every name that createAuth reads. A misspelt one would leave a protection as it is by default, and nobody would notice.

import { ownOptions } from "@portcullis/core";
import type { AuthOptions } from "../auth-settings.js";

type Group = "sessions" | "revocation" | "lockout" | "passwords" | "apiKeys" | "cookies" | "mfa";
/** Complete, or it does not compile. */
type NamesOf<Options> = Readonly<Record<keyof Options & string, true>>;

const NAMES: NamesOf<AuthOptions> = {
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
};

const LOCKOUT_NAMES: NamesOf<NonNullable<AuthOptions["lockout"]>> = {
  threshold: true,
  windowMs: true,
  durationMs: true,
  scope: true,
  accountThreshold: true,
  deviceTtlMs: true,
};

const GROUP_NAMES: { readonly [G in Group]: NamesOf<NonNullable<AuthOptions[G]>> } = {
  sessions: { accessTtlMs: true, refreshTtlMs: true, idleMs: true, max: true, whenFull: true, refreshGraceMs: true },
  revocation: { maxStalenessMs: true, maxRemembered: true, whenUnavailable: true },
  lockout: LOCKOUT_NAMES,
  passwords: {
    minLength: true,
    maxBytes: true,
    memoryKiB: true,
    iterations: true,
    concurrency: true,
    queueLength: true,
    isBreached: true,
  },
  apiKeys: { prefix: true, environment: true },
  cookies: { secure: true, development: true, refreshPath: true, names: true, legacy: true, trustedOrigins: true },
  mfa: {
    keys: true,
    issuerName: true,
    requiredRoles: true,
    pendingTtlMs: true,
    enrolmentTtlMs: true,
    recentMs: true,
    lockout: true,
  },
};

/** @throws {ConfigurationError} `invalid_option`: an object of options is none, or has a name that nobody reads. */
export function requireKnownNames(options: AuthOptions): void {
  requireNames("createAuth", options, NAMES);
  for (const group of Object.keys(GROUP_NAMES) as Group[]) requireNames(group, options[group], GROUP_NAMES[group]);
  requireNames("cookies.names", options.cookies?.names, { session: true, refresh: true, csrf: true });
  requireNames("mfa.lockout", options.mfa?.lockout, LOCKOUT_NAMES);
}

function requireNames(where: string, options: object | undefined, names: Readonly<Record<string, true>>): void {
  if (options !== undefined) ownOptions<Record<string, unknown>>(where, options as Record<string, unknown>, Object.keys(names));
}
