import { ALLOW, type Clock, deny, type Guard, invalidOption, type Principal, problems, systemClock, type Verdict } from "@portcullis/core";
import { callerOf } from "./caller.js";
import { own, ownOptions } from "../own-options.js";

/** What a second-factor guard may be told. */
export interface RequireMfaOptions {
  /** How old the proof may be, ms; at exactly this age it still counts. Absent: any proof of this login counts. */
  readonly maxAgeMs?: number;
  /** How far in the future a proof may lie, for clocks that differ; default 60,000 ms. */
  readonly toleranceMs?: number;
  /** What a missing or stale proof is answered with: 401 (default), as RFC 9470 has it, or 403 for clients that log out on any 401. */
  readonly status?: 401 | 403;
  readonly clock?: Clock;
}

/**
 * Lets a request pass whose user proved a second factor; 401 without a principal, 401 `stepUpRequired` (or 403 `mfaRequired`, by
 * `status`) with an RFC 9470 challenge otherwise.
 *
 * API keys, services and the system have no second factor and are denied, and so is an identity that only a trusted caller vouches for.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @see RFC 9470 §3
 */
export function requireMfa(options: RequireMfaOptions = {}): Guard {
  const {
    maxAgeMs = Infinity,
    toleranceMs = 60_000,
    status = 401,
    clock = systemClock,
  } = ownOptions("requireMfa", options, ["maxAgeMs", "toleranceMs", "status", "clock"]);
  if (typeof maxAgeMs !== "number" || !(maxAgeMs > 0)) throw invalidOption("requireMfa.maxAgeMs", maxAgeMs, "more than 0 ms");
  if (typeof toleranceMs !== "number" || !(toleranceMs >= 0 && toleranceMs < Infinity))
    throw invalidOption("requireMfa.toleranceMs", toleranceMs, "0 ms or more");
  if (status !== 401 && status !== 403) throw invalidOption("requireMfa.status", status, "401 or 403");
  const refusal = status === 401 ? problems.stepUpRequired : problems.mfaRequired;
  const maxAge = maxAgeMs === Infinity ? "" : `, max_age=${Math.floor(maxAgeMs / 1000)}`;
  const challenge = `Bearer error="insufficient_user_authentication", error_description="A second factor is required"${maxAge}`;
  return Object.freeze({
    name: "require-mfa",
    meta: Object.freeze({ mfa: maxAgeMs === Infinity ? true : { maxAgeMs } }),
    check(request): Verdict {
      const principal = callerOf(request);
      if (principal === undefined) return deny(problems.unauthenticated());
      const ageMs = clock.now() - provedAt(principal);
      // NaN, from a proof that is missing or not a number, fails both comparisons.
      return ageMs <= maxAgeMs && ageMs >= -toleranceMs ? ALLOW : deny(refusal(), [["www-authenticate", challenge]]);
    },
  } satisfies Guard);
}

function provedAt(principal: Principal): number {
  const mfaAt = own(principal, "mfaAt");
  // A trusted caller vouches for who somebody is, never for what they proved (RBAC-26).
  const isForwarded = own(principal, "via") !== undefined || own(principal, "authMethod") === "forwarded";
  return own(principal, "type") === "user" && !isForwarded && Number.isFinite(mfaAt) ? (mfaAt as number) : Number.NaN; // finite: a number
}
