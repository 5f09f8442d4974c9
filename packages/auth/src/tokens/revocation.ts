import { problems } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { AccessToken } from "./access-token.js";
import type { Blacklist } from "./blacklist.js";

/** All tokens of a user were ended. */
export interface SessionsInvalidated {
  /** Tokens below it are refused. */
  readonly tokenVersion: number;
  /** How many sessions were open. */
  readonly sessionsEnded: number;
}

/** Ends credentials before their time. What has returned is in force on every node that asks the same store. */
export interface Revocation {
  logout(token: AccessToken): Promise<void>;
  logoutAll(token: AccessToken): Promise<AuthResult<SessionsInvalidated>>;
  revokeUser(userId: string): Promise<SessionsInvalidated>;
  setDisabled(userId: string, disabled: boolean): Promise<void>;
}

// Each call writes to every session: nobody needs it more often.
const LOGOUT_ALL_LIMIT = Object.freeze({ limit: 3, windowMs: 60_000 });

export function createRevocation(settings: AuthSettings, blacklist: Blacklist, instruments: Instruments): Revocation {
  const { clock, store } = settings;

  async function revokeUser(userId: string): Promise<SessionsInvalidated> {
    // The version first: from here on every token is refused, even if the rest should fail.
    const { tokenVersion } = await store.subjects.bump(userId, "tokenVersion");
    const sessionsEnded = (await store.sessions.revoke(userId)).length;
    instruments.revoked("user");
    instruments.emit({ kind: "logout_all", userId, tokenVersion, sessionsEnded });
    return Object.freeze({ tokenVersion, sessionsEnded });
  }

  return Object.freeze({
    async logout(token: AccessToken): Promise<void> {
      const { principal, sessionId, tokenId, expiresAt } = token;
      await blacklist.revoke(tokenId, expiresAt, clock.now());
      await store.sessions.revoke(principal.id, { id: sessionId });
      instruments.revoked("token");
      instruments.revoked("session");
      instruments.emit({ kind: "logout", userId: principal.id, sessionId });
    },
    async logoutAll(token: AccessToken): Promise<AuthResult<SessionsInvalidated>> {
      const { principal, tokenId, expiresAt } = token;
      const allowed = await store.counters.add(`auth:logout-all:${principal.id}`, 1, LOGOUT_ALL_LIMIT);
      if (!allowed.accepted) return denied(problems.operationRateLimited({ retryAfterMs: allowed.remainingMs }));
      const result = await revokeUser(principal.id);
      await blacklist.revoke(tokenId, expiresAt, clock.now());
      instruments.revoked("token");
      return ok(result);
    },
    revokeUser,
    async setDisabled(userId: string, disabled: boolean): Promise<void> {
      await store.subjects.setDisabled(userId, disabled);
      if (disabled) {
        // Enabling the account again must not bring back what was open before.
        await store.subjects.bump(userId, "tokenVersion");
        await store.sessions.revoke(userId);
        instruments.revoked("user");
      }
      instruments.emit({ kind: disabled ? "account_disabled" : "account_enabled", userId });
    },
  });
}
