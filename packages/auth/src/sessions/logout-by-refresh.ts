import { problems } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import { readClaims } from "../tokens/claims.js";
import type { TokenKinds } from "../tokens/issue-tokens.js";
import type { SessionsEnded } from "./sessions-ended.js";

/** Ends the session that a refresh token belongs to. */
export type LogoutByRefresh = (refreshToken: string) => Promise<AuthResult<{ readonly sessionId: string }>>;

/**
 * Any refresh token of the session will do, redeemed ones and expired ones included: who has it may end the session, and nothing else
 * comes of it (RFC 7009 §2.1). Doing it again changes nothing.
 */
export function createLogoutByRefresh(
  { clock, store }: AuthSettings,
  { refresh: { jws, policy } }: TokenKinds,
  sessionsEnded: SessionsEnded,
): LogoutByRefresh {
  return async (refreshToken) => {
    const opened = jws.open(refreshToken);
    if (opened.kind === "refused") return denied(problems.invalidToken());
    const claims = readClaims(opened.claims, policy, clock.now());
    const { sub, sid } = opened.claims;
    // "expired" is said of tokens that were right in all else: their session is over, and that is what was asked for.
    if (claims === "expired" && typeof sub === "string" && typeof sid === "string") return end(sub, sid);
    if (typeof claims === "string") return denied(problems.invalidToken());
    return end(claims.sub, claims.sid);
  };

  async function end(userId: string, sessionId: string): Promise<AuthResult<{ readonly sessionId: string }>> {
    const ended = await store.sessions.revoke(userId, { id: sessionId });
    await sessionsEnded(userId, ended, "logged_out");
    return ok(Object.freeze({ sessionId }));
  }
}
