import { invalidOption } from "../problem/errors.js";
import { problems } from "../problem/catalogue.js";
import { type Clock, systemClock } from "../runtime/clock.js";
import { own, ownOptions } from "../runtime/own-options.js";
import { callerOf } from "./caller.js";
import { ALLOW, deny, type Guard, type Verdict } from "./guard.js";
import type { Principal } from "./principal.js";

/** How recent a proof must be. */
export interface MfaProofBounds {
  /** How old it may be, ms; at exactly this age it still counts. Absent: any proof of this login counts. */
  readonly maxAgeMs?: number;
  /** How far in the future it may lie, for clocks that differ; default 60,000 ms. */
  readonly toleranceMs?: number;
}

/** What a second-factor guard may be told. */
export interface RequireMfaOptions extends MfaProofBounds {
  /** What a missing or stale proof is answered with: 401 (default), as RFC 9470 has it, or 403 for clients that log out on any 401. */
  readonly status?: 401 | 403;
  readonly clock?: Clock;
}

const DEFAULT_TOLERANCE_MS = 60_000;

/**
 * Lets a request pass whose user proved a second factor, or whose service has a bypass in force; 401 without a principal, 401
 * `stepUpRequired` (or 403 `mfaRequired`, by `status`) with an RFC 9470 challenge otherwise.
 *
 * Other programs have no second factor and are denied, and so is an identity that only a trusted caller vouches for.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @see RFC 9470 §3
 * @example
 * ```ts
 * import { createFacts, principalFact, requireMfa, userPrincipal } from "@portcullis/core";
 *
 * const guard = requireMfa({ maxAgeMs: 15 * 60_000 });
 * const facts = createFacts();
 * facts.set(principalFact, userPrincipal({ id: "ada", roles: ["admin"], mfaAt: Date.now() }));
 * const request = { facts } as Parameters<typeof guard.check>[0]; // it reads nothing else
 * console.log(guard.check(request)); // { kind: 'allow' }
 * ```
 */
export function requireMfa(options: RequireMfaOptions = {}): Guard {
  const {
    maxAgeMs = Infinity,
    toleranceMs = DEFAULT_TOLERANCE_MS,
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
  const bounds = Object.freeze({ maxAgeMs, toleranceMs });
  return Object.freeze({
    name: "require-mfa",
    meta: Object.freeze({ mfa: maxAgeMs === Infinity ? true : { maxAgeMs } }),
    check(request): Verdict {
      const principal = callerOf(request);
      if (principal === undefined) return deny(problems.unauthenticated());
      return hasSecondFactor(principal, clock.now(), bounds) ? ALLOW : deny(refusal(), [["www-authenticate", challenge]]);
    },
  } satisfies Guard);
}

/**
 * Whether a principal proved a second factor, within the bounds; or is a program with a bypass in force (until `expiresAt`, exclusive).
 * Never so for an identity that only a trusted caller vouches for: who vouches says who somebody is, never what they proved (RBAC-26).
 *
 * @param nowMs Epoch ms.
 */
export function hasSecondFactor(principal: Principal, nowMs: number, bounds: MfaProofBounds = {}): boolean {
  if (own(principal, "via") !== undefined || own(principal, "authMethod") === "forwarded") return false;
  if (own(principal, "type") !== "user") return hasBypass(principal, nowMs);
  const mfaAt = own(principal, "mfaAt");
  if (typeof mfaAt !== "number" || !Number.isFinite(mfaAt)) return false;
  const ageMs = nowMs - mfaAt;
  // Own properties only, as everywhere here: an inherited bound of a polluted prototype must not make a proof younger.
  const { maxAgeMs = Infinity, toleranceMs = DEFAULT_TOLERANCE_MS } = ownOptions("hasSecondFactor", bounds, ["maxAgeMs", "toleranceMs"]);
  return ageMs <= maxAgeMs && ageMs >= -toleranceMs;
}

function hasBypass(principal: Principal, nowMs: number): boolean {
  const bypass = own(principal, "mfaBypass");
  if (typeof bypass !== "object" || bypass === null) return false;
  const [id, expiresAt] = [own(bypass, "id"), own(bypass, "expiresAt")];
  return typeof id === "string" && id !== "" && typeof expiresAt === "number" && nowMs < expiresAt;
}
