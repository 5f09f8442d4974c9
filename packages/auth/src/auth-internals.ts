// What the parts of this package that are built on an Auth (OAuth, socket tickets, account mail, routes) share with it and nobody
// else sees.

import { invalidOption } from "@portcullis/core";
import type { AuthSettings } from "./auth-settings.js";
import type { SessionCookies } from "./cookies/session-cookies.js";
import type { Auth } from "./create-auth.js";
import type { Instruments } from "./instruments.js";
import type { AccountCreation } from "./login/create-account.js";
import type { PasswordLockout } from "./login/password-lockout.js";
import type { PasswordReplacer } from "./login/replace-password.js";
import type { SignInDesk } from "./login/sign-in.js";
import type { Revocations } from "./revocation/revocations.js";
import type { ProgramGate } from "./mfa/program-gate.js";
import type { PasswordHasher } from "./passwords/password-hasher.js";
import type { PasswordPolicy } from "./passwords/password-policy.js";
import type { SystemTokenReader } from "./system-tokens/create-system-tokens.js";
import type { Blacklist } from "./revocation/blacklist.js";
import type { TokenIssuer, TokenKinds } from "./tokens/issue-tokens.js";
import type { AccessTokenVerifier } from "./tokens/verify-access-token.js";

/** The inside of an {@link Auth}. */
export interface AuthInternals extends SystemTokenReader {
  readonly settings: AuthSettings;
  readonly instruments: Instruments;
  readonly kinds: TokenKinds;
  readonly issuer: TokenIssuer;
  readonly blacklist: Blacklist;
  readonly hasher: PasswordHasher;
  readonly signIn: SignInDesk;
  readonly revocations: Revocations;
  readonly verifyAgain: AccessTokenVerifier["verifyAgain"];
  /** `undefined` where browsers get no cookies. */
  readonly cookies: SessionCookies | undefined;
  readonly lockout: PasswordLockout;
  readonly policy: PasswordPolicy;
  readonly replacePassword: PasswordReplacer;
  readonly accounts: AccountCreation;
  /** Whether programs are let in: for verifiers of system tokens. Without `mfa`: absent. */
  readonly programs: ProgramGate | undefined;
}

const known = new WeakMap<Auth, AuthInternals>();

export function rememberInternals(auth: Auth, internals: AuthInternals): Auth {
  known.set(auth, internals);
  return auth;
}

/** @param option Whose option the auth was given as. @throws {ConfigurationError} `invalid_option`: not made by `createAuth`. */
export function internalsOf(option: string, auth: Auth): AuthInternals {
  const internals = known.get(auth);
  if (internals === undefined) throw invalidOption(option, auth, "what createAuth returned, unwrapped");
  return internals;
}
