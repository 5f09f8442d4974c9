import { problems, type SubjectState } from "@portcullis/core";
import { type AuthResult, denied, ok } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { DeviceTokens } from "../login/device-tokens.js";
import { createLockout } from "../login/lockout.js";
import type { PasswordLogin } from "../login/password-login.js";
import type { Login, MfaGate } from "../login/sign-in.js";
import type { PasswordHasher } from "../passwords/password-hasher.js";
import type { ClientContext } from "../sessions/session-data.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { TokenIssuer } from "../tokens/issue-tokens.js";
import type { SessionsInvalidated } from "../revocation/end-credentials.js";
import { toTokenSubject } from "../tokens/token-subject.js";
import { type UserAccount, withoutHash } from "../users/user-directory.js";
import { createBackupCodes } from "./backup-codes.js";
import type { BypassRegister } from "./bypasses.js";
import { type CodeAccepted, createCodeCheck } from "./check-code.js";
import type { SessionEnding } from "./end-sessions.js";
import { createEnrolment } from "./enrolment.js";
import { createFactorRecords, type FactorRecords } from "./factor-records.js";
import type { Mfa } from "./mfa.js";
import { needsMfa } from "./mfa-policy.js";
import type { MfaSettings } from "./mfa-settings.js";
import { createPendingLogins, type PendingLogins } from "./pending-logins.js";
import { createRecentProof } from "./recent-proof.js";
import { createSealer } from "./sealed-secret.js";

/** What must be there before logins are: the gate that they pass, and what it shares with the rest. */
export interface MfaParts {
  readonly mfa: MfaSettings;
  readonly factors: FactorRecords;
  readonly pending: PendingLogins;
  /** Lets nobody past who has a second factor, or needs one, with the first one alone. */
  readonly gate: MfaGate;
}

/** @returns `undefined` without the option `mfa`. */
export function createMfaParts(settings: AuthSettings, instruments: Instruments): MfaParts | undefined {
  const { clock, mfa, store } = settings;
  if (mfa === undefined) return undefined;
  const factors = createFactorRecords(store.records);
  const pending = createPendingLogins(settings, mfa.pendingTtlMs);
  const gate: MfaGate = async (account, state, proof) => {
    if (proof.mfaAt !== undefined) return undefined;
    const enrolled = (await factors.read(account.id)).active !== undefined;
    if (!enrolled && !needsMfa(mfa, account)) return undefined;
    instruments.emit({ kind: "mfa_challenged", userId: account.id, enrolled });
    return Object.freeze({ ...pending.create(account.id, state, proof.amr, clock.now()), enrolled });
  };
  return Object.freeze({ mfa, factors, pending, gate });
}

