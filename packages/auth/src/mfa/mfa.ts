import type { AuthResult } from "../auth-result.js";
import type { Login } from "../login/sign-in.js";
import type { ClientContext } from "../sessions/session-data.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { SessionsInvalidated } from "../revocation/end-credentials.js";
import type { Bypasses } from "./bypasses.js";

/** Who proves or enrols a second factor: the holder of a session, or of the token that a login answered with (`MfaChallenge.token`). */
export type MfaCaller = AccessToken | { readonly pendingToken: string };

/** A second factor that is not in force yet. Shown this once. */
export interface Enrolment {
  /** Base32, for typing into an authenticator. */
  readonly secret: string;
  /** For a QR code. */
  readonly uri: string;
  /** Ten codes for whoever loses the authenticator, each good once; in force together with the factor. */
  readonly backupCodes: readonly string[];
  /** Epoch ms: the first code must be sent before. */
  readonly expiresAt: number;
}

/** What somebody may know of their second factor. */
export interface MfaStatus {
  readonly enrolled: boolean;
  /** Whether their roles need one. */
  readonly required: boolean;
  /** Epoch ms. */
  readonly enrolledAt: number | undefined;
  readonly backupCodesLeft: number;
}

/**
 * Second factors: codes of authenticator apps (TOTP, RFC 6238) and backup codes. Each code passes once, whatever comes in parallel, and
 * wrong ones are counted before they are looked at.
 *
 * "Recently" is within `mfa.recentMs`.
 */
export interface Mfa {
  /**
   * Makes a second factor that comes into force with its first code. With a factor in force, another takes its place then.
   *
   * Denied: `stepUpRequired`: with a factor in force, it must have been proven recently; without one, the session must be a recent
   * one, or the password is given. `invalidCredentials`, `accountLocked`, `invalidToken`, `sessionRevoked`.
   */
  enroll(caller: MfaCaller, proof?: { readonly password?: string | undefined }): Promise<AuthResult<Enrolment>>;
  /**
   * Takes a code and opens a new session that has proved the second factor; the session before it, if any, ends. The first code of a new
   * factor puts it in force, and all sessions from before end.
   *
   * Denied: `codeInvalid` (wrong, or used), `accountLocked`, `mfaNotEnrolled`, `invalidToken`, `sessionRevoked`, `tooManySessions`.
   *
   * @param code Six digits, or a backup code; spaces, hyphens and lower case are as good.
   */
  verify(caller: MfaCaller, code: string, client?: ClientContext): Promise<AuthResult<Login>>;
  /**
   * Ten new backup codes, shown this once; the old ones end. Denied: `stepUpRequired` (the factor was not proven recently),
   * `mfaNotEnrolled`.
   */
  replaceBackupCodes(token: AccessToken): Promise<AuthResult<readonly string[]>>;
  /**
   * Takes the caller's second factor away and ends all other sessions. Denied: `forbidden` for roles that need one (enrol another
   * instead), `stepUpRequired` without a recent proof (or the password, in a session that proved the factor), `mfaNotEnrolled`.
   */
  disable(token: AccessToken, proof?: { readonly password?: string | undefined }): Promise<AuthResult<{ readonly sessionsEnded: number }>>;
  /** Denied: `notFound`. */
  status(userId: string): Promise<AuthResult<MfaStatus>>;
  /**
   * Takes a user's second factor away and ends everything of theirs: for an administrator, when authenticator and backup codes are lost.
   * Whoever calls it has made sure who asks. Denied: `mfaNotEnrolled`.
   */
  reset(userId: string): Promise<AuthResult<SessionsInvalidated>>;
  readonly bypass: Bypasses;
}
