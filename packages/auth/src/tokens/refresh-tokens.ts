import { problems, type SessionRecord, type SubjectState } from "@portcullis/core";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import { readSessionDetails } from "../sessions/session-data.js";
import type { SessionsEnded } from "../sessions/sessions-ended.js";
import { readClaims, type TokenClaims } from "./claims.js";
import type { TokenIssuer, TokenKinds } from "./issue-tokens.js";
import { passwordSignature } from "./password-signature.js";
import { isHashOf, refreshHash, successorId } from "./refresh-successor.js";
import type { TokenPair } from "./token-pair.js";
import { toTokenSubject } from "./token-subject.js";

/** Exchanges a refresh token for the next pair, once. */
export type TokenRefresher = (refreshToken: string) => Promise<AuthResult<TokenPair>>;

/** Whose turn a refresh token is, by what the store says of its session. */
type Turn =
  /** It is the one that may be redeemed. */
  | { readonly kind: "next" }
  /** It was redeemed a moment ago and its successor was not: sent again by several tabs, or because the answer got lost. */
  | { readonly kind: "repeated"; readonly secret: RingSecret }
  /** So, too, but the successor was made with a secret that this process does not have. */
  | { readonly kind: "unknown_successor" }
  | { readonly kind: "reused" };

/**
 * Rotation (RFC 9700 §4.14.2): each refresh token is redeemed once; redeeming it again closes its session, because one of the two
 * holders is a thief and nobody can tell which.
 *
 * For `refreshGraceMs` after it was redeemed, a token is answered with the same successor instead, as long as that was not redeemed in
 * its turn. A thief who replays within the grace thereby gets what the user has, not a chain of his own: there is one live refresh token
 * in a session at any time, and it and the access tokens end with the session. He stays unnoticed only while each redeems the same
 * token within the grace of the other; the first time they are further apart, or one is a step ahead, the session is closed.
 */
export function createTokenRefresher(
  settings: AuthSettings,
  kinds: TokenKinds,
  issuer: TokenIssuer,
  instruments: Instruments,
  sessionsEnded: SessionsEnded,
): TokenRefresher {
  const { clock, secrets, sessions, store, users } = settings;
  const { jws, policy } = kinds.refresh;

  const refuse = (denial: AuthDenial, reason: string): AuthDenial => {
    instruments.failed("refresh", reason);
    return denial;
  };
  const ended = (reason: string): AuthDenial => refuse(denied(problems.sessionRevoked()), reason);

  function turnOf(refreshId: string, session: SessionRecord): Turn {
    if (isHashOf(session.refreshHash, refreshId)) return { kind: "next" };
    // Half-open, on the store's clock alone. A clock that was set back makes the age negative: a jump by the grace or more ends it.
    const isInGrace = Math.abs(session.readAt - session.rotatedAt) < sessions.refreshGraceMs;
    if (!isInGrace || !isHashOf(session.previousHash, refreshId)) return { kind: "reused" };
    // The secrets may have rotated since, or another process may have other ones in front.
    const secret = secrets.all.find((candidate) => isHashOf(session.refreshHash, successorId(candidate, refreshId)));
    return secret === undefined ? { kind: "unknown_successor" } : { kind: "repeated", secret };
  }

  async function refuseTurn(kind: "reused" | "unknown_successor", claims: TokenClaims): Promise<AuthDenial> {
    // Nothing is proven against the client; a process with all secrets can answer it.
    if (kind === "unknown_successor") return refuse(denied(problems.serviceUnavailable({ retryAfterMs: 1000 })), kind);
    const closed = await store.sessions.revoke(claims.sub, { id: claims.sid });
    await sessionsEnded(claims.sub, closed, "reused");
    return refuse(denied(problems.refreshReused()), kind);
  }

  return async (refreshToken) => {
    const opened = jws.open(refreshToken);
    if (opened.kind === "refused") return refuse(denied(problems.invalidToken()), opened.reason);
    const claims = readClaims(opened.claims, policy, clock.now());
    // An expired refresh token cannot be refreshed: the client has to log in, which is what invalidToken says.
    if (typeof claims === "string") return refuse(denied(problems.invalidToken()), claims);

    const { sub, sid, jti } = claims;
    let session = await store.sessions.find(sid);
    if (session === undefined || session.subjectId !== sub) return ended("session_ended");
    // Before all else: a theft is acted upon even if the directory of accounts does not answer.
    let turn = turnOf(jti, session);
    if (turn.kind === "reused" || turn.kind === "unknown_successor") return refuseTurn(turn.kind, claims);

    // Read afresh: nothing is copied from the old token, so a changed role or a closed account takes effect now. The state
    // comes before the account, so that a change between the two ends in a token that is refused.
    const state = await store.subjects.read(sub);
    if (!agrees(claims, state, passwordSignature(opened.secret, sub, state.passwordVersion))) return ended("revoked");
    const account = await users.byId(sub);
    if (account === undefined || account.type !== "user") {
      await sessionsEnded(sub, await store.sessions.revoke(sub), "account_gone");
      return ended("unknown_account");
    }

    const { id, expiresAt, data } = session;
    // Made before the exchange: a fault in making them leaves the old refresh token good.
    const pairWith = issuer.renew(toTokenSubject(account), state, { id, expiresAt, proof: readSessionDetails(data) }, clock.now());
    if (turn.kind === "next") {
      const secret = secrets.current;
      const nextId = successorId(secret, jti);
      // The one step that decides: of any number of parallel calls with this token, exactly one wins.
      const rotated = await store.sessions.rotate(sid, refreshHash(jti), refreshHash(nextId));
      if (rotated !== undefined) {
        instruments.issuedPair();
        instruments.succeeded("refresh");
        instruments.emit({ kind: "token_refreshed", userId: sub, sessionId: sid });
        return ok(pairWith({ id: nextId, issuedAt: rotated.rotatedAt, secret }));
      }
      // Lost: to a logout, or to another call with this token.
      session = await store.sessions.find(sid);
      if (session === undefined) return ended("session_ended");
      turn = turnOf(jti, session);
      if (turn.kind !== "repeated") return refuseTurn(turn.kind === "next" ? "unknown_successor" : turn.kind, claims);
    }
    instruments.issuedAccessToken();
    instruments.succeeded("refresh");
    instruments.emit({ kind: "refresh_repeated", userId: sub, sessionId: sid });
    return ok(pairWith({ id: successorId(turn.secret, jti), issuedAt: session.rotatedAt, secret: turn.secret }));
  };
}

function agrees(claims: TokenClaims, state: SubjectState, passwordClaim: string): boolean {
  return !state.disabled && claims.tv === state.tokenVersion && claims.pwdSig === passwordClaim;
}
