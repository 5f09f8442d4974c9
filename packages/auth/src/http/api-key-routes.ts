import { defineRoute, type Guard, type Route } from "@portcullis/core";
import type { z } from "zod";
import type { ApiKeyInfo } from "../api-keys/api-key-ring.js";
import type { Auth } from "../create-auth.js";
import { answer, principalOf, SMALL_BODY_BYTES, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";

/** Making, listing and ending the caller's own API keys. */
export function apiKeyRoutes(auth: Auth, prefix: string, signedIn: Guard): readonly Route[] {
  const tags = ["auth"];
  return [
    defineRoute({
      method: "POST",
      path: `${prefix}/api-keys`,
      operationId: "authCreateApiKey",
      summary: "Make an API key; its text is shown this once",
      tags,
      guards: [signedIn],
      input: { body: schemas.apiKeyBody, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 201: { description: "The key.", schema: schemas.createdApiKeyResponse } },
      async handle(_request, { facts, body }) {
        const { name, roles, scopes, ttl_seconds: ttlSeconds } = body;
        const created = valueOf(
          await auth.apiKeys.create(principalOf(facts), {
            name,
            ...(roles === undefined ? {} : { roles }),
            ...(scopes === undefined ? {} : { scopes }),
            ...(ttlSeconds === undefined ? {} : { ttlMs: ttlSeconds * 1000 }),
          }),
        );
        return answer(201, schemas.createdApiKeyResponse, { ...apiKeyBody(created.info), key: created.key });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${prefix}/api-keys`,
      operationId: "authListApiKeys",
      summary: "List the caller's API keys",
      tags,
      guards: [signedIn],
      responses: { 200: { description: "Newest first, ended ones included.", schema: schemas.apiKeysResponse } },
      async handle(_request, { facts }) {
        const keys = valueOf(await auth.apiKeys.list(principalOf(facts)));
        return answer(200, schemas.apiKeysResponse, { api_keys: keys.map(apiKeyBody) });
      },
    }),
    defineRoute({
      method: "POST",
      path: `${prefix}/api-keys/:id/rotate`,
      operationId: "authRotateApiKey",
      summary: "Exchange an API key for a new one with the same rights; the old one ends",
      tags,
      guards: [signedIn],
      input: { params: schemas.apiKeyParams },
      responses: { 201: { description: "The new key.", schema: schemas.createdApiKeyResponse } },
      async handle(_request, { facts, params }) {
        const created = valueOf(await auth.apiKeys.rotate(principalOf(facts), params.id));
        return answer(201, schemas.createdApiKeyResponse, { ...apiKeyBody(created.info), key: created.key });
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${prefix}/api-keys/:id`,
      operationId: "authRevokeApiKey",
      summary: "End an API key of the caller",
      tags,
      guards: [signedIn],
      input: { params: schemas.apiKeyParams },
      responses: { 200: { description: "The key is refused from now on.", schema: schemas.messageResponse } },
      async handle(_request, { facts, params }) {
        valueOf(await auth.apiKeys.revoke(principalOf(facts), params.id));
        return answer(200, schemas.messageResponse, { message: "API key revoked" });
      },
    }),
  ];
}

function apiKeyBody(info: ApiKeyInfo): z.input<typeof schemas.apiKeyResponse> {
  return {
    id: info.id,
    name: info.name,
    last_four: info.lastFour,
    roles: [...info.roles],
    scopes: info.scopes === undefined ? null : [...info.scopes],
    created_at: info.createdAt,
    expires_at: info.expiresAt ?? null,
    revoked_at: info.revokedAt ?? null,
    last_used_at: info.lastUsedAt ?? null,
  };
}
