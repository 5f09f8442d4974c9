import { problems, type MaybePromise } from "@portcullis/core";
import { createApiKeyRing, type ApiKeyRing } from "./api-keys/api-key-ring.js";
import { createServiceAccounts, type ServiceAccounts } from "./api-keys/service-accounts.js";
import { denied, type AuthResult } from "./auth-result.js";
import { rememberInternals } from "./auth-internals.js";
import { readAuthOptions, type AuthOptions } from "./auth-settings.js";
import { createSessionCookies } from "./cookies/session-cookies.js";
import { AuthError } from "./errors.js";
import { Instruments } from "./instruments.js";
import { createPasswordChanger, type PasswordChange } from "./login/change-password.js";
import { createAccountCreation, type NewAccount } from "./login/create-account.js";
import { createPasswordLockout, type LoginClient } from "./login/password-lockout.js";
import { createPasswordLogin, overloaded, type LoginRequest } from "./login/password-login.js";
import { createPasswordReplacer } from "./login/replace-password.js";
import { createSignInDesk, type LoginResult } from "./login/sign-in.js";
import { createBypasses } from "./mfa/bypasses.js";
import { createMfa, createMfaParts } from "./mfa/create-mfa.js";
import { createSessionEnding } from "./mfa/end-sessions.js";
import type { Mfa } from "./mfa/mfa.js";
import type { MfaOptions } from "./mfa/mfa-settings.js";
import { createProgramGate } from "./mfa/program-gate.js";
import { createPasswordHasher } from "./passwords/password-hasher.js";
import { createPasswordPolicy, isUnhashable } from "./passwords/password-policy.js";
import { createLogoutByRefresh } from "./sessions/logout-by-refresh.js";
import type { ClientContext, SessionDetails } from "./sessions/session-data.js";
import { createSessionList, type SessionList } from "./sessions/session-list.js";
import { noteUseAfterMs } from "./sessions/session-settings.js";
import { createSessionsEnded } from "./sessions/sessions-ended.js";
import { createSystemTokens, type SystemTokens } from "./system-tokens/create-system-tokens.js";
import type { AccessToken } from "./tokens/access-token.js";
import { createBlacklist } from "./revocation/blacklist.js";
import { type AccountRights, createCredentialEnder, type SessionsInvalidated } from "./revocation/end-credentials.js";
import { createRevocations, type Revoked } from "./revocation/revocations.js";
import { createStandingReader } from "./revocation/standing.js";
import { StandingMemory } from "./revocation/standing-memory.js";
import { createActiveSessions } from "./sessions/active-sessions.js";
import { createTokenIssuer, createTokenKinds } from "./tokens/issue-tokens.js";
import { createTokenRefresher } from "./tokens/refresh-tokens.js";
import type { TokenPair, TokenSubject } from "./tokens/token-pair.js";
import { createAccessTokenVerifier } from "./tokens/verify-access-token.js";
import type { AccountInfo, UserDirectory } from "./users/user-directory.js";

/**
 * Who is calling. Denials are values; a store that does not answer is a `StoreUnavailable`, and nobody is let in by it.
 * All methods may be called concurrently, from any number of processes on one store.
 */
