import { problems } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import { oneOf } from "../settings/option-checks.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { Blacklist } from "./blacklist.js";
import type { Revocations } from "./revocations.js";

/** All tokens of a user were ended. */
export interface SessionsInvalidated {
  /** Tokens below it are refused. */
  readonly tokenVersion: number;
  /** How many sessions were open. */
  readonly sessionsEnded: number;
}

/** What changed about an account. */
export interface AccountRights {
  /** Whether it may more now, or less. When in doubt: `lowered`. */
  readonly rights: "raised" | "lowered";
}

/** Ends credentials before their time. What has returned is in force on every process that asks the same store, see `RevocationSettings`. */
export interface CredentialEnder {
  logout(token: AccessToken): Promise<void>;
  logoutAll(token: AccessToken): Promise<AuthResult<SessionsInvalidated>>;
  revokeUser(userId: string): Promise<SessionsInvalidated>;
  setDisabled(userId: string, disabled: boolean): Promise<void>;
  accountChanged(userId: string, change: AccountRights): Promise<void>;
}

// Each call writes to every session: nobody needs it more often.
const LOGOUT_ALL_LIMIT = Object.freeze({ limit: 3, windowMs: 60_000 });

export function createCredentialEnder(
  settings: AuthSettings,
  blacklist: Blacklist,
  revocations: Revocations,
  instruments: Instruments,
): CredentialEnder {
  const { clock, store } = settings;

  async function revokeUser(userId: string): Promise<SessionsInvalidated> {
    const ended = await revocations.ending({ subjectId: userId, kind: "user" }, async () => {
      // The version first: from here on every token is refused, even if the rest should fail.
      const { tokenVersion } = await store.subjects.bump(userId, "tokenVersion");
      const sessionsEnded = (await store.sessions.revoke(userId)).length;
      return Object.freeze({ tokenVersion, sessionsEnded });
    });
    instruments.emit({ kind: "logout_all", userId, ...ended });
    return ended;
  }

  return Object.freeze({
    async logout(token: AccessToken): Promise<void> {
      const { principal, sessionId, tokenId, expiresAt } = token;
      await revocations.ending({ subjectId: principal.id, sessionId, kind: "session" }, async () => {
        await blacklist.revoke(tokenId, expiresAt, clock.now());
        await store.sessions.revoke(principal.id, { id: sessionId });
      });
      instruments.revoked("token");
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
      if (!disabled) await store.subjects.setDisabled(userId, false);
      else {
        await revocations.ending({ subjectId: userId, kind: "user" }, async () => {
          await store.subjects.setDisabled(userId, true);
          // Enabling the account again must not bring back what was open before.
          await store.subjects.bump(userId, "tokenVersion");
          await store.sessions.revoke(userId);
        });
      }
      instruments.emit({ kind: disabled ? "account_disabled" : "account_enabled", userId });
    },
    async accountChanged(userId: string, change: AccountRights): Promise<void> {
      const rights = oneOf("accountChanged.rights", change?.rights, ["raised", "lowered"]);
      // A session that was opened with more than the account may now must not be refreshed into anything: it ends (ASVS 7.4.2).
      if (rights === "lowered") await revokeUser(userId);
      else {
        await revocations.ending({ subjectId: userId, kind: "claims" }, () => store.subjects.bump(userId, "claimsVersion"));
      }
      instruments.emit({ kind: "rights_changed", userId, rights });
    },
  });
}
