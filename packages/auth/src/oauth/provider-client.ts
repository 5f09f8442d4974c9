// One provider, spoken to: where to send the browser, and what its answer is worth. The protocol is oauth4webapi's; what it leaves
// to its caller is here: where requests may go, who signed the ID token, and which word means which failure.

import type { Clock } from "@portcullis/core";
import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  AuthorizationResponseError,
  type AuthorizationServer,
  calculatePKCECodeChallenge,
  type Client,
  clockSkew,
  clockTolerance,
  customFetch,
  expectNoNonce,
  OperationProcessingError,
  processAuthorizationCodeResponse,
  processUserInfoResponse,
  RESPONSE_IS_NOT_CONFORM,
  RESPONSE_IS_NOT_JSON,
  ResponseBodyError,
  skipStateCheck,
  userInfoRequest,
  validateAuthResponse,
} from "oauth4webapi";
import { readGitHubProfile } from "./github-profile.js";
import { TOLERANCE_SECONDS, verifyIdToken } from "./id-token.js";
import { type OAuthFailure, OAuthRefused } from "./oauth-failure.js";
import type { ProviderFetch } from "./provider-fetch.js";
import { createProviderKeys } from "./provider-keys.js";
import { createMetadataReader } from "./provider-metadata.js";
import { type ProviderProfile, toProfile } from "./provider-profile.js";
import type { OAuthProvider } from "./providers/provider.js";

/** What one login attempt told the provider and must find again in its answer. */
export interface AttemptSecrets {
  readonly state: string;
  /** PKCE (RFC 7636): what the code is worth nothing without. */
  readonly verifier: string;
  readonly nonce: string;
}

export interface ProviderClient {
  /** Where the browser is sent. @throws {OAuthRefused} */
  authorizationUrl(redirectUri: string, secrets: AttemptSecrets): Promise<URL>;
  /** Who came back. @param parameters Of the callback; the state is checked already. @throws {OAuthRefused} */
  profile(parameters: URLSearchParams, redirectUri: string, secrets: AttemptSecrets): Promise<ProviderProfile>;
}

