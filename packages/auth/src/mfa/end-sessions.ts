import type { AuthSettings } from "../auth-settings.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { Blacklist } from "../revocation/blacklist.js";
import type { SessionsInvalidated } from "../revocation/end-credentials.js";
import type { Revocations } from "../revocation/revocations.js";

/** How sessions end, as second factors need it. */
export interface SessionEnding {
  /** @returns whether this call ended the session of the token. */
  end(token: AccessToken): Promise<boolean>;
  /** Ends all sessions of the user but that of the token. @returns how many. */
  endOthers(token: AccessToken): Promise<number>;
  /** Ends every token and session of a user. */
  revokeUser(userId: string): Promise<SessionsInvalidated>;
}

export function createSessionEnding(
  settings: AuthSettings,
  blacklist: Blacklist,
  revocations: Revocations,
  revokeUser: (userId: string) => Promise<SessionsInvalidated>,
): SessionEnding {
  const { clock, store } = settings;
  return Object.freeze({
    revokeUser,
    async end({ principal, sessionId, tokenId, expiresAt }: AccessToken): Promise<boolean> {
      return revocations.ending({ subjectId: principal.id, sessionId, kind: "session" }, async () => {
        const ended = await store.sessions.revoke(principal.id, { id: sessionId });
        await blacklist.revoke(tokenId, expiresAt, clock.now());
        return ended.length > 0;
      });
    },
    async endOthers({ principal, sessionId }: AccessToken): Promise<number> {
      const ended = await store.sessions.revoke(principal.id, { except: sessionId });
      for (const id of ended) revocations.announce({ subjectId: principal.id, sessionId: id, kind: "session" });
      return ended.length;
    },
  });
}
