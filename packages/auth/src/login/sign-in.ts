// Where every way to prove who one is ends: password, another provider, a second factor. One place decides whether that was enough.

import { type MaybePromise, problems, type SubjectState } from "@portcullis/core";
import { denied, ok, type AuthDenial } from "../auth-result.js";
import type { Instruments } from "../instruments.js";
import type { DeviceTokens } from "./device-tokens.js";
import type { ClientContext, LoginProof } from "../sessions/session-data.js";
import type { TokenIssuer } from "../tokens/issue-tokens.js";
import type { TokenPair } from "../tokens/token-pair.js";
import { toTokenSubject } from "../tokens/token-subject.js";
import { type AccountInfo, type UserAccount, withoutHash } from "../users/user-directory.js";

/** A login that succeeded. */
export interface Login {
  readonly tokens: TokenPair;
  readonly account: AccountInfo;
  /** Sent with the next login it says that this device is known; only with `lockout.deviceTtlMs`. */
  readonly deviceToken?: string;
}

/** A login whose first factor was right and that wants a second. */
export interface MfaChallenge {
  /** Opens nothing but the routes that enrol and verify a second factor. */
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** Whether the account has a second factor to verify; otherwise it has to enrol one first. */
  readonly enrolled: boolean;
}

/** What came of a login. */
export type LoginResult =
  | { readonly kind: "ok"; readonly value: Login }
  | { readonly kind: "mfa_required"; readonly challenge: MfaChallenge }
  | AuthDenial;

/** Says whether a proof is enough for an account. @returns `undefined` when it is. */
export type MfaGate = (account: UserAccount, state: SubjectState, proof: LoginProof) => MaybePromise<MfaChallenge | undefined>;

/** Opens sessions for people who have proven who they are. */
export interface SignInDesk {
  /** @param state Read before the proof was checked, so that a revocation meanwhile wins. */
  complete(account: UserAccount, state: SubjectState, proof: LoginProof, client: ClientContext): Promise<LoginResult>;
}

export function createSignInDesk(issuer: TokenIssuer, instruments: Instruments, gate?: MfaGate, devices?: DeviceTokens): SignInDesk {
  return Object.freeze({
    async complete(account: UserAccount, state: SubjectState, proof: LoginProof, client: ClientContext): Promise<LoginResult> {
      // A service has keys only (AUTH-M4), whatever way in was found for it.
      if (account.type !== "user") return denied(problems.invalidCredentials());
      const challenge = await gate?.(account, state, proof);
      if (challenge !== undefined) return Object.freeze({ kind: "mfa_required", challenge });
      const opened = await issuer.open(toTokenSubject(account), state, { ...proof, client });
      if (opened.kind === "denied") return opened;
      instruments.emit({ kind: "login_succeeded", userId: account.id, sessionId: opened.value.sessionId });
      const login = { tokens: opened.value, account: withoutHash(account) };
      return ok(devices === undefined ? login : { ...login, deviceToken: devices.issue(account.email, state.passwordVersion) });
    },
  });
}
