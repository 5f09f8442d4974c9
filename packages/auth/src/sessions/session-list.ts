import { problems, type SessionRecord } from "@portcullis/core";
import { denied, ok, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { AccessToken } from "../tokens/access-token.js";
import { readSessionDetails } from "./session-data.js";
import type { SessionsEnded } from "./sessions-ended.js";

/** A session as its owner may see it: nothing of it opens anything. Instants are epoch ms. */
export interface SessionInfo {
  readonly id: string;
  /** Of the login. */
  readonly createdAt: number;
  /** Of the last refresh, or of the last use that was noted: `sessions.idleMs` says how often that is. */
  readonly lastUsedAt: number;
  /** When it ends, whatever happens. */
  readonly expiresAt: number;
  /** When it ends unless it is used before; `undefined`: it may lie idle. */
  readonly idleEndsAt: number | undefined;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  /** How the login was proven (RFC 8176). */
  readonly amr: readonly string[];
  /** Whether it is the one that asks. */
  readonly current: boolean;
}

/** The caller's sessions. Those of others do not exist here. */
export interface SessionList {
  /** Those that are open, newest first. */
  list(token: AccessToken): Promise<readonly SessionInfo[]>;
  /** Ends one, the caller's own included, and its tokens. Denied: `notFound`, whether it is somebody else's, over, or never was. */
  revoke(token: AccessToken, sessionId: string): Promise<AuthResult<{ readonly sessionId: string }>>;
  /** Ends all but the one that asks. @returns the ids of those that ended, oldest first. */
  revokeOthers(token: AccessToken): Promise<readonly string[]>;
}

export function createSessionList({ store }: AuthSettings, sessionsEnded: SessionsEnded): SessionList {
  return Object.freeze({
    async list(token: AccessToken): Promise<readonly SessionInfo[]> {
      const records = await store.sessions.list(token.principal.id);
      return Object.freeze(records.map((record) => toInfo(record, token.sessionId)));
    },
    async revoke(token: AccessToken, sessionId: string): Promise<AuthResult<{ readonly sessionId: string }>> {
      const userId = token.principal.id;
      const ended = await store.sessions.revoke(userId, { id: sessionId });
      if (ended.length === 0) return denied(problems.notFound());
      await sessionsEnded(userId, ended, "revoked");
      return ok(Object.freeze({ sessionId }));
    },
    async revokeOthers(token: AccessToken): Promise<readonly string[]> {
      const userId = token.principal.id;
      const ended = await store.sessions.revoke(userId, { except: token.sessionId });
      await sessionsEnded(userId, ended, "revoked");
      return Object.freeze([...ended]);
    },
  });
}

function toInfo(record: SessionRecord, currentId: string): SessionInfo {
  const { id, createdAt, lastUsedAt, expiresAt, idleMs } = record;
  const { amr, client } = readSessionDetails(record.data);
  return Object.freeze({
    id,
    createdAt,
    lastUsedAt,
    expiresAt,
    idleEndsAt: idleMs === 0 ? undefined : Math.min(expiresAt, lastUsedAt + idleMs),
    ip: client.ip,
    userAgent: client.userAgent,
    amr,
    current: id === currentId,
  });
}
