import { problems, type SubjectState } from "@portcullis/core";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { Revocations } from "../revocation/revocations.js";
import { readSessionDetails } from "../sessions/session-data.js";
import { readClaims, type TokenClaims } from "./claims.js";
import type { TokenIssuer, TokenKinds } from "./issue-tokens.js";
import { passwordSignature } from "./password-signature.js";
import type { TokenPair } from "./token-pair.js";
import { toTokenSubject } from "./token-subject.js";

/** Exchanges a refresh token for the next pair, once. */
export type TokenRefresher = (refreshToken: string) => Promise<AuthResult<TokenPair>>;

/**
 * Strict rotation (RFC 9700 §4.14.2): each refresh token is redeemed once; redeeming it again closes its session, because
 * one of the two holders is a thief and nobody can tell which.
 */
export function createTokenRefresher(
  settings: AuthSettings,
  kinds: TokenKinds,
  issuer: TokenIssuer,
  revocations: Revocations,
  instruments: Instruments,
): TokenRefresher {
  const { clock, store, users } = settings;
  const { jws, policy } = kinds.refresh;

  const refuse = (denial: AuthDenial, reason: string): AuthDenial => {
    instruments.failed("refresh", reason);
    return denial;
  };

  async function reused(claims: TokenClaims): Promise<AuthDenial> {
    await revocations.ending({ subjectId: claims.sub, sessionId: claims.sid, kind: "family" }, () =>
      store.sessions.revoke(claims.sub, { id: claims.sid }),
    );
    instruments.emit({ kind: "refresh_reused", userId: claims.sub, sessionId: claims.sid });
    return refuse(denied(problems.refreshReused()), "reused");
  }

  return async (refreshToken) => {
    const opened = jws.open(refreshToken);
    if (opened.kind === "refused") return refuse(denied(problems.invalidToken()), opened.reason);
    const claims = readClaims(opened.claims, policy, clock.now());
    // An expired refresh token cannot be refreshed: the client has to log in, which is what invalidToken says.
    if (typeof claims === "string") return refuse(denied(problems.invalidToken()), claims);

    const { sub, sid, jti } = claims;
    const session = await store.sessions.find(sid);
    if (session === undefined || session.subjectId !== sub) return refuse(denied(problems.sessionRevoked()), "session_ended");

    // Read afresh: nothing is copied from the old token, so a changed role or a closed account takes effect now. The state
    // comes before the account, so that a change between the two ends in a token that is refused.
    const state = await store.subjects.read(sub);
    if (!agrees(claims, state, passwordSignature(opened.secret, sub, state.passwordVersion))) {
      return refuse(denied(problems.sessionRevoked()), "revoked");
    }
    const account = await users.byId(sub);
    if (account === undefined || account.type !== "user") return refuse(denied(problems.sessionRevoked()), "unknown_account");

    const nextId = issuer.createId();
    // Made before the exchange: a fault in making them leaves the old refresh token good.
    const pair = issuer.renew(toTokenSubject(account), state, { ...session, proof: readSessionDetails(session.data) }, nextId, clock.now());
    // The one step that decides: of any number of parallel calls with this token, exactly one wins.
    if ((await store.sessions.rotate(sid, issuer.refreshHash(jti), issuer.refreshHash(nextId))) === undefined) {
      // Lost: to a logout, or because the token was redeemed before.
      const ended = (await store.sessions.find(sid)) === undefined;
      return ended ? refuse(denied(problems.sessionRevoked()), "session_ended") : reused(claims);
    }
    instruments.issuedPair();
    instruments.succeeded("refresh");
    instruments.emit({ kind: "token_refreshed", userId: sub, sessionId: sid });
    return ok(pair);
  };
}

function agrees(claims: TokenClaims, state: SubjectState, passwordClaim: string): boolean {
  return !state.disabled && claims.tv === state.tokenVersion && claims.pwdSig === passwordClaim;
}
