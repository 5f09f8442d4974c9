import { defineRoute, invalidOption, type Route } from "@portcullis/core";
import { z } from "zod";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";

/** How long verifiers may keep the keys: a new key must be published so long before it signs. */
const MAX_AGE_SECONDS = 300;

const jwksResponse = z.object({
  keys: z.array(z.object({ kty: z.string(), use: z.literal("sig"), alg: z.enum(["RS256", "ES256", "EdDSA"]), kid: z.string() }).loose()),
});

/**
 * `GET /.well-known/jwks.json`: the public keys that verify access and system tokens (RFC 7517 §5). Verifiers may keep the answer for five
 * minutes. `authRoutes` has it where signing keys are configured.
 *
 * @throws {ConfigurationError} `invalid_option`: the auth has no signing keys; a secret is not published.
 */
export function jwksRoute(auth: Auth): Route {
  const { signing } = internalsOf("jwksRoute", auth).settings;
  if (signing === undefined) throw invalidOption("signing", signing, "given to createAuth, for there to be keys to publish");
  // The same to everybody, made once. No more than what loadSigningKeys took from the public halves.
  const body = JSON.stringify(signing.jwks);
  return defineRoute({
    method: "GET",
    path: "/.well-known/jwks.json",
    operationId: "authJwks",
    summary: "Public keys that verify our tokens",
    tags: ["auth"],
    responses: { 200: { description: "A JWK Set.", schema: jwksResponse } },
    handle: () =>
      new Response(body, {
        headers: { "content-type": "application/json", "cache-control": `public, max-age=${MAX_AGE_SECONDS}` },
      }),
  });
}
