import { invalidOption, ownOptions } from "@portcullis/core";
import { createSecretRing, type SecretRing } from "../jwt/secret-ring.js";
import { type LockoutSettings, readLockout } from "../login/lockout-settings.js";
import { HOUR_MS, integer, MINUTE_MS, SECOND_MS } from "../settings/option-checks.js";

/** Second factors: who needs one, and what keeps them. */
export interface MfaOptions {
  /**
   * Secrets that seal the authenticators' secrets at rest and that backup codes are hashed with; form and rules of `secrets`, none of
   * them also there or in `apiKeyPeppers`. To rotate, put the new one first; what an old one sealed is sealed anew at its next use.
   * Whoever used no code while an old one was listed must enrol again once it is dropped, and backup codes must be made again. No default.
   */
  readonly keys: string | readonly string[];
  /** What the authenticator shows above the code; 1 to 64 characters, no colon; default `Portcullis`. */
  readonly issuerName?: string;
  /** Roles, and roles within an organisation, that nobody uses without a second factor; default `admin` and `owner`. */
  readonly requiredRoles?: readonly string[];
  /** Life of the token between the first factor and the second, ms; default 5 min; 1 s to 15 min. */
  readonly pendingTtlMs?: number;
  /** How long an enrolment waits for its first code, ms; default 10 min; 1 s to 1 h. */
  readonly enrolmentTtlMs?: number;
  /** How old a proof may be that changes second factors, ms; default 10 min; 1 s to 1 h. */
  readonly recentMs?: number;
  /** When wrong codes lock the second factor; counted apart from passwords. Default: as `lockout`. */
  readonly lockout?: Partial<LockoutSettings>;
}

/** {@link MfaOptions} with every default filled in. */
export interface MfaSettings {
  readonly keys: SecretRing;
  readonly issuerName: string;
  readonly requiredRoles: ReadonlySet<string>;
  readonly pendingTtlMs: number;
  readonly enrolmentTtlMs: number;
  readonly recentMs: number;
  readonly lockout: LockoutSettings;
}

const DEFAULTS = Object.freeze({
  issuerName: "Portcullis",
  requiredRoles: Object.freeze(["admin", "owner"]),
  pendingTtlMs: 5 * MINUTE_MS,
  enrolmentTtlMs: 10 * MINUTE_MS,
  recentMs: 10 * MINUTE_MS,
});
const NAMES = Object.freeze(["keys", "issuerName", "requiredRoles", "pendingTtlMs", "enrolmentTtlMs", "recentMs", "lockout"] as const);
// A colon parts issuer and account in the label, however it is written (Key URI Format).
const ISSUER_NAME = /^[^:\p{C}]{1,64}$/u;

/**
 * @param others Rings whose entries serve another purpose.
 * @throws {ConfigurationError} `invalid_option`
 */
export function readMfa(given: MfaOptions | undefined, lockout: LockoutSettings, others: readonly SecretRing[]): MfaSettings | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object" || given === null) throw invalidOption("mfa", given, "an object of options");
  const options = ownOptions("mfa", given, NAMES);
  const { issuerName, requiredRoles, pendingTtlMs, enrolmentTtlMs, recentMs } = { ...DEFAULTS, ...defined(options) };
  const keys = createSecretRing("mfa.keys", options.keys as MfaOptions["keys"]);
  // One key for two purposes lets what one of them shows be used against the other.
  if (keys.all.some(({ id }) => others.some((ring) => ring.byId(id) !== undefined))) {
    throw invalidOption("mfa.keys", options.keys, "other than the entries of secrets and apiKeyPeppers");
  }
  if (typeof issuerName !== "string" || !ISSUER_NAME.test(issuerName) || issuerName.trim() !== issuerName) {
    throw invalidOption("mfa.issuerName", issuerName, "1 to 64 characters without a colon, control characters and white space around it");
  }
  if (!Array.isArray(requiredRoles) || requiredRoles.some((role) => typeof role !== "string" || role === "")) {
    throw invalidOption("mfa.requiredRoles", requiredRoles, "a list of roles");
  }
  return Object.freeze({
    keys,
    issuerName,
    requiredRoles: new Set(requiredRoles as readonly string[]), // each was looked at
    pendingTtlMs: integer("mfa.pendingTtlMs", pendingTtlMs, SECOND_MS, 15 * MINUTE_MS),
    enrolmentTtlMs: integer("mfa.enrolmentTtlMs", enrolmentTtlMs, SECOND_MS, HOUR_MS),
    recentMs: integer("mfa.recentMs", recentMs, SECOND_MS, HOUR_MS),
    lockout: readCodeLockout(lockout, options.lockout),
  });
}

// What bounds an account beside the network counts passwords only: codes are asked for where the account is known.
function readCodeLockout({ threshold, windowMs, durationMs }: LockoutSettings, own: Partial<LockoutSettings> | undefined): LockoutSettings {
  return readLockout({ threshold, windowMs, durationMs, ...own });
}

function defined(options: Partial<MfaOptions>): Partial<MfaOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