export interface Auth extends SystemTokens {
  readonly users: UserDirectory;
  readonly apiKeys: ApiKeyRing;
  /** The caller's sessions: list them, end one, end all others. */
  readonly sessions: SessionList;
  readonly serviceAccounts: ServiceAccounts;
  /** Second factors; `undefined` without the option `mfa`. */
  readonly mfa: Mfa | undefined;
  /**
   * Proves a password and opens a session.
   *
   * Denied: `invalidCredentials` (one answer for every cause, in the same time), `accountLocked` with `retryAfter` (the same
   * for accounts that do not exist, and for the right password), `serviceUnavailable` when too many are waiting.
   *
   * @param client Shown in the list of sessions. Its address and device token count where `lockout` says so.
   */
  login(request: LoginRequest, client?: LoginClient): Promise<LoginResult>;
  /**
   * Exchanges a refresh token, once, for the next pair; what the account says now goes into it. Sent again within
   * `sessions.refreshGraceMs`, it is answered with the same refresh token, byte for byte, until that is redeemed itself.
   *
   * Denied: `refreshReused` (the session is closed then), `sessionRevoked`, `invalidToken`.
   *
   * @throws {StoreUnavailable} It may have been redeemed or not: sending it again within the grace answers either way.
   */
  refresh(refreshToken: string): Promise<AuthResult<TokenPair>>;
  /** Ends the session of a token, and the token. Idempotent. */
  logout(token: AccessToken): Promise<void>;
  /**
   * Ends the session of a refresh token, whether or not that was redeemed or has expired: for clients whose access token is no longer
   * good. Idempotent. Denied: `invalidToken`, for what is none of ours.
   */
  logoutByRefresh(refreshToken: string): Promise<AuthResult<{ readonly sessionId: string }>>;
  /** Ends every token and session of the caller, at most three times a minute. Denied: `operationRateLimited`. */
  logoutAll(token: AccessToken): Promise<AuthResult<SessionsInvalidated>>;
  /** Ends every token and session of a user: after taking roles away, for an administrator. Two parallel calls add two to the version. */
  revokeUser(userId: string): Promise<SessionsInvalidated>;
  /**
   * Tells that an account's roles changed. `raised`: its access tokens are refused as expired (1003) and refreshed into what it may
   * now, sessions go on. `lowered`: every token and session ends. A change that does both is `lowered`.
   */
  accountChanged(userId: string, change: AccountRights): Promise<void>;
  /** A disabled account can do nothing from this moment on: no login, no token, no API key. Enabling revives no session. */
  setDisabled(userId: string, disabled: boolean): Promise<void>;
  /**
   * Tells of every credential that ends before its time, in this process at once and of other processes as soon as the store's bus
   * brings it: for whatever outlives a request, such as an open socket. Messages can be lost: look at long-lived connections anew
   * (`verifyAccessToken`) from time to time. What the listener throws is dropped.
   *
   * @returns a function that ends the listening.
   * @throws {ConfigurationError} `invalid_option`: the listener is no function.
   */
  onRevoked(listener: (revoked: Revoked) => void): () => void;
  /**
   * Ends the threads that hash passwords and stops listening to other processes, for good; call it before the store's `close`. What ended elsewhere is still noticed within
   * `revocation.maxStalenessMs`. Never rejects; harmless when called again.
   */
  close(): Promise<void>;
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
  createAccount(account: NewAccount): Promise<AuthResult<AccountInfo>>;
  /** Makes the very first account, and only that: of any number of parallel calls one succeeds. Denied: `conflict`, `validation`. */
  setup(account: NewAccount): Promise<AuthResult<AccountInfo>>;
  /** Hashes a password for a directory of your own. Denied: `validation` (too long, not well-formed), `serviceUnavailable`. */
  hashPassword(password: string): Promise<AuthResult<string>>;
}

