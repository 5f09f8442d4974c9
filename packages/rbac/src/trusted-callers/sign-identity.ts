import { randomBytes } from "node:crypto";
import { type Clock, invalidOption, systemClock } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import { DEFAULT_NAME_PATTERN } from "../policy/compile-permissions.js";
import { readIdentityHeaders } from "./identity-headers.js";
import { makeSignature } from "./message-signature.js";
import { requireAudience, requireCallerId, requireSecret } from "./trusted-caller.js";

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

const METHOD = /^[A-Z-]{1,32}$/;
// What clients would change before they send it (a fragment, blanks, letters beyond ASCII) cannot be signed.
const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const OPTIONS = ["callerId", "secret", "audience", "method", "target", "userId", "orgId", "roles", "clock"] as const;

/**
 * The identity fields of a request with a signature over them, its method, path and query: for {@link trustIdentityHeaders} on the
 * other side. Valid once, and for a short time. The body is not covered: send it over TLS.
 *
 * @throws {ConfigurationError} `invalid_option`: something that the other side would refuse, or that is not sent as it is given.
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
  requireCallerId("signIdentity.callerId", callerId);
  requireSecret("signIdentity.secret", secret);
  requireAudience("signIdentity.audience", audience);
  if (typeof method !== "string" || !METHOD.test(method)) throw invalidOption("signIdentity.method", method, "a method, in upper case");
  if (typeof target !== "string" || !TARGET.test(target))
    throw invalidOption("signIdentity.target", target, "path and query as they are sent: /, then visible ASCII without #");
  if (typeof userId !== "string") throw invalidOption("signIdentity.userId", userId, "a string");
  if (orgId !== undefined && typeof orgId !== "string") throw invalidOption("signIdentity.orgId", orgId, "a string, or absent");
  // Each by itself: "member,owner" is no role, but two once it is joined with others.
  if (!Array.isArray(roles) || !roles.every((role: unknown) => typeof role === "string" && DEFAULT_NAME_PATTERN.test(role)))
    throw invalidOption("signIdentity.roles", roles, "a list of roles");
  const fields: Record<string, string> = {
    "x-user-id": userId,
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
    keyid: callerId,
    nonce: randomBytes(16).toString("base64url"),
    tag: audience,
  };
  const message = { method, target, header };
  return Object.freeze({ ...fields, ...makeSignature(message, componentsFor(Object.keys(fields)), params, secret) });
}

/** What a signature over these identity fields covers, at least. */
export function componentsFor(fields: readonly string[]): readonly string[] {
  return ["@method", "@path", "@query", ...fields];
}
