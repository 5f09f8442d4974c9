import {
  ALLOW,
  type Clock,
  deny,
  type Guard,
  invalidOption,
  type Principal,
  principalFact,
  problems,
  systemClock,
  type Verdict,
} from "@portcullis/core";
import { ownOptions } from "../own-options.js";

/** What a second-factor guard may be told. */
export interface RequireMfaOptions {
  /** How old the proof may be, ms; at exactly this age it still counts. Absent: any proof of this login counts. */
  readonly maxAgeMs?: number;
  /** How far in the future a proof may lie, for clocks that differ; default 60,000 ms. */
  readonly toleranceMs?: number;
  readonly clock?: Clock;
}

/**
 * Lets a request pass whose user proved a second factor; 401 without a principal, 403 `mfaRequired` with an RFC 9470 challenge otherwise.
 *
 * API keys, services and the system have no second factor and are denied.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @see RFC 9470 §3
 */
export function requireMfa(options: RequireMfaOptions = {}): Guard {
  const {
    maxAgeMs = Infinity,
    toleranceMs = 60_000,
    clock = systemClock,
  } = ownOptions("requireMfa", options, ["maxAgeMs", "toleranceMs", "clock"]);
  if (typeof maxAgeMs !== "number" || !(maxAgeMs > 0)) throw invalidOption("requireMfa.maxAgeMs", maxAgeMs, "more than 0 ms");
  if (typeof toleranceMs !== "number" || !(toleranceMs >= 0 && toleranceMs < Infinity))
    throw invalidOption("requireMfa.toleranceMs", toleranceMs, "0 ms or more");
  const maxAge = maxAgeMs === Infinity ? "" : `, max_age=${Math.floor(maxAgeMs / 1000)}`;
  const challenge = `Bearer error="insufficient_user_authentication", error_description="A second factor is required"${maxAge}`;
  return Object.freeze({
    name: "require-mfa",
    meta: Object.freeze({ mfa: maxAgeMs === Infinity ? true : { maxAgeMs } }),
    check(request): Verdict {
      const principal = request.facts.get(principalFact);
      if (principal === undefined) return deny(problems.unauthenticated());
      const ageMs = clock.now() - provedAt(principal);
      // NaN, from a proof that is missing or not a number, fails both comparisons.
      return ageMs <= maxAgeMs && ageMs >= -toleranceMs ? ALLOW : deny(problems.mfaRequired(), [["www-authenticate", challenge]]);
    },
  } satisfies Guard);
}

function provedAt(principal: Principal): number {
  return principal.type === "user" && typeof principal.mfaAt === "number" ? principal.mfaAt : Number.NaN;
}
