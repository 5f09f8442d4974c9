// The hot path: on every request. Synchronous as long as the store is; what does not change (signature, claims, principal)
// is remembered with the whole token text, what can change (time, revocation) is looked at each time.

import { type MaybePromise, problems } from "@portcullis/core";
import { denied, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { Standing } from "../revocation/standing.js";
import type { StandingMemory } from "../revocation/standing-memory.js";
import type { ActiveSessions } from "../sessions/active-sessions.js";
import type { AccessToken } from "./access-token.js";
import { readAccessClaims, timeRefusal } from "./claims.js";
import type { TokenKinds } from "./issue-tokens.js";
import { passwordSignature } from "./password-signature.js";
import { TokenCache } from "./token-cache.js";
import { createEntry, entryOf, type VerifiedEntry } from "./verified-token.js";

/** Verifies access tokens completely. Never throws for anything a token can be. @throws {StoreUnavailable} */
export interface AccessTokenVerifier {
  verify(token: string): MaybePromise<AuthResult<AccessToken>>;
  /** A token that this verifier accepted before, by what the store says now: nothing remembered counts. */
  verifyAgain(token: AccessToken): MaybePromise<AuthResult<AccessToken>>;
}

const INVALID = denied(problems.invalidToken());
const EXPIRED = denied(problems.tokenExpired());
const REVOKED = denied(problems.sessionRevoked());

export function createAccessTokenVerifier(
  settings: AuthSettings,
  kinds: TokenKinds,
  standings: StandingMemory,
  activeSessions: ActiveSessions,
  instruments: Instruments,
): AccessTokenVerifier {
  const { clock } = settings;
  const { jws, policy } = kinds.access;
  const verifier = Object.freeze({});
  const cache = new TokenCache(settings.tokenCacheEntries);

  const refuse = (denial: AuthDenial, reason: string): AuthDenial => {
    instruments.failed("token", reason);
    return denial;
  };

  // What its time or its standing speaks against is not worth a place in the cache.
  const drop = (entry: VerifiedEntry, denial: AuthDenial, reason: string): AuthDenial => {
    cache.delete(entry);
    return refuse(denial, reason);
  };

  const checkTime = (entry: VerifiedEntry, nowMs: number): AuthDenial | undefined => {
    const refusal = timeRefusal(entry, nowMs);
    return refusal && drop(entry, refusal === "expired" ? EXPIRED : INVALID, refusal);
  };

  /** @param isLast The store was asked once more: what it says counts. */
  function decide(entry: VerifiedEntry, nowMs: number, standing: Standing, isLast: boolean): MaybePromise<AuthResult<AccessToken>> {
    const { state, isRevoked, session } = standing;
    if (state.disabled) return drop(entry, REVOKED, "disabled");
    // Issued after what was read, or never: a read that saw too little is mended by another one, a forgery is not.
    if (entry.tv > state.tokenVersion || entry.cv > state.claimsVersion) {
      return isLast ? refuseAhead(entry, standing) : judge(entry, nowMs, standings.freshStandingOf(entry), true);
    }
    if (entry.tv < state.tokenVersion) return drop(entry, REVOKED, "token_version");
    if (!isOfPassword(entry, state.passwordVersion)) return drop(entry, REVOKED, "password_changed");
    if (isRevoked) return drop(entry, REVOKED, "revoked");
    // Sessions are ended by logout, reuse of a refresh token and eviction; their access tokens die with them.
    if (session === undefined || session.subjectId !== entry.subjectId) return drop(entry, REVOKED, "session_ended");
    // Last: "refresh" is said only of a token whose session goes on.
    if (entry.cv < state.claimsVersion) return drop(entry, EXPIRED, "claims_version");
    activeSessions.see(entry, nowMs);
    instruments.succeeded("token");
    return entry.accepted;
  }

  function refuseAhead(entry: VerifiedEntry, { state }: Standing): AuthDenial {
    const { subjectId: userId, tv, cv } = entry;
    if (tv > state.tokenVersion) {
      instruments.emit({ kind: "token_version_ahead", userId, tokenVersion: tv, currentVersion: state.tokenVersion });
      return drop(entry, INVALID, "token_version_ahead");
    }
    instruments.emit({ kind: "claims_version_ahead", userId, claimsVersion: cv, currentVersion: state.claimsVersion });
    return drop(entry, INVALID, "claims_version_ahead");
  }

  function judge(
    entry: VerifiedEntry,
    nowMs: number,
    standing: MaybePromise<Standing>,
    isLast: boolean,
  ): MaybePromise<AuthResult<AccessToken>> {
    if (!(standing instanceof Promise)) return decide(entry, nowMs, standing, isLast);
    return standing.then((read) => {
      // It may have expired while the store was asked.
      const answeredAt = clock.now();
      return checkTime(entry, answeredAt) ?? decide(entry, answeredAt, read, isLast);
    });
  }

  return Object.freeze({
    verify(token: string): MaybePromise<AuthResult<AccessToken>> {
      // Whatever a caller without types hands over: it is no token.
      if (typeof token !== "string") return refuse(INVALID, "malformed");
      const nowMs = clock.now();
      const known = cache.get(token);
      if (known !== undefined) {
        return checkTime(known, nowMs) ?? judge(known, nowMs, standings.standingOf(known), false);
      }
      const opened = jws.open(token);
      if (opened.kind === "refused") return refuse(INVALID, opened.reason);
      const claims = readAccessClaims(opened.claims, policy, nowMs);
      if (typeof claims === "string") return refuse(claims === "expired" ? EXPIRED : INVALID, claims);
      const entry = createEntry(verifier, token, claims, opened.secret);
      cache.add(entry);
      return judge(entry, nowMs, standings.standingOf(entry), false);
    },
    verifyAgain(token: AccessToken): MaybePromise<AuthResult<AccessToken>> {
      const entry = entryOf(verifier, token);
      // Of another verifier, or a copy: nothing is known of it.
      if (entry === undefined) return refuse(INVALID, "malformed");
      const nowMs = clock.now();
      return checkTime(entry, nowMs) ?? judge(entry, nowMs, standings.freshStandingOf(entry), true);
    },
  });
}

function isOfPassword(entry: VerifiedEntry, passwordVersion: number): boolean {
  if (entry.passwordVersion === passwordVersion) return true;
  // The claim is inside a signature of ours: nothing can be learned from how long comparing takes.
  if (entry.pwdSig !== passwordSignature(entry.secret, entry.subjectId, passwordVersion)) return false;
  entry.passwordVersion = passwordVersion;
  return true;
}