export function createProviderClient(
  provider: OAuthProvider,
  fetch: ProviderFetch,
  clock: Clock,
  insecureLocalhost: boolean,
): ProviderClient {
  const metadata = createMetadataReader(provider, fetch, clock, insecureLocalhost);
  const keys = createProviderKeys(fetch, clock);
  const { protocol } = provider;
  const http = { [customFetch]: fetch, [allowInsecureRequests]: insecureLocalhost };

  // The library reads the machine's clock; this is how it is told ours.
  const client = (): Client => ({
    client_id: provider.clientId,
    [clockSkew]: Math.round((clock.now() - Date.now()) / 1000),
    [clockTolerance]: TOLERANCE_SECONDS,
  });

  async function authorizationUrl(redirectUri: string, { state, verifier, nonce }: AttemptSecrets): Promise<URL> {
    const server = await attempt("response_invalid", metadata);
    if (server.authorization_endpoint === undefined) throw new OAuthRefused("response_invalid");
    const url = new URL(server.authorization_endpoint);
    const parameters = {
      ...provider.authorizationParameters,
      response_type: "code",
      client_id: provider.clientId,
      redirect_uri: redirectUri,
      ...(provider.scopes.length === 0 ? {} : { scope: provider.scopes.join(" ") }),
      state,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...(protocol.kind === "oidc" ? { nonce } : {}),
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  async function profile(parameters: URLSearchParams, redirectUri: string, secrets: AttemptSecrets): Promise<ProviderProfile> {
    const server = await attempt("response_invalid", metadata);
    const callback = validated(server, parameters);
    const grant = await attempt("response_invalid", () =>
      authorizationCodeGrantRequest(server, client(), provider.authenticateClient(server), callback, redirectUri, secrets.verifier, http),
    );
    if (protocol.kind === "github") {
      const { access_token: accessToken } = await attempt("response_invalid", () =>
        processAuthorizationCodeResponse(server, client(), grant, { expectedNonce: expectNoNonce }),
      );
      return readGitHubProfile({ ...provider, protocol }, accessToken, fetch);
    }
    const tokens = await attempt("id_token_invalid", () =>
      processAuthorizationCodeResponse(server, client(), grant, { expectedNonce: secrets.nonce, requireIdToken: true }),
    );
    const claims = await verifyIdToken(tokens.id_token ?? "", { provider: { ...provider, protocol }, server, keys, clock });
    const userinfo = protocol.userinfo === "never" ? undefined : await readUserinfo(server, tokens.access_token, claims.sub);
    // An address and its verification from one source only: two halves of two answers prove nothing together.
    const { email, email_verified: isVerified } = claims["email"] === undefined ? (userinfo ?? claims) : claims;
    return toProfile(provider, claims.sub, { email, isVerified, name: claims["name"] ?? userinfo?.["name"] });
  }

  async function readUserinfo(
    server: AuthorizationServer,
    accessToken: string,
    subject: string,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (server.userinfo_endpoint === undefined) return undefined;
    return attempt("userinfo_invalid", async () => {
      const response = await userInfoRequest(server, client(), accessToken, { ...http, headers: { accept: "application/json" } });
      // A signed answer would have to be verified; what arrives as JSON over TLS from the right place is as good.
      if (response.headers.get("content-type")?.startsWith("application/jwt") === true) throw new OAuthRefused("userinfo_invalid");
      return processUserInfoResponse(server, client(), subject, response);
    });
  }

  function validated(server: AuthorizationServer, parameters: URLSearchParams): URLSearchParams {
    // RFC 9207: missing where it was announced, or another server's: an answer of somebody else (mix-up).
    const issuers = parameters.getAll("iss");
    const isAnnounced = server.authorization_response_iss_parameter_supported === true;
    if (issuers.length > 1 || (issuers.length === 0 && isAnnounced) || (issuers[0] ?? server.issuer) !== server.issuer) {
      throw new OAuthRefused("issuer_mismatch");
    }
    try {
      // The state was compared by whoever took it from the store.
      const sound = validateAuthResponse(server, client(), parameters, skipStateCheck);
      if (!sound.get("code")) throw new OAuthRefused("provider_error");
      return sound;
    } catch (error) {
      if (error instanceof AuthorizationResponseError) {
        throw new OAuthRefused(error.error === "access_denied" ? "access_denied" : "provider_error", errorCode(error.error));
      }
      throw error instanceof OAuthRefused ? error : new OAuthRefused("provider_error", undefined, { cause: error });
    }
  }

  return Object.freeze({ authorizationUrl, profile });
}

// Another status than success, or not JSON by its own word: nothing that could be right or wrong in itself.
const NO_ANSWER: ReadonlySet<string> = new Set([RESPONSE_IS_NOT_CONFORM, RESPONSE_IS_NOT_JSON]);

/** Runs a step of the protocol. @param otherwise What it means when the library refuses. */
async function attempt<T>(otherwise: OAuthFailure, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (cause instanceof OAuthRefused) throw cause;
    if (cause instanceof ResponseBodyError) throw new OAuthRefused("provider_error", errorCode(cause.error));
    // GitHub sends its errors with status 200; the library takes them for answers that lack a token.
    const body =
      cause instanceof OperationProcessingError
        ? (cause.cause as { readonly body?: { readonly error?: unknown } } | undefined)?.body
        : undefined;
    if (typeof body?.error === "string") throw new OAuthRefused("provider_error", errorCode(body.error));
    const isNoAnswer = cause instanceof OperationProcessingError && NO_ANSWER.has(cause.code ?? "");
    throw new OAuthRefused(isNoAnswer ? "response_invalid" : otherwise, undefined, { cause });
  }
}

// RFC 6749 §4.1.2.1. It is for the log: nothing in it ends a line, and it is as long as a code is.
function errorCode(code: string): string | undefined {
  return /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(code) ? code : undefined;
}
