// Requests to every route of auth, of people who may and of people who must not get in, for store-faults.test.ts.
import type { MemoryStore } from "@portcullis/core";
import { expect } from "vitest";
import { internalsOf } from "../src/auth-internals.js";
import { EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { codeAt } from "./mfa-fixture.js";
import { type Asked, consentAt, createWholeService, overGitHub, SETUP_TOKEN, SITE, type Told, type WholeService } from "./whole-service.js";

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
export const NEW_PASSWORD = "a new and longer one";

export interface Ask extends Asked {
  readonly path: string;
}

/** Who is there before the request: accounts without a second factor, but for the administrator. */
export interface Scene extends WholeService {
  readonly passwordHash: string;
  readonly userId: string;
  readonly access: string;
  readonly refresh: string;
  readonly sessionId: string;
  readonly bearer: { readonly authorization: string };
}

/** @param passwordHash Of {@link PASSWORD}: hashed once for all scenes. */
export async function createScene(githubUrl: string, passwordHash: string, wrap: (store: MemoryStore) => MemoryStore): Promise<Scene> {
  const service = createWholeService(githubUrl, wrap, { lockout: { threshold: 1, deviceTtlMs: 3_600_000 } });
  const userId = await accountIn({ ...service, passwordHash }, EMAIL);
  const {
    accessToken: access,
    refreshToken: refresh,
    sessionId,
  } = await service.auth.createTokenPair({ userId, role: "member" }, { amr: ["pwd"] });
  return { ...service, passwordHash, userId, access, refresh, sessionId, bearer: { authorization: `Bearer ${access}` } };
}

async function accountIn(
  { users, passwordHash }: Pick<Scene, "users" | "passwordHash">,
  email: string,
  roles: readonly string[] = ["member"],
): Promise<string> {
  const account = await users.create({
    ...{ type: "user", email, name: undefined, passwordHash, mustChangePassword: false, emailVerified: false },
    ...{ roles, orgRoles: [], orgId: undefined, workspaceId: undefined },
  });
  return account?.id ?? "";
}

/** One request and what it is allowed to come to: of somebody who may, or of somebody who must not get in. */
export interface Flow {
  readonly name: string;
  /** Of the route. */
  readonly operation: string;
  readonly who: "may" | "must not";
  /** Computes hashes of passwords, which take their time: failed in fewer manners. */
  readonly hashes?: true;
  /** Answers with 2xx whatever it is, by its nature (RFC 7009, letters); what it did is looked at by `after`. */
  readonly discreet?: true;
  readonly arrange: (scene: Scene) => Promise<Ask> | Ask;
  /** Looked at when the answer was 2xx. */
  readonly after?: (scene: Scene, told: Told, ask: Ask) => Promise<void> | void;
}

const GET = { method: "GET" } as const;
const DELETE = { method: "DELETE" } as const;
export const cookies = async (scene: Scene): Promise<Record<string, string>> => {
  const told = await scene.call("/auth/csrf", { ...GET, headers: { cookie: `__Host-session=${scene.access}` } });
  const csrf = String(told.body["csrf_token"]);
  return { cookie: `__Host-session=${scene.access}; __Secure-refresh=${scene.refresh}; __Host-csrf=${csrf}`, "x-csrf-token": csrf };
};
const isDead = async ({ auth, access }: Scene): Promise<void> => {
  expect((await auth.verifyAccessToken(access)).kind).toBe("denied");
};
export const keyOf = async ({ auth, access }: Scene): Promise<{ readonly id: string; readonly key: string }> => {
  const { principal } = valueOf(await auth.verifyAccessToken(access));
  const { info, key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
  return { id: info.id, key };
};
const letterOf = async ({ call, mail, letters }: Scene, path: string, email: string): Promise<string> => {
  await call(path, { body: { email } });
  await mail.settled();
  return letters.at(-1) ?? "";
};
/** As after the right password, which is hashed where that is what is looked at. */
const provePassword = async ({ auth, users, store }: Scene, email: string): Promise<string> => {
  const account = await users.byEmail(email);
  if (account === undefined) throw new Error("no account");
  const { signIn } = internalsOf("auth", auth);
  const login = await signIn.complete(account, await store.subjects.read(account.id), { amr: ["pwd"], mfaAt: undefined }, {});
  if (login.kind !== "mfa_required") throw new Error("not asked");
  return login.challenge.token;
};
const pendingOf = async (scene: Scene): Promise<string> => {
  await accountIn(scene, "root@example.com", ["admin"]);
  return provePassword(scene, "root@example.com");
};
const enrolled = async (scene: Scene): Promise<{ readonly pendingToken: string; readonly secret: string }> => {
  const pendingToken = await pendingOf(scene);
  const { secret } = valueOf(await scene.mfa.enroll({ pendingToken }));
  return { pendingToken, secret };
};
/** The user with a second factor, and a session that proved it. */
const proven = async (scene: Scene): Promise<{ readonly secret: string; readonly bearer: { readonly authorization: string } }> => {
  const token = valueOf(await scene.auth.verifyAccessToken(scene.access));
  const { secret } = valueOf(await scene.mfa.enroll(token));
  const { tokens } = valueOf(await scene.mfa.verify(token, codeAt(secret, scene.clock.now())));
  scene.clock.advance(30_000);
  return { secret, bearer: { authorization: `Bearer ${tokens.accessToken}` } };
};
const login = (more: object = {}): Ask => ({ path: "/auth/login", body: { email: EMAIL, password: PASSWORD, ...more } });
const oauthCode = async (scene: Scene): Promise<string> => {
  const { path, cookie } = await overGitHub(scene, `/auth/oauth/github?code_challenge=${CHALLENGE}`);
  const done = await scene.call(path, { ...GET, headers: { cookie } });
  return String(new URL(String(done.headers.get("location"))).searchParams.get("code"));
};

export const FLOWS: readonly Flow[] = [
  { name: "login", operation: "authLogin", hashes: true, who: "may", arrange: () => login() },
  {
    name: "login by cookie",
    operation: "authLogin",
    hashes: true,
    who: "may",
    arrange: async (scene) => ({ ...login({ delivery: "cookie" }), headers: await cookies(scene) }),
  },
  {
    name: "login with a wrong password",
    operation: "authLogin",
    hashes: true,
    who: "must not",
    arrange: () => login({ password: "wrong horse battery" }),
  },
  { name: "login of nobody", operation: "authLogin", hashes: true, who: "must not", arrange: () => login({ email: "nobody@example.com" }) },
  {
    name: "login to a disabled account",
    operation: "authLogin",
    hashes: true,
    who: "must not",
    async arrange({ auth, userId }) {
      await auth.setDisabled(userId, true);
      return login();
    },
  },
  {
    name: "login to a locked account",
    operation: "authLogin",
    hashes: true,
    who: "must not",
    async arrange({ auth }) {
      await auth.login({ email: EMAIL, password: "wrong horse battery" });
      return login();
    },
  },
  {
    name: "login where a second factor is needed",
    operation: "authLogin",
    hashes: true,
    who: "may",
    async arrange(scene) {
      await accountIn(scene, "root@example.com", ["admin"]);
      return login({ email: "root@example.com" });
    },
    after: (_scene, { body }) => expect(body).not.toHaveProperty("access_token"),
  },
  {
    name: "login where there is a second factor",
    operation: "authLogin",
    hashes: true,
    who: "may",
    async arrange(scene) {
      await proven(scene);
      return login();
    },
    after: (_scene, { body }) => expect(body).not.toHaveProperty("access_token"),
  },
  {
    name: "refresh",
    operation: "authRefresh",
    who: "may",
    arrange: ({ refresh }) => ({ path: "/auth/refresh", body: { refresh_token: refresh } }),
  },
  {
    name: "refresh by cookie",
    operation: "authRefresh",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/refresh", headers: await cookies(scene) }),
  },
  {
    name: "refresh a second time, the successor redeemed",
    operation: "authRefresh",
    who: "must not",
    async arrange({ auth, refresh }) {
      valueOf(await auth.refresh(valueOf(await auth.refresh(refresh)).refreshToken));
      return { path: "/auth/refresh", body: { refresh_token: refresh } };
    },
  },
  {
    name: "refresh after the grace",
    operation: "authRefresh",
    who: "must not",
    async arrange({ auth, refresh, clock }) {
      valueOf(await auth.refresh(refresh));
      clock.advance(10_000);
      return { path: "/auth/refresh", body: { refresh_token: refresh } };
    },
  },
  ...["logout", "disabled", "everything"].map((end): Flow => ({
    name: `refresh after the end: ${end}`,
    operation: "authRefresh",
    who: "must not",
    async arrange({ auth, access, refresh, userId }) {
      if (end === "logout") await auth.logout(valueOf(await auth.verifyAccessToken(access)));
      else if (end === "disabled") await auth.setDisabled(userId, true);
      else await auth.revokeUser(userId);
      return { path: "/auth/refresh", body: { refresh_token: refresh } };
    },
  })),
  {
    name: "csrf",
    operation: "authCsrf",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/csrf", ...GET, headers: await cookies(scene) }),
  },
  {
    name: "logout",
    operation: "authLogout",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/logout", headers: bearer }),
    after: isDead,
  },
  {
    name: "logout by cookie",
    operation: "authLogout",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/logout", headers: await cookies(scene) }),
    after: isDead,
  },
  {
    name: "logout by a refresh token",
    operation: "authLogout",
    who: "may",
    arrange: ({ refresh }) => ({ path: "/auth/logout", body: { refresh_token: refresh } }),
    after: isDead,
  },
  {
    name: "sessions",
    operation: "authListSessions",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/sessions", ...GET, headers: bearer }),
  },
  {
    name: "end a session",
    operation: "authRevokeSession",
    who: "may",
    async arrange({ auth, userId, bearer }) {
      const other = await auth.createTokenPair({ userId, role: "member" });
      return { path: `/auth/sessions/${other.sessionId}`, ...DELETE, headers: { ...bearer, "x-ended": other.accessToken } };
    },
    async after({ auth }, _told, { headers }) {
      expect((await auth.verifyAccessToken(headers?.["x-ended"] ?? "")).kind).toBe("denied");
    },
  },
  {
    name: "end the others",
    operation: "authRevokeOtherSessions",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/sessions/revoke-others", headers: bearer }),
  },
  {
    name: "logout everywhere",
    operation: "authLogoutAll",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/logout-all", headers: bearer }),
    after: isDead,
  },
  { name: "me", operation: "authMe", who: "may", arrange: ({ bearer }) => ({ path: "/auth/me", ...GET, headers: bearer }) },
  {
    name: "me by API key",
    operation: "authMe",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/me", ...GET, headers: { "x-api-key": (await keyOf(scene)).key } }),
  },
  {
    name: "change password",
    operation: "authChangePassword",
    hashes: true,
    who: "may",
    arrange: ({ bearer }) => ({
      path: "/auth/change-password",
      headers: bearer,
      body: { current_password: PASSWORD, new_password: NEW_PASSWORD },
    }),
    after: isDead,
  },
  {
    name: "change password without knowing it",
    operation: "authChangePassword",
    hashes: true,
    who: "must not",
    arrange: ({ bearer }) => ({
      path: "/auth/change-password",
      headers: bearer,
      body: { current_password: "wrong horse battery", new_password: NEW_PASSWORD },
    }),
  },
  {
    name: "second factor",
    operation: "authMfaStatus",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/mfa", ...GET, headers: bearer }),
  },
  {
    name: "enrol",
    operation: "authMfaEnroll",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/mfa/enroll", headers: bearer, body: {} }),
  },
  {
    name: "enrol while logging in",
    operation: "authMfaEnroll",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/mfa/enroll", body: { mfa_token: await pendingOf(scene) } }),
  },
  {
    name: "enrol another by the first factor alone",
    operation: "authMfaEnroll",
    who: "must not",
    async arrange(scene) {
      await proven(scene);
      return { path: "/auth/mfa/enroll", body: { mfa_token: await provePassword(scene, EMAIL) } };
    },
  },
  {
    name: "verify",
    operation: "authMfaVerify",
    who: "may",
    async arrange(scene) {
      const { pendingToken, secret } = await enrolled(scene);
      return { path: "/auth/mfa/verify", body: { mfa_token: pendingToken, code: codeAt(secret, scene.clock.now()) } };
    },
  },
  {
    name: "step up",
    operation: "authMfaVerify",
    who: "may",
    async arrange(scene) {
      const { secret, bearer } = await proven(scene);
      return { path: "/auth/mfa/verify", headers: bearer, body: { code: codeAt(secret, scene.clock.now()) } };
    },
  },
  {
    name: "verify with a wrong code",
    operation: "authMfaVerify",
    who: "must not",
    arrange: async (scene) => ({ path: "/auth/mfa/verify", body: { mfa_token: (await enrolled(scene)).pendingToken, code: "000000" } }),
  },
  {
    name: "verify with a used code",
    operation: "authMfaVerify",
    who: "must not",
    async arrange(scene) {
      const { pendingToken, secret } = await enrolled(scene);
      const code = codeAt(secret, scene.clock.now());
      valueOf(await scene.mfa.verify({ pendingToken }, code));
      return { path: "/auth/mfa/verify", body: { mfa_token: await provePassword(scene, "root@example.com"), code } };
    },
  },
  {
    name: "verify a login that was revoked",
    operation: "authMfaVerify",
    who: "must not",
    async arrange(scene) {
      const { pendingToken, secret } = await enrolled(scene);
      await scene.auth.revokeUser(String((await scene.users.byEmail("root@example.com"))?.id));
      return { path: "/auth/mfa/verify", body: { mfa_token: pendingToken, code: codeAt(secret, scene.clock.now()) } };
    },
  },
  {
    name: "disable",
    operation: "authMfaDisable",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/mfa/disable", headers: (await proven(scene)).bearer, body: {} }),
  },
  {
    name: "backup codes",
    operation: "authMfaReplaceBackupCodes",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/mfa/backup-codes", headers: (await proven(scene)).bearer }),
  },
  {
    name: "make a key",
    operation: "authCreateApiKey",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/api-keys", headers: bearer, body: { name: "ci" } }),
  },
  {
    name: "make a key with a key",
    operation: "authCreateApiKey",
    who: "must not",
    arrange: async (scene) => ({ path: "/auth/api-keys", headers: { "x-api-key": (await keyOf(scene)).key }, body: { name: "ci" } }),
  },
  {
    name: "make a key with rights of others",
    operation: "authCreateApiKey",
    who: "must not",
    arrange: ({ bearer }) => ({ path: "/auth/api-keys", headers: bearer, body: { name: "ci", roles: ["admin"] } }),
  },
  {
    name: "keys",
    operation: "authListApiKeys",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/api-keys", ...GET, headers: bearer }),
  },
  {
    name: "rotate a key",
    operation: "authRotateApiKey",
    who: "may",
    arrange: async (scene) => ({ path: `/auth/api-keys/${(await keyOf(scene)).id}/rotate`, headers: scene.bearer }),
  },
  {
    name: "end a key",
    operation: "authRevokeApiKey",
    who: "may",
    async arrange(scene) {
      const { id, key } = await keyOf(scene);
      return { path: `/auth/api-keys/${id}`, ...DELETE, headers: { ...scene.bearer, "x-ended": key } };
    },
    async after({ auth }, _told, { headers }) {
      expect((await auth.apiKeys.authenticate(headers?.["x-ended"] ?? "")).kind).toBe("denied");
    },
  },
  {
    name: "a ticket",
    operation: "authCreateSocketTicket",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/ws-ticket", headers: { ...bearer, origin: SITE }, body: {} }),
  },
  ...["good", "of a session that ended", "of a disabled account", "used"].map((which): Flow => ({
    name: `a handshake with a ticket, ${which}`,
    operation: "socket",
    who: which === "good" ? "may" : "must not",
    async arrange({ auth, tickets, access, userId }) {
      const token = valueOf(await auth.verifyAccessToken(access));
      const { ticket } = valueOf(await tickets.mint(token, { origin: SITE }));
      if (which === "of a session that ended") await auth.logout(token);
      if (which === "of a disabled account") await auth.setDisabled(userId, true);
      if (which === "used") await tickets.redeem(ticket, { origin: SITE, path: "/" });
      return { path: `/socket?ticket=${ticket}`, ...GET };
    },
  })),
  {
    name: "revoke a token",
    operation: "authRevokeToken",
    who: "may",
    arrange: ({ access }) => ({ path: "/auth/revoke", form: { token: access } }),
    after: isDead,
  },
  {
    name: "revoke a refresh token",
    operation: "authRevokeToken",
    who: "may",
    arrange: ({ refresh }) => ({ path: "/auth/revoke", form: { token: refresh } }),
    after: isDead,
  },
  { name: "revoke nothing", operation: "authRevokeToken", who: "may", arrange: () => ({ path: "/auth/revoke", form: { token: "a.b.c" } }) },
  {
    name: "introspect",
    operation: "authIntrospectToken",
    who: "may",
    arrange: async (scene) => ({
      path: "/auth/introspect",
      headers: { "x-api-key": (await keyOf(scene)).key },
      form: { token: scene.access },
    }),
  },
  {
    name: "introspect a token that ended",
    operation: "authIntrospectToken",
    who: "may",
    async arrange(scene) {
      const { key } = await keyOf(scene);
      await scene.auth.logout(valueOf(await scene.auth.verifyAccessToken(scene.access)));
      return { path: "/auth/introspect", headers: { "x-api-key": key }, form: { token: scene.access } };
    },
    after: (_scene, { text }) => expect(text).toBe('{"active":false}'),
  },
  { name: "public keys", operation: "authJwks", who: "may", arrange: () => ({ path: "/.well-known/jwks.json", ...GET }) },
  {
    name: "ask for a reset",
    operation: "authRequestPasswordReset",
    who: "may",
    discreet: true,
    arrange: () => ({ path: "/auth/password-reset/request", body: { email: EMAIL } }),
  },
  {
    name: "reset",
    operation: "authConfirmPasswordReset",
    hashes: true,
    who: "may",
    arrange: async (scene) => ({
      path: "/auth/password-reset/confirm",
      body: { token: await letterOf(scene, "/auth/password-reset/request", EMAIL), new_password: NEW_PASSWORD },
    }),
    after: isDead,
  },
  {
    name: "reset with a made-up token",
    operation: "authConfirmPasswordReset",
    hashes: true,
    who: "must not",
    arrange: () => ({ path: "/auth/password-reset/confirm", body: { token: "x".repeat(43), new_password: NEW_PASSWORD } }),
  },
  {
    name: "reset of an account that was disabled",
    operation: "authConfirmPasswordReset",
    hashes: true,
    who: "must not",
    async arrange(scene) {
      const token = await letterOf(scene, "/auth/password-reset/request", EMAIL);
      await scene.auth.setDisabled(scene.userId, true);
      return { path: "/auth/password-reset/confirm", body: { token, new_password: NEW_PASSWORD } };
    },
  },
  {
    name: "ask for a confirmation",
    operation: "authRequestEmailVerification",
    who: "may",
    discreet: true,
    arrange: () => ({ path: "/auth/email-verification/request", body: { email: EMAIL } }),
  },
  {
    name: "confirm an address",
    operation: "authConfirmEmail",
    who: "may",
    arrange: async (scene) => ({
      path: "/auth/email-verification/confirm",
      body: { token: await letterOf(scene, "/auth/email-verification/request", EMAIL) },
    }),
  },
  {
    name: "confirm with a made-up token",
    operation: "authConfirmEmail",
    who: "must not",
    arrange: () => ({ path: "/auth/email-verification/confirm", body: { token: "x".repeat(43) } }),
  },
  {
    name: "register",
    operation: "authRegister",
    who: "may",
    discreet: true,
    arrange: () => ({ path: "/auth/register", body: { email: "new@example.com" } }),
  },
  {
    name: "confirm a registration",
    operation: "authConfirmRegistration",
    hashes: true,
    who: "may",
    arrange: async (scene) => ({
      path: "/auth/register/confirm",
      body: { token: await letterOf(scene, "/auth/register", "new@example.com"), password: NEW_PASSWORD },
    }),
  },
  {
    name: "register with a made-up token",
    operation: "authConfirmRegistration",
    hashes: true,
    who: "must not",
    arrange: () => ({ path: "/auth/register/confirm", body: { token: "x".repeat(43), password: NEW_PASSWORD } }),
  },
  {
    name: "set up where there are accounts",
    operation: "authSetup",
    hashes: true,
    who: "must not",
    arrange: () => ({ path: "/auth/setup", body: { setup_token: SETUP_TOKEN, email: "root@example.com", password: PASSWORD } }),
  },
  {
    name: "set up without the token",
    operation: "authSetup",
    hashes: true,
    who: "must not",
    arrange: () => ({ path: "/auth/setup", body: { setup_token: "x", email: "root@example.com", password: PASSWORD } }),
  },
  { name: "providers", operation: "authOAuthProviders", who: "may", arrange: () => ({ path: "/auth/oauth/providers", ...GET }) },
  {
    name: "start at a provider",
    operation: "authOAuthStart",
    who: "may",
    arrange: () => ({ path: `/auth/oauth/github?code_challenge=${CHALLENGE}`, ...GET }),
  },
  {
    name: "come back from a provider",
    operation: "authOAuthCallback",
    who: "may",
    async arrange(scene) {
      const { path, cookie } = await overGitHub(scene, `/auth/oauth/github?code_challenge=${CHALLENGE}`);
      return { path, ...GET, headers: { cookie } };
    },
  },
  {
    name: "come back in another browser",
    operation: "authOAuthCallback",
    who: "must not",
    arrange: async (scene) => ({ path: (await overGitHub(scene, `/auth/oauth/github?code_challenge=${CHALLENGE}`)).path, ...GET }),
  },
  {
    name: "come back twice",
    operation: "authOAuthCallback",
    who: "must not",
    async arrange(scene) {
      const { path, cookie } = await overGitHub(scene, `/auth/oauth/github?code_challenge=${CHALLENGE}`);
      await scene.call(path, { ...GET, headers: { cookie } });
      return { path, ...GET, headers: { cookie } };
    },
  },
  {
    name: "exchange a code",
    operation: "authOAuthToken",
    who: "may",
    arrange: async (scene) => ({ path: "/auth/oauth/token", body: { code: await oauthCode(scene), code_verifier: VERIFIER } }),
  },
  {
    name: "exchange a code that somebody saw",
    operation: "authOAuthToken",
    who: "must not",
    arrange: async (scene) => ({ path: "/auth/oauth/token", body: { code: await oauthCode(scene), code_verifier: "x".repeat(43) } }),
  },
  {
    name: "link",
    operation: "authOAuthLink",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/oauth/link", headers: bearer, body: { provider: "github" } }),
  },
  {
    name: "come back from linking after a logout",
    operation: "authOAuthCallback",
    who: "must not",
    async arrange(scene) {
      const told = await scene.call("/auth/oauth/link", { headers: scene.bearer, body: { provider: "github" } });
      const { path, cookie } = await consentAt(String(told.body["authorization_url"]), told.headers);
      await scene.auth.logout(valueOf(await scene.auth.verifyAccessToken(scene.access)));
      return { path, ...GET, headers: { cookie } };
    },
  },
  {
    name: "unlink",
    operation: "authOAuthUnlink",
    who: "may",
    async arrange(scene) {
      const told = await scene.call("/auth/oauth/link", { headers: scene.bearer, body: { provider: "github" } });
      const { path, cookie } = await consentAt(String(told.body["authorization_url"]), told.headers);
      await scene.call(path, { ...GET, headers: { cookie } });
      return { path: "/auth/oauth/unlink?provider=github", ...DELETE, headers: scene.bearer };
    },
  },
  {
    name: "identities",
    operation: "authOAuthIdentities",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/auth/oauth/identities", ...GET, headers: bearer }),
  },
  { name: "a guard", operation: "guarded-required", who: "may", arrange: ({ bearer }) => ({ path: "/guarded/required", headers: bearer }) },
  {
    name: "a guard that asks again",
    operation: "guarded-fresh",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/guarded/fresh", headers: bearer }),
  },
  {
    name: "a guard of roles",
    operation: "guarded-roles",
    who: "may",
    arrange: ({ bearer }) => ({ path: "/guarded/roles", headers: bearer }),
  },
  ...["good", "revoked", "of a revoked service", "of a role that needs a second factor"].map((which): Flow => ({
    name: `a system token, ${which}`,
    operation: "guarded-system",
    who: which === "good" ? "may" : "must not",
    async arrange({ auth }) {
      const roles = which.endsWith("factor") ? ["admin"] : [];
      const { token, tokenId, expiresAt } = await auth.createSystemToken({ service: "scheduler", audience: "billing", roles });
      if (which === "revoked") await auth.revokeSystemToken({ service: "scheduler", tokenId, expiresAt });
      if (which === "of a revoked service") await auth.revokeSystemTokens("scheduler");
      return { path: "/guarded/system", headers: { authorization: `Bearer ${token}` } };
    },
  })),
];
