import { DAY_MS, integer, MINUTE_MS, SECOND_MS } from "../settings/option-checks.js";

/** When failed logins lock an account. */
export interface LockoutSettings {
  /** Failures within the window that lock; default 5; 1 to 100. */
  readonly threshold: number;
  /** Ms from the first failure in which failures add up; default 15 min; 1 s to 24 h. */
  readonly windowMs: number;
  /** Ms that a lock holds; default 15 min; 1 s to 24 h. */
  readonly durationMs: number;
}

const DEFAULTS: LockoutSettings = Object.freeze({ threshold: 5, windowMs: 15 * MINUTE_MS, durationMs: 15 * MINUTE_MS });

/** @throws {ConfigurationError} `invalid_option` */
export function readLockout(options: Partial<LockoutSettings> = {}): LockoutSettings {
  const { threshold, windowMs, durationMs } = { ...DEFAULTS, ...options };
  return Object.freeze({
    threshold: integer("lockout.threshold", threshold, 1, 100),
    windowMs: integer("lockout.windowMs", windowMs, SECOND_MS, DAY_MS),
    durationMs: integer("lockout.durationMs", durationMs, SECOND_MS, DAY_MS),
  });
}