export function createMfa(
  settings: AuthSettings,
  { mfa, factors, pending }: MfaParts,
  parts: {
    readonly instruments: Instruments;
    readonly issuer: TokenIssuer;
    readonly hasher: PasswordHasher;
    readonly passwordLogin: PasswordLogin;
    readonly sessions: SessionEnding;
    readonly bypasses: BypassRegister;
    readonly devices: DeviceTokens | undefined;
  },
): Mfa {
  const { clock, random, secrets, store, users } = settings;
  const { instruments, issuer, hasher, passwordLogin, sessions, bypasses, devices } = parts;
  const sealer = createSealer(mfa.keys, "totp", random);
  const backupCodes = createBackupCodes(mfa.keys, random);
  const lockout = createLockout(store.counters, mfa.lockout, secrets.current, "otp", instruments);
  const check = createCodeCheck({ clock, factors, sealer, backupCodes, lockout, instruments });
  const recent = createRecentProof({ clock, sessions: store.sessions, hasher, passwordLogin, recentMs: mfa.recentMs });
  const { endOthers } = sessions;
  const enrolment = createEnrolment({
    ...{ mfa, clock, random, users, factors, sealer, backupCodes, pending, recent, instruments, endOthers },
  });

  /** @param state Read before the code was checked, so that a revocation meanwhile wins. */
  async function open(
    account: UserAccount,
    state: SubjectState,
    firstFactor: readonly string[],
    accepted: CodeAccepted,
    client: ClientContext,
  ): Promise<AuthResult<Login>> {
    const { id: userId } = account;
    let current = state;
    if (accepted.confirmed) {
      // Sessions from before the factor are over, and so are logins under way that have not seen it: their state is of now.
      const { tokenVersion } = await sessions.revokeUser(userId);
      if (tokenVersion !== state.tokenVersion + 1) return denied(problems.sessionRevoked());
      current = { ...state, tokenVersion };
    }
    const amr = [...firstFactor.filter((method) => method !== "otp" && method !== "mfa"), "otp", "mfa"];
    const opened = await issuer.open(toTokenSubject(account), current, { amr, mfaAt: clock.now(), client });
    if (opened.kind === "denied") return opened;
    const { sessionId } = opened.value;
    const { factor, backupCodesLeft } = accepted;
    if (accepted.confirmed) instruments.emit({ kind: "mfa_enrolled", userId, sessionId });
    instruments.emit({ kind: "mfa_verified", userId, sessionId, factor, backupCodesLeft });
    return ok({ tokens: opened.value, account: withoutHash(account) });
  }

  async function completeLogin(token: string, code: string, client: ClientContext): Promise<AuthResult<Login>> {
    const opened = await pending.open(token);
    if (opened.kind === "denied") return opened;
    const { userId, state, amr } = opened.value;
    const account = await users.byId(userId);
    if (account?.type !== "user") return denied(problems.sessionRevoked());
    const accepted = await check(userId, code, "may_not_replace");
    if (accepted.kind === "denied") return accepted;
    // Two codes that are both right must not make two sessions of one login.
    if (!(await pending.consume(opened.value))) return denied(problems.invalidToken());
    const login = await open(account, state, amr, accepted, client);
    if (login.kind === "denied") {
      await pending.release(opened.value);
      return login;
    }
    instruments.emit({ kind: "login_succeeded", userId, sessionId: login.value.tokens.sessionId });
    // Whom strangers keep out first are those who have a second factor: administrators.
    return devices === undefined ? login : ok({ ...login.value, deviceToken: devices.issue(account.email, state.passwordVersion) });
  }

  async function stepUp(token: AccessToken, code: string, client: ClientContext): Promise<AuthResult<Login>> {
    const { id: userId, tokenVersion } = token.principal;
    const state = await store.subjects.read(userId);
    if (state.disabled || state.tokenVersion !== tokenVersion) return denied(problems.sessionRevoked());
    const account = await users.byId(userId);
    if (account?.type !== "user") return denied(problems.sessionRevoked());
    const accepted = await check(userId, code, "may_replace");
    if (accepted.kind === "denied") return accepted;
    // Ended first, and by one caller only: a logout meanwhile wins, a cap on sessions has room, and one session never becomes two.
    if (!(await sessions.end(token))) return denied(problems.sessionRevoked());
    return open(account, state, token.amr, accepted, client);
  }

  return Object.freeze({
    ...enrolment,
    verify: (caller, code, client = {}) =>
      "pendingToken" in caller ? completeLogin(caller.pendingToken, code, client) : stepUp(caller, code, client),
    async reset(userId: string): Promise<AuthResult<SessionsInvalidated>> {
      const known = await factors.read(userId);
      if (known.revision === 0) return denied(problems.mfaNotEnrolled());
      if (!(await factors.remove(userId, known))) return denied(problems.versionConflict());
      const ended = await sessions.revokeUser(userId);
      instruments.emit({ kind: "mfa_disabled", userId, by: "administrator" });
      return ok(ended);
    },
    bypass: Object.freeze({ grant: bypasses.grant, list: bypasses.list, revoke: bypasses.revoke }),
  } satisfies Mfa);
}
