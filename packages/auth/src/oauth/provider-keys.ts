import type { Clock } from "@portcullis/core";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from "jose";
import type { AuthorizationServer } from "oauth4webapi";
import { MINUTE_MS, SECOND_MS } from "../settings/option-checks.js";
import { OAuthRefused } from "./oauth-failure.js";
import type { ProviderFetch } from "./provider-fetch.js";
import { createRefreshed } from "./refreshed.js";

/** Finds the key that a provider's token names. @throws {OAuthRefused} */
export type ProviderKeys = (server: AuthorizationServer) => JWTVerifyGetKey;

const MAX_AGE_MS = 10 * MINUTE_MS;
// Whoever sends tokens with invented key ids makes us fetch so often and no oftener; a rotated key is found as late as this.
const COOLDOWN_MS = 30 * SECOND_MS;

export function createProviderKeys(fetch: ProviderFetch, clock: Clock): ProviderKeys {
  let jwksUri = "";
  const keys = createRefreshed<LocalJWKSet>(clock, async () => {
    const response = await fetch(jwksUri, { headers: { accept: "application/json, application/jwk-set+json" } });
    if (response.status !== 200) throw new OAuthRefused("response_invalid");
    try {
      return createLocalJWKSet((await response.json()) as JSONWebKeySet); // which checks that it is one
    } catch (cause) {
      throw new OAuthRefused("response_invalid", undefined, { cause });
    }
  });

  return (server) => async (header, token) => {
    if (server.jwks_uri === undefined) throw new OAuthRefused("response_invalid");
    const known = server.jwks_uri === jwksUri && keys.ageMs() < MAX_AGE_MS ? keys.last() : undefined;
    jwksUri = server.jwks_uri;
    const set = known ?? (await keys.fetch());
    try {
      return await set(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || keys.attemptAgeMs() < COOLDOWN_MS) throw error;
      return (await keys.fetch())(header, token);
    }
  };
}
