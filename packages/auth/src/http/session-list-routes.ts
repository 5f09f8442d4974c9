import { defineRoute, type Guard, type Route } from "@portcullis/core";
import type { z } from "zod";
import type { Auth } from "../create-auth.js";
import type { SessionInfo } from "../sessions/session-list.js";
import { answer, tokenOf, valueOf } from "./route-answer.js";
import { messageResponse } from "./route-schemas.js";
import * as schemas from "./session-schemas.js";

/** Where the caller is logged in, and ending that. */
export function sessionListRoutes(auth: Auth, prefix: string, signedIn: Guard): readonly Route[] {
  const tags = ["auth"];
  return [
    defineRoute({
      method: "GET",
      path: `${prefix}/sessions`,
      operationId: "authListSessions",
      summary: "List the caller's open sessions",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "Newest first.", schema: schemas.sessionsResponse } },
      async handle(_request, { facts }) {
        const sessions = await auth.sessions.list(tokenOf(facts));
        return answer(200, schemas.sessionsResponse, { sessions: sessions.map(sessionBody) });
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${prefix}/sessions/:id`,
      operationId: "authRevokeSession",
      summary: "End a session of the caller",
      tags,
      guards: [signedIn],
      input: { params: schemas.sessionParams },
      responses: { 200: { description: "The session and its tokens are ended.", schema: messageResponse } },
      async handle(_request, { facts, params }) {
        valueOf(await auth.sessions.revoke(tokenOf(facts), params.id));
        return answer(200, messageResponse, { message: "Session ended" });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/sessions/revoke-others`,
      operationId: "authRevokeOtherSessions",
      summary: "End all sessions of the caller but this one",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "Only this session is left.", schema: schemas.othersRevokedResponse } },
      async handle(_request, { facts }) {
        const ended = await auth.sessions.revokeOthers(tokenOf(facts));
        return answer(200, schemas.othersRevokedResponse, { message: "Other sessions ended", sessions_ended: ended.length });
      },
    }),
  ];
}

function sessionBody(info: SessionInfo): z.input<typeof schemas.sessionResponse> {
  const { id, createdAt, lastUsedAt, expiresAt, idleEndsAt, ip, userAgent, amr, current } = info;
  return {
    id,
    created_at: createdAt,
    last_used_at: lastUsedAt,
    expires_at: expiresAt,
    idle_ends_at: idleEndsAt ?? null,
    ip: ip ?? null,
    user_agent: userAgent ?? null,
    amr: [...amr],
    current,
  };
}
