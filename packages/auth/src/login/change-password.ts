import { problems } from "@portcullis/core";
import { denied, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { PasswordHasher } from "../passwords/password-hasher.js";
import type { PasswordPolicy } from "../passwords/password-policy.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { TokenIssuer } from "../tokens/issue-tokens.js";
import { toTokenSubject } from "../tokens/token-subject.js";
import type { ClientContext } from "../sessions/session-data.js";
import type { TokenPair } from "../tokens/token-pair.js";
import { overloaded, type PasswordLogin } from "./password-login.js";
import type { PasswordReplacer } from "./replace-password.js";

/** The password there is, and the one there will be. */
export interface PasswordChange {
  readonly currentPassword: string;
  readonly newPassword: string;
}

/** Changes a password; ends every session and opens a new one. */
export type PasswordChanger = (token: AccessToken, change: PasswordChange, client?: ClientContext) => Promise<AuthResult<TokenPair>>;

export function createPasswordChanger(
  settings: AuthSettings,
  hasher: PasswordHasher,
  policy: PasswordPolicy,
  replace: PasswordReplacer,
  passwordLogin: PasswordLogin,
  issuer: TokenIssuer,
  instruments: Instruments,
): PasswordChanger {
  const { users } = settings;

  return async (token, { currentPassword, newPassword }, client = {}) => {
    const userId = token.principal.id;
    const problem = await policy(newPassword, "/new_password");
    if (problem !== undefined) return denied(problem);
    if (newPassword === currentPassword) {
      return denied(
        problems.validation({
          extensions: { errors: [{ in: "body", pointer: "/new_password", message: "Use another password than the current one." }] },
        }),
      );
    }
    const owner = await users.byId(userId);
    if (owner === undefined) return denied(problems.sessionRevoked());

    const place = hasher.enter();
    if (place === undefined) return overloaded();
    try {
      // Counts as a login attempt: a stolen session must not be a way to guess the password without limit.
      const proven = await passwordLogin.prove(place, { email: owner.email, password: currentPassword }, client);
      if (proven.kind === "denied") return proven;
      const { account } = proven.value;
      // A directory may know the address in another spelling, or it changed hands meanwhile: the password is another account's.
      if (account.id !== userId) return denied(problems.invalidCredentials());
      const passwordHash = await hasher.hash(place, newPassword);
      const state = await replace(account, passwordHash);
      if (state === undefined) return denied(problems.versionConflict());
      instruments.emit({ kind: "password_changed", userId });
      // The second factor was proven by this same person: the new session keeps it.
      const proof = { amr: token.amr, mfaAt: token.principal.mfaAt, client };
      return await issuer.open(toTokenSubject({ ...account, passwordHash, mustChangePassword: false }), state, proof);
    } finally {
      place.leave();
    }
  };
}
