// Whether a code is right, and that it is right only once. Guesses are counted before they are looked at.

import { type Clock, problems } from "@portcullis/core";
import { type AuthDenial, denied } from "../auth-result.js";
import type { Instruments } from "../instruments.js";
import type { Lockout } from "../login/lockout.js";
import { BACKUP_CODE, type BackupCodes } from "./backup-codes.js";
import type { FactorRecords, Factors, FactorsRead } from "./factor-records.js";
import type { MfaFailure, SecondFactor } from "./mfa-event.js";
import type { Sealer } from "./sealed-secret.js";
import { matchStep } from "./totp.js";

/** A code that was right, and is used up. */
export interface CodeAccepted {
  readonly kind: "accepted";
  readonly factor: SecondFactor;
  /** Whether it put a new factor in force. */
  readonly confirmed: boolean;
  readonly backupCodesLeft: number;
}

/**
 * Checks codes.
 *
 * Denied: `mfaNotEnrolled`, `accountLocked`, `codeInvalid` (one answer for wrong and used codes).
 *
 * @param mayReplace Whether a code of a new factor may put it in the place of one that is in force.
 */
export type CodeCheck = (userId: string, code: string, mayReplace: "may_replace" | "may_not_replace") => Promise<CodeAccepted | AuthDenial>;

/** What the check of one code would change. */
interface Match extends CodeAccepted {
  readonly next: Factors;
}

const TOTP_CODE = /^[0-9]{6}$/;

export function createCodeCheck(parts: {
  readonly clock: Clock;
  readonly factors: FactorRecords;
  readonly sealer: Sealer;
  readonly backupCodes: BackupCodes;
  readonly lockout: Lockout;
  readonly instruments: Instruments;
}): CodeCheck {
  const { clock, factors, sealer, backupCodes, lockout, instruments } = parts;

  const fail = (userId: string, reason: MfaFailure, denial: AuthDenial): AuthDenial => {
    instruments.failed("otp", reason);
    instruments.emit({ kind: "mfa_failed", userId, reason });
    return denial;
  };

  function confirm(userId: string, code: string, { toConfirm }: Factors, now: number): Match | undefined {
    if (toConfirm === undefined || now >= toConfirm.expiresAt) return undefined;
    const { secret, backupCodes: codes } = toConfirm;
    const lastStep = matchStep(sealer.open(userId, secret), code, now);
    if (lastStep === undefined) return undefined;
    const active = { secret, lastStep, enrolledAt: now, backupCodes: codes };
    return { kind: "accepted", factor: "totp", confirmed: true, backupCodesLeft: codes.hashes.length, next: { active } };
  }

  function match(userId: string, code: string, known: FactorsRead, mayReplace: boolean): Match | MfaFailure {
    const now = clock.now();
    const { active } = known;
    const isTotp = TOTP_CODE.test(code);
    if (isTotp && (active === undefined || mayReplace)) {
      const confirmed = confirm(userId, code, known, now);
      if (confirmed !== undefined) return confirmed;
    }
    if (active === undefined) return "wrong_code";
    if (isTotp) {
      const secret = sealer.open(userId, active.secret);
      const step = matchStep(secret, code, now);
      if (step === undefined) return "wrong_code";
      // RFC 6238 §5.2: a code passes once. Earlier ones neither, however the clock is set.
      if (step <= active.lastStep) return "used_code";
      const sealed = sealer.isStale(active.secret) ? sealer.seal(userId, secret) : active.secret;
      const next = { ...known, active: { ...active, secret: sealed, lastStep: step } };
      return { kind: "accepted", factor: "totp", confirmed: false, backupCodesLeft: active.backupCodes.hashes.length, next };
    }
    const left = BACKUP_CODE.test(code) ? backupCodes.use(userId, code, active.backupCodes) : undefined;
    if (left === undefined) return "wrong_code";
    const next = { ...known, active: { ...active, backupCodes: left } };
    return { kind: "accepted", factor: "backup_code", confirmed: false, backupCodesLeft: left.hashes.length, next };
  }

  return async (userId, code, mayReplace) => {
    let known = await factors.read(userId);
    const { active, toConfirm } = known;
    if (active === undefined && (toConfirm === undefined || clock.now() >= toConfirm.expiresAt)) return denied(problems.mfaNotEnrolled());
    const hash = lockout.hashOf(userId);
    const attempt = await lockout.reserve(hash);
    if (attempt.kind === "locked") return fail(userId, "locked", denied(problems.accountLocked({ retryAfterMs: attempt.remainingMs })));
    // As people copy them: apps show groups of three digits, we show groups of five characters.
    const plain = code.replaceAll(/[ -]/g, "").toUpperCase();
    for (;;) {
      const found = match(userId, plain, known, mayReplace === "may_replace");
      if (typeof found === "string") {
        // A code that was right is no guess: of two clicks at once, the second must not lock the account.
        if (found === "wrong_code") await lockout.failed(hash, attempt);
        return fail(userId, found, denied(problems.codeInvalid()));
      }
      if (await factors.write(userId, known, found.next)) {
        await lockout.succeeded(hash);
        instruments.succeeded("otp");
        const { next: _next, ...accepted } = found;
        return accepted;
      }
      // Somebody else was faster, perhaps with this very code: look at what they left.
      known = await factors.read(userId);
    }
  };
}
