import { problems, type MaybePromise } from "@portcullis/core";
import { createApiKeyRing, type ApiKeyRing } from "./api-keys/api-key-ring.js";
import { createServiceAccounts, type ServiceAccounts } from "./api-keys/service-accounts.js";
import { denied, type AuthResult } from "./auth-result.js";
import { rememberInternals } from "./auth-internals.js";
import { readAuthOptions, type AuthOptions } from "./auth-settings.js";
import { AuthError } from "./errors.js";
import { Instruments } from "./instruments.js";
import { createPasswordChanger, type PasswordChange } from "./login/change-password.js";
import { createAccountCreation, type NewAccount } from "./login/create-account.js";
import { createLockout } from "./login/lockout.js";
import { createPasswordLogin, overloaded, type LoginRequest } from "./login/password-login.js";
import { createSignInDesk, type LoginResult } from "./login/sign-in.js";
import { createBypasses } from "./mfa/bypasses.js";
import { createMfa, createMfaParts } from "./mfa/create-mfa.js";
import { createSessionEnding } from "./mfa/end-sessions.js";
import type { Mfa } from "./mfa/mfa.js";
import { createProgramGate } from "./mfa/program-gate.js";
import { createPasswordHasher } from "./passwords/password-hasher.js";
import { isTooLong } from "./passwords/password-policy.js";
import type { ClientContext, SessionDetails } from "./sessions/session-data.js";
import type { AccessToken } from "./tokens/access-token.js";
import { createBlacklist } from "./tokens/blacklist.js";
import { createTokenIssuer, createTokenKinds } from "./tokens/issue-tokens.js";
import { createTokenRefresher } from "./tokens/refresh-tokens.js";
import { createRevocation, type SessionsInvalidated } from "./tokens/revocation.js";
import type { TokenPair, TokenSubject } from "./tokens/token-pair.js";
import { createAccessTokenVerifier } from "./tokens/verify-access-token.js";
import type { UserAccount, UserDirectory } from "./users/user-directory.js";

/**
 * Who is calling. Denials are values; a store that does not answer is a `StoreUnavailable`, and nobody is let in by it.
 * All methods may be called concurrently, from any number of processes on one store.
 */
export interface Auth {
  readonly users: UserDirectory;
  readonly apiKeys: ApiKeyRing;
  readonly serviceAccounts: ServiceAccounts;
  /** Second factors; `undefined` without the option `mfa`. */
  readonly mfa: Mfa | undefined;
  /**
   * Proves a password and opens a session.
   *
   * Denied: `invalidCredentials` (one answer for every cause, in the same time), `accountLocked` with `retryAfter` (the same
   * for accounts that do not exist, and for the right password), `serviceUnavailable` when too many are waiting.
   *
   * @param client Shown in the list of sessions.
   */
  login(request: LoginRequest, client?: ClientContext): Promise<LoginResult>;
  /**
   * Exchanges a refresh token, once, for the next pair; what the account says now goes into it.
   *
   * Denied: `refreshReused` (the session is closed then), `sessionRevoked`, `invalidToken`.
   */
  refresh(refreshToken: string): Promise<AuthResult<TokenPair>>;
  /** Ends the session of a token, and the token. Idempotent. */
  logout(token: AccessToken): Promise<void>;
  /** Ends every token and session of the caller, at most three times a minute. Denied: `operationRateLimited`. */
  logoutAll(token: AccessToken): Promise<AuthResult<SessionsInvalidated>>;
  /** Ends every token and session of a user: after taking roles away, for an administrator. Two parallel calls add two to the version. */
  revokeUser(userId: string): Promise<SessionsInvalidated>;
  /** A disabled account can do nothing from this moment on: no login, no token, no API key. Enabling revives no session. */
  setDisabled(userId: string, disabled: boolean): Promise<void>;
  /** Verifies an access token completely: signature, time, revocation. Answers without a promise while the store does. */
  verifyAccessToken(token: string): MaybePromise<AuthResult<AccessToken>>;
  /**
   * Opens a session for somebody whom the application has proven by other means.
   *
   * @param details How it was proven, and from where; default: not said.
   * @throws {AuthError} `invalid_account`, `token_too_large`, `too_many_sessions`: no session was opened.
   */
  createTokenPair(subject: TokenSubject, details?: Partial<SessionDetails>): Promise<TokenPair>;
  /** Changes the caller's password: every session and token ends, and the pair of a new session comes back. */
  changePassword(token: AccessToken, change: PasswordChange, client?: ClientContext): Promise<AuthResult<TokenPair>>;
  /** Makes an account. Whoever calls it decides about the roles: check that they may. Denied: `conflict`, `validation`. */
  createAccount(account: NewAccount): Promise<AuthResult<UserAccount>>;
  /** Makes the very first account, and only that: of any number of parallel calls one succeeds. Denied: `conflict`, `validation`. */
  setup(account: NewAccount): Promise<AuthResult<UserAccount>>;
  /** Hashes a password for a directory of your own. Denied: `validation` (too long), `serviceUnavailable`. */
  hashPassword(password: string): Promise<AuthResult<string>>;
}