const TOO_MANY_SESSIONS = problems.tooManySessions().code;

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
export function createAuth(options: AuthOptions & { readonly mfa: MfaOptions }): Auth & { readonly mfa: Mfa };
export function createAuth(options: AuthOptions): Auth;
export function createAuth(options: AuthOptions): Auth {
  const settings = readAuthOptions(options);
  const { store, users, passwords, random } = settings;
  const instruments = new Instruments(settings.metrics, settings.onEvent);
  const kinds = createTokenKinds(settings);
  const blacklist = createBlacklist(store.tickets);
  const activeSessions = createActiveSessions(settings.metrics, settings.clock);
  const standings = new StandingMemory({
    ...settings.revocation,
    read: createStandingReader(settings, blacklist),
    clock: settings.clock,
    noteUseAfterMs: noteUseAfterMs(settings),
    onRemembered: () => revocations.listen(),
    onOutageAnswer: () => instruments.outageAcceptance(),
  });
  const revocations = createRevocations(settings, standings, instruments);
  const verifier = createAccessTokenVerifier(settings, kinds, standings, activeSessions, instruments);
  const sessionsEnded = createSessionsEnded(revocations, instruments);
  const issuer = createTokenIssuer(settings, kinds, instruments, sessionsEnded);
  const hasher = createPasswordHasher(passwords, random, (depth) => instruments.queueDepth(depth));
  const lockout = createPasswordLockout(settings, instruments);
  const policy = createPasswordPolicy(settings, instruments);
  const replacePassword = createPasswordReplacer(settings, revocations);
  const mfa = createMfaParts(settings, instruments);
  const signIn = createSignInDesk(issuer, instruments, mfa?.gate, lockout.devices);
  const passwordLogin = createPasswordLogin(settings, hasher, lockout, signIn, instruments);
  const ender = createCredentialEnder(settings, blacklist, revocations, instruments);
  const bypasses = createBypasses(settings, instruments);
  const programs = mfa === undefined ? undefined : createProgramGate(mfa.mfa, bypasses, instruments);
  const { ring, owned } = createApiKeyRing(settings, instruments, programs);
  const sessions = createSessionEnding(settings, blacklist, revocations, ender.revokeUser);
  const accounts = createAccountCreation(settings, hasher, policy, instruments);
  const { readSystemToken, ...systemTokens } = createSystemTokens(settings, blacklist, issuer.createId, instruments);

  const auth: Auth = Object.freeze({
    ...systemTokens,
    users,
    apiKeys: ring,
    serviceAccounts: createServiceAccounts(settings, owned, ender.setDisabled, instruments),
    mfa:
      mfa === undefined
        ? undefined
        : createMfa(settings, mfa, { instruments, issuer, hasher, passwordLogin, sessions, bypasses, devices: lockout.devices }),
    login: passwordLogin.login,
    sessions: createSessionList(settings, sessionsEnded),
    refresh: createTokenRefresher(settings, kinds, issuer, instruments, sessionsEnded),
    ...ender,
    logoutByRefresh: createLogoutByRefresh(settings, kinds, sessionsEnded),
    onRevoked: revocations.onRevoked,
    close: async () => void (await Promise.all([revocations.close(), hasher.close()])),
    verifyAccessToken: verifier.verify,
    async createTokenPair(subject: TokenSubject, { amr = [], mfaAt, client = {} }: Partial<SessionDetails> = {}): Promise<TokenPair> {
      const opened = await issuer.open(subject, await store.subjects.read(subject.userId), { amr, mfaAt, client });
      if (opened.kind === "ok") return opened.value;
      if (opened.problem.code !== TOO_MANY_SESSIONS)
        throw new AuthError("invalid_account", "The account is disabled, or its sessions were just ended. Open none for it.");
      throw new AuthError("too_many_sessions", "The user has as many sessions as sessions.max allows. End one of them first.");
    },
    changePassword: createPasswordChanger(settings, hasher, policy, replacePassword, passwordLogin, issuer, instruments),
    createAccount: accounts.createAccount,
    setup: accounts.setup,
    async hashPassword(password: string): Promise<AuthResult<string>> {
      if (isUnhashable(password, passwords)) return denied(problems.validation());
      const place = hasher.enter();
      if (place === undefined) return overloaded();
      try {
        return { kind: "ok", value: await hasher.hash(place, password) };
      } finally {
        place.leave();
      }
    },
  });
  const cookies = settings.cookies === undefined ? undefined : createSessionCookies(settings.cookies, settings.secrets, random);
  return rememberInternals(auth, {
    ...{
      settings,
      instruments,
      kinds,
      issuer,
      blacklist,
      readSystemToken,
      hasher,
      signIn,
      lockout,
      policy,
      replacePassword,
      accounts,
      cookies,
      revocations,
      programs,
    },
    verifyAgain: verifier.verifyAgain,
  });
}
