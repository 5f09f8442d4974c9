import type { Clock } from "@portcullis/core";
import { type JWTPayload, jwtVerify } from "jose";
import type { AuthorizationServer } from "oauth4webapi";
import { OAuthRefused } from "./oauth-failure.js";
import type { ProviderKeys } from "./provider-keys.js";
import type { OAuthProvider } from "./providers/provider.js";

/** Seconds that a provider's clock may differ from ours. */
export const TOLERANCE_SECONDS = 30;
// OpenID Connect Core §2: a subject has at most 255 ASCII characters.
const MAX_SUBJECT_CHARACTERS = 255;

/**
 * Verifies what oauth4webapi leaves open in an ID token of the code flow (OpenID Connect Core §3.1.3.7; it has compared the nonce and
 * refused further audiences without `azp`): the signature by the provider's published keys, the algorithm against ours and not the
 * provider's list, the authorized party, times, the subject.
 *
 * @throws {OAuthRefused} `id_token_invalid` for every cause; `provider_unavailable`, `response_invalid` when its keys cannot be had.
 */
export async function verifyIdToken(
  idToken: string,
  context: {
    readonly provider: OAuthProvider & { readonly protocol: { readonly kind: "oidc" } };
    readonly server: AuthorizationServer;
    readonly keys: ProviderKeys;
    readonly clock: Clock;
  },
): Promise<JWTPayload & { readonly sub: string }> {
  const { provider, server, keys, clock } = context;
  const { algorithms, hostedDomain } = provider.protocol;
  const nowMs = clock.now();
  try {
    const { payload } = await jwtVerify(idToken, keys(server), {
      algorithms: [...algorithms],
      issuer: provider.issuer,
      audience: provider.clientId,
      requiredClaims: ["sub", "exp", "iat"],
      currentDate: new Date(nowMs),
      clockTolerance: TOLERANCE_SECONDS,
    });
    const { sub, iat = Infinity, azp } = payload;
    const isOurs =
      // A token from the future is one made in advance, or by a clock that says nothing about `exp` either.
      iat <= nowMs / 1000 + TOLERANCE_SECONDS &&
      // Named for somebody else, it was made for them to log in with.
      (azp === undefined || azp === provider.clientId) &&
      (hostedDomain === undefined || payload["hd"] === hostedDomain);
    if (isOurs && typeof sub === "string" && sub !== "" && sub.length <= MAX_SUBJECT_CHARACTERS) return { ...payload, sub };
  } catch (cause) {
    if (cause instanceof OAuthRefused) throw cause;
    throw new OAuthRefused("id_token_invalid", undefined, { cause });
  }
  throw new OAuthRefused("id_token_invalid");
}
