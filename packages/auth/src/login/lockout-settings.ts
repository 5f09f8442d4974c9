import { ownOptions } from "@portcullis/core";
import { DAY_MS, integer, MINUTE_MS, oneOf, SECOND_MS } from "../settings/option-checks.js";

/** When failed logins lock an account. */
export interface LockoutSettings {
  /** Failures within the window that lock; default 5; 1 to 100. */
  readonly threshold: number;
  /** Ms from the first failure in which failures add up; default 15 min; 1 s to 24 h. */
  readonly windowMs: number;
  /** Ms that a lock holds; default 15 min; 1 s to 24 h. */
  readonly durationMs: number;
  /**
   * What a lock holds for. `account` (default): for everybody, so that strangers can keep the owner out for as long as they go on.
   * `account-and-network`: for one IPv4 address or IPv6 /64 at this account, so that the owner elsewhere is not kept out; whoever has
   * many networks has `accountThreshold` guesses. Needs core's `clientIp` guard in front.
   */
  readonly scope: "account" | "account-and-network";
  /** With `account-and-network`: failures from all networks that lock the account; default ten times `threshold`; up to 10,000. */
  readonly accountThreshold: number;
  /**
   * Ms for which a device that logged in is known again by a token in the login's answer. Whoever sends it with a login is not
   * locked out by the failures of others, and has `threshold` failures of its own. A change of password ends all of them. Default
   * 0: no such tokens; else 1 min to 365 d.
   */
  readonly deviceTtlMs: number;
}

const DEFAULTS = Object.freeze({
  threshold: 5,
  windowMs: 15 * MINUTE_MS,
  durationMs: 15 * MINUTE_MS,
  scope: "account",
  deviceTtlMs: 0,
} satisfies Partial<LockoutSettings>);

const NAMES = Object.freeze(["threshold", "windowMs", "durationMs", "scope", "accountThreshold", "deviceTtlMs"] as const);

/** @throws {ConfigurationError} `invalid_option` */
export function readLockout(given: Partial<LockoutSettings> = {}): LockoutSettings {
  const options = ownOptions("lockout", given, NAMES);
  const { threshold, windowMs, durationMs, scope, deviceTtlMs } = { ...DEFAULTS, ...options };
  integer("lockout.threshold", threshold, 1, 100);
  return Object.freeze({
    threshold,
    windowMs: integer("lockout.windowMs", windowMs, SECOND_MS, DAY_MS),
    durationMs: integer("lockout.durationMs", durationMs, SECOND_MS, DAY_MS),
    scope: oneOf("lockout.scope", scope, ["account", "account-and-network"]),
    accountThreshold: integer("lockout.accountThreshold", options.accountThreshold ?? 10 * threshold, threshold, 10_000),
    deviceTtlMs: deviceTtlMs === 0 ? 0 : integer("lockout.deviceTtlMs", deviceTtlMs, MINUTE_MS, 365 * DAY_MS),
  });
}
