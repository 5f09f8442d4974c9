// What changes how somebody proves who they are is not open to whoever found a session (ASVS 7.5.1): it wants a proof that is recent.

import { type Clock, hasSecondFactor, problems, type Sessions } from "@portcullis/core";
import { type AuthDenial, denied } from "../auth-result.js";
import { overloaded, type PasswordLogin } from "../login/password-login.js";
import type { PasswordHasher } from "../passwords/password-hasher.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { UserAccount } from "../users/user-directory.js";

/** Says what is missing; `undefined`: nothing. */
export interface RecentProof {
  /** A second factor, proven recently. */
  ofSecondFactor(token: AccessToken): AuthDenial | undefined;
  /** A second factor proven at some time in this session, and it or the password recently. */
  ofFactorOrPassword(token: AccessToken, account: UserAccount, password: string | undefined): Promise<AuthDenial | undefined>;
  /** A login that is recent, or the password now: for whoever has no second factor yet. */
  ofLoginOrPassword(token: AccessToken, account: UserAccount, password: string | undefined): Promise<AuthDenial | undefined>;
}

export function createRecentProof(parts: {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly hasher: PasswordHasher;
  readonly passwordLogin: PasswordLogin;
  readonly recentMs: number;
}): RecentProof {
  const { clock, sessions, hasher, passwordLogin, recentMs } = parts;
  const stepUp = denied(problems.stepUpRequired());
  const logInAgain = denied(problems.stepUpRequired({ detail: "This needs a recent login. Send your current password, or log in again." }));

  async function prove(account: UserAccount, password: string): Promise<AuthDenial | undefined> {
    const place = hasher.enter();
    if (place === undefined) return overloaded();
    try {
      // Counts as a login attempt: a stolen session must not be a way to guess the password without limit.
      const proven = await passwordLogin.prove(place, { email: account.email, password }, {});
      if (proven.kind === "denied") return proven;
      return proven.value.account.id === account.id ? undefined : denied(problems.invalidCredentials());
    } finally {
      place.leave();
    }
  }

  const ofSecondFactor = ({ principal }: AccessToken): AuthDenial | undefined =>
    hasSecondFactor(principal, clock.now(), { maxAgeMs: recentMs }) ? undefined : stepUp;

  return Object.freeze({
    ofSecondFactor,
    async ofFactorOrPassword(token: AccessToken, account: UserAccount, password: string | undefined): Promise<AuthDenial | undefined> {
      const refusal = ofSecondFactor(token);
      if (refusal === undefined || password === undefined) return refusal;
      // The password alone is one factor: it must not be enough to take the second one away.
      return hasSecondFactor(token.principal, clock.now()) ? prove(account, password) : refusal;
    },
    async ofLoginOrPassword(token: AccessToken, account: UserAccount, password: string | undefined): Promise<AuthDenial | undefined> {
      if (password !== undefined) return prove(account, password);
      const session = await sessions.find(token.sessionId);
      if (session === undefined || session.subjectId !== account.id) return denied(problems.sessionRevoked());
      return session.readAt - session.createdAt <= recentMs ? undefined : logInAgain;
    },
  });
}
