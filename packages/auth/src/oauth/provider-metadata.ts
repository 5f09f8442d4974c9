import type { Clock } from "@portcullis/core";
import { allowInsecureRequests, type AuthorizationServer, customFetch, discoveryRequest, processDiscoveryResponse } from "oauth4webapi";
import { HOUR_MS } from "../settings/option-checks.js";
import { OAuthRefused } from "./oauth-failure.js";
import { type ProviderFetch, isAllowedEndpoint } from "./provider-fetch.js";
import type { OAuthProvider } from "./providers/provider.js";
import { createRefreshed } from "./refreshed.js";

/** The provider's metadata, checked. @throws {OAuthRefused} `provider_unavailable`, `response_invalid` */
export type MetadataReader = () => Promise<AuthorizationServer>;

const MAX_AGE_MS = HOUR_MS;

export function createMetadataReader(
  provider: OAuthProvider,
  fetch: ProviderFetch,
  clock: Clock,
  insecureLocalhost: boolean,
): MetadataReader {
  const { metadata } = provider;
  if (metadata !== undefined) return async () => metadata;
  const issuer = new URL(provider.issuer);
  const discovered = createRefreshed(clock, async () => {
    const response = await discoveryRequest(issuer, { [customFetch]: fetch, [allowInsecureRequests]: insecureLocalhost });
    const found = await processDiscoveryResponse(issuer, response);
    // Byte for byte (OpenID Connect Discovery §4.3): what parses to the same URL is another name.
    const endpoints = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri];
    const optional = found.userinfo_endpoint === undefined ? [] : [found.userinfo_endpoint];
    const isSound =
      found.issuer === provider.issuer && [...endpoints, ...optional].every((url) => isAllowedEndpoint(url, issuer, insecureLocalhost));
    if (!isSound) throw new OAuthRefused("response_invalid");
    return Object.freeze(found);
  });
  return async () => (discovered.ageMs() < MAX_AGE_MS ? discovered.last() : undefined) ?? (await discovered.fetch());
}
