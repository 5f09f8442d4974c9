// The hot path: on every request. Synchronous as long as the store is; what does not change (signature, claims, principal)
// is remembered with the whole token text, what can change (time, revocation) is looked at each time.

import { freezePrincipal, type MaybePromise, type SessionRecord, type SubjectState, type UserPrincipal, problems } from "@portcullis/core";
import { LRUCache } from "lru-cache";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import { SIGNATURE_CHARACTERS } from "../jwt/compact-jws.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import type { AccessToken } from "./access-token.js";
import type { Blacklist } from "./blacklist.js";
import { readAccessClaims, timeRefusal, type AccessClaims } from "./claims.js";
import type { TokenKinds } from "./issue-tokens.js";
import { passwordSignature } from "./password-signature.js";

/** Verifies an access token completely. Never throws for anything a token can be. @throws {StoreUnavailable} */
export type AccessTokenVerifier = (token: string) => MaybePromise<AuthResult<AccessToken>>;

interface Entry {
  readonly token: string;
  readonly claims: AccessClaims;
  readonly secret: RingSecret;
  readonly accepted: AuthResult<AccessToken>;
  /** The password version that `pwd_sig` was found to stand for: spares the HMAC on the next hit. */
  passwordVersion: number | undefined;
}

const INVALID = denied(problems.invalidToken());
const EXPIRED = denied(problems.tokenExpired());
const REVOKED = denied(problems.sessionRevoked());

export function createAccessTokenVerifier(
  settings: AuthSettings,
  kinds: TokenKinds,
  blacklist: Blacklist,
  instruments: Instruments,
): AccessTokenVerifier {
  const { clock, store } = settings;
  const { jws, policy } = kinds.access;
  // Found by the signature, which is short to hash, and taken only for the very token it was made for: nothing collides.
  const cache = settings.tokenCacheEntries === 0 ? undefined : new LRUCache<string, Entry>({ max: settings.tokenCacheEntries });

  const refuse = (denial: AuthDenial, reason: string): AuthDenial => {
    instruments.failed("token", reason);
    return denial;
  };

  function decide(entry: Entry, state: SubjectState, isRevoked: boolean, session: SessionRecord | undefined): AuthResult<AccessToken> {
    const { claims } = entry;
    if (state.disabled) return refuse(REVOKED, "disabled");
    if (claims.tv < state.tokenVersion) return refuse(REVOKED, "token_version");
    if (claims.tv > state.tokenVersion) {
      instruments.emit({ kind: "token_version_ahead", userId: claims.sub, tokenVersion: claims.tv, currentVersion: state.tokenVersion });
      return refuse(INVALID, "token_version_ahead");
    }
    if (claims.cv < state.claimsVersion) return refuse(EXPIRED, "claims_version");
    if (!isOfPassword(entry, state.passwordVersion)) return refuse(REVOKED, "password_changed");
    if (isRevoked) return refuse(REVOKED, "revoked");
    // Sessions are ended by logout, reuse of a refresh token and eviction; their access tokens die with them.
    if (session === undefined || session.subjectId !== claims.sub) return refuse(REVOKED, "session_ended");
    instruments.succeeded("token");
    return entry.accepted;
  }

  function checkState(entry: Entry): MaybePromise<AuthResult<AccessToken>> {
    const { sub, jti, sid } = entry.claims;
    const state = store.subjects.read(sub);
    // One look-up after another only where that costs nothing; a store behind a network is asked for all at once.
    if (state instanceof Promise) {
      return Promise.all([state, (async () => blacklist.isRevoked(jti))(), (async () => store.sessions.find(sid))()]).then(
        ([settledState, isRevoked, session]) => decide(entry, settledState, isRevoked, session),
      );
    }
    const isRevoked = blacklist.isRevoked(jti);
    if (isRevoked instanceof Promise) {
      return Promise.all([isRevoked, (async () => store.sessions.find(sid))()]).then(([settled, session]) =>
        decide(entry, state, settled, session),
      );
    }
    const session = store.sessions.find(sid);
    return session instanceof Promise
      ? session.then((found) => decide(entry, state, isRevoked, found))
      : decide(entry, state, isRevoked, session);
  }

  return (token) => {
    const nowMs = clock.now();
    const signature = token.slice(-SIGNATURE_CHARACTERS);
    const known = cache?.get(signature);
    if (known !== undefined && known.token === token) {
      const refusal = timeRefusal(known.claims, nowMs);
      return refusal === undefined ? checkState(known) : refuse(refusal === "expired" ? EXPIRED : INVALID, refusal);
    }
    const opened = jws.open(token);
    if (opened.kind === "refused") return refuse(INVALID, opened.reason);
    const claims = readAccessClaims(opened.claims, policy, nowMs);
    if (typeof claims === "string") return refuse(claims === "expired" ? EXPIRED : INVALID, claims);
    const entry: Entry = { token, claims, secret: opened.secret, accepted: ok(toAccessToken(claims)), passwordVersion: undefined };
    cache?.set(signature, entry);
    return checkState(entry);
  };
}

function isOfPassword(entry: Entry, passwordVersion: number): boolean {
  if (entry.passwordVersion === passwordVersion) return true;
  // The claim is inside a signature of ours: nothing can be learned from how long comparing takes.
  if (entry.claims.pwdSig !== passwordSignature(entry.secret, entry.claims.sub, passwordVersion)) return false;
  entry.passwordVersion = passwordVersion;
  return true;
}

function toAccessToken(claims: AccessClaims): AccessToken {
  const { sub, email, orgId, workspaceId, roles, orgRoles, sid, tv, mustChangePassword, jti, iat, exp } = claims;
  const { scopedDepartments, personas, mfaAt } = claims;
  const principal: UserPrincipal = {
    type: "user",
    id: sub,
    email,
    orgId,
    workspaceId,
    roles,
    orgRoles,
    ...(scopedDepartments === undefined ? {} : { scopedDepartments }),
    ...(personas === undefined ? {} : { personas }),
    scopes: undefined,
    authMethod: "token",
    sessionId: sid,
    tokenVersion: tv,
    mfaAt: mfaAt === undefined ? undefined : mfaAt * 1000,
    mustChangePassword,
  };
  return Object.freeze({
    principal: freezePrincipal(principal) as UserPrincipal, // a copy of what went in
    tokenId: jti,
    sessionId: sid,
    amr: Object.freeze([...claims.amr]),
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
  });
}
