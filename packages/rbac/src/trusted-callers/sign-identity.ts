import { randomBytes } from "node:crypto";
import { type Clock, invalidOption, systemClock } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import { readIdentityHeaders } from "./identity-headers.js";
import { makeSignature } from "./message-signature.js";

/** A request that is to be sent on somebody's behalf. */
export interface SignIdentityOptions {
  /** Id of the caller, and one of its secrets. */
  readonly callerId: string;
  readonly secret: string;
  /** The `audience` of the service it is for. */
  readonly audience: string;
  readonly method: string;
  /** Path and query exactly as they will be sent: `/workflows?limit=5`. */
  readonly target: string;
  readonly userId: string;
  readonly orgId?: string;
  readonly roles: readonly string[];
  readonly clock?: Clock;
}

/** Fields for the request, by name. */
export type SignedIdentityHeaders = Readonly<Record<string, string>>;

const OPTIONS = ["callerId", "secret", "audience", "method", "target", "userId", "orgId", "roles", "clock"] as const;

/**
 * The identity fields of a request with a signature over them, its method, path and query: for {@link trustIdentityHeaders} on the
 * other side. Valid once, and for a short time. The body is not covered: send it over TLS.
 *
 * @throws {ConfigurationError} `invalid_option`: an id or a role that the other side would refuse.
 * @see RFC 9421
 * @example
 * ```ts
 * import { signIdentity } from "@portcullis/rbac";
 *
 * const headers = signIdentity({
 *   callerId: "billing",
 *   secret: "a secret of at least thirty-two bytes",
 *   audience: "workflows-api",
 *   method: "GET",
 *   target: "/workflows?limit=5",
 *   userId: "ada",
 *   orgId: "acme",
 *   roles: ["member"],
 * });
 * console.log(Object.keys(headers).join()); // x-user-id,x-org-id,x-user-roles,signature-input,signature
 * ```
 */
export function signIdentity(options: SignIdentityOptions): SignedIdentityHeaders {
  const {
    callerId,
    secret,
    audience,
    method,
    target,
    userId,
    orgId,
    roles,
    clock = systemClock,
  } = ownOptions("signIdentity", options, OPTIONS);
  for (const [name, value] of Object.entries({ callerId, secret, audience, method, target, userId }))
    if (typeof value !== "string" || value === "") throw invalidOption(`signIdentity.${name}`, value, "a non-empty string");
  if (!Array.isArray(roles)) throw invalidOption("signIdentity.roles", roles, "a list of roles");
  const fields: Record<string, string> = {
    "x-user-id": String(userId),
    ...(orgId === undefined ? {} : { "x-org-id": orgId }),
    "x-user-roles": roles.join(","),
  };
  const header = (name: string): string | undefined => fields[name];
  if (readIdentityHeaders({ header, headerCount: (name) => (name in fields ? 1 : 0) }) === undefined)
    throw invalidOption(
      "signIdentity",
      options,
      "an identity whose ids are 1 to 128 visible ASCII characters without comma, with 1 to 32 roles",
    );
  const params = {
    created: Math.floor(clock.now() / 1000),
    keyid: String(callerId),
    nonce: randomBytes(16).toString("base64url"),
    tag: String(audience),
  };
  const message = { method: String(method), target: String(target), header };
  return Object.freeze({ ...fields, ...makeSignature(message, componentsFor(Object.keys(fields)), params, String(secret)) });
}

/** What a signature over these identity fields covers, at least. */
export function componentsFor(fields: readonly string[]): readonly string[] {
  return ["@method", "@path", "@query", ...fields];
}