/**
 * Builds authentication.
 *
 * @throws {ConfigurationError} `invalid_option`: names the option and what it accepts. A weak or repeated secret, a PEM or
 *   JWK in place of one, and a pepper that is also a secret are refused here, not at the first request.
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createAuth, createUserDirectory } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const auth = createAuth({
 *   store,
 *   users: createUserDirectory({ store }),
 *   secrets: randomBytes(48).toString("base64"), // from your configuration: "new,old"
 *   apiKeyPeppers: randomBytes(48).toString("base64"),
 * });
 *
 * await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["admin"] });
 * const login = await auth.login({ email: "ada@example.com", password: "correct horse battery" });
 * if (login.kind === "ok") {
 *   const verified = await auth.verifyAccessToken(login.value.tokens.accessToken);
 *   console.log(verified.kind === "ok" && verified.value.principal.roles); // [ 'admin' ]
 * }
 * ```
 */
export function createAuth(options: AuthOptions): Auth {
  const settings = readAuthOptions(options);
  const { store, users, passwords, random, secrets } = settings;
  const instruments = new Instruments(settings.metrics, settings.onEvent);
  const kinds = createTokenKinds(settings);
  const blacklist = createBlacklist(store.tickets);
  const issuer = createTokenIssuer(settings, kinds, instruments);
  const hasher = createPasswordHasher(passwords, random, (depth) => instruments.queueDepth(depth));
  const lockout = createLockout(store.counters, settings.lockout, secrets.current, "password", instruments);
  const mfa = createMfaParts(settings, instruments);
  const signIn = createSignInDesk(issuer, instruments, mfa?.gate);
  const passwordLogin = createPasswordLogin(settings, hasher, lockout, signIn, instruments);
  const { logout, logoutAll, revokeUser, setDisabled } = createRevocation(settings, blacklist, instruments);
  const bypasses = createBypasses(settings, instruments);
  const programs = mfa === undefined ? undefined : createProgramGate(mfa.mfa, bypasses, instruments);
  const { ring, owned } = createApiKeyRing(settings, instruments, programs);
  const sessions = createSessionEnding(settings, blacklist, instruments, revokeUser);
  const { createAccount, setup } = createAccountCreation(settings, hasher, instruments);

  const auth: Auth = Object.freeze({
    users,
    apiKeys: ring,
    serviceAccounts: createServiceAccounts(settings, owned, setDisabled, instruments),
    mfa: mfa === undefined ? undefined : createMfa(settings, mfa, { instruments, issuer, hasher, passwordLogin, sessions, bypasses }),
    login: passwordLogin.login,
    refresh: createTokenRefresher(settings, kinds, issuer, instruments),
    logout,
    logoutAll,
    revokeUser,
    setDisabled,
    verifyAccessToken: createAccessTokenVerifier(settings, kinds, blacklist, instruments),
    async createTokenPair(subject: TokenSubject, { amr = [], mfaAt, client = {} }: Partial<SessionDetails> = {}): Promise<TokenPair> {
      const opened = await issuer.open(subject, await store.subjects.read(subject.userId), { amr, mfaAt, client });
      if (opened.kind === "ok") return opened.value;
      throw new AuthError("too_many_sessions", "The user has as many sessions as sessions.max allows. End one of them first.");
    },
    changePassword: createPasswordChanger(settings, hasher, passwordLogin, issuer, instruments),
    createAccount,
    setup,
    async hashPassword(password: string): Promise<AuthResult<string>> {
      if (isTooLong(password, passwords)) return denied(problems.validation());
      const place = hasher.enter();
      if (place === undefined) return overloaded();
      try {
        return { kind: "ok", value: await hasher.hash(place, password) };
      } finally {
        place.leave();
      }
    },
  });
  return rememberInternals(auth, { settings, instruments, kinds, issuer, hasher, signIn, programs });
}
