import type { GuardRequest } from "@portcullis/core";
import { DEFAULT_NAME_PATTERN } from "../policy/compile-permissions.js";

/** The fields by which a service says on whose behalf it calls. */
export const IDENTITY_HEADERS = ["x-user-id", "x-org-id", "x-user-roles"] as const;

/** What they say, read strictly. */
export interface ForwardedIdentity {
  readonly userId: string;
  readonly orgId: string | undefined;
  readonly roles: readonly string[];
}

// The same names with `_` and `.`: servers that make variables of header fields (CGI, RFC 3875 §4.1.18) cannot tell them apart, so a
// proxy that removes x-user-id may let x_user_id pass.
const ALIASES: readonly string[] = IDENTITY_HEADERS.flatMap((name) => spellings(name.split("-")).filter((alias) => alias !== name));

const ID = /^[\x21-\x2b\x2d-\x7e]{1,128}$/;
const MOST_ROLES = 32;
const MOST_ROLES_BYTES = 4096;

/** Whether the request carries any of them, under whatever spelling. */
export function hasIdentityHeaders(request: Pick<GuardRequest, "headerCount">): boolean {
  return IDENTITY_HEADERS.some((name) => request.headerCount(name) > 0) || hasAliases(request);
}

/** Whether the request carries one of them under another spelling. */
export function hasAliases(request: Pick<GuardRequest, "headerCount">): boolean {
  return ALIASES.some((name) => request.headerCount(name) > 0);
}

/** Takes all of them out of the request, so that no handler believes them. */
export function removeIdentityHeaders(request: Pick<GuardRequest, "removeHeader">): void {
  for (const name of IDENTITY_HEADERS) request.removeHeader(name);
  for (const name of ALIASES) request.removeHeader(name);
}

/**
 * Reads them. User and roles are there exactly once, the organisation at most once; a second line is refused even if it is equal.
 *
 * @returns `undefined` where one is missing, repeated or not well formed.
 */
export function readIdentityHeaders(request: Pick<GuardRequest, "header" | "headerCount">): ForwardedIdentity | undefined {
  const [users, orgs, roleLines] = IDENTITY_HEADERS.map((name) => request.headerCount(name));
  if (users !== 1 || roleLines !== 1 || (orgs !== 0 && orgs !== 1)) return undefined;
  const userId = request.header("x-user-id") ?? "";
  const orgId = request.header("x-org-id");
  const roles = parseRoles(request.header("x-user-roles") ?? "");
  if (!ID.test(userId) || (orgId !== undefined && !ID.test(orgId)) || roles === undefined) return undefined;
  return { userId, orgId, roles };
}

// `admin, member`: RFC 9110 §5.6.1, but without empty elements. Roles are named as policies name them by default.
function parseRoles(text: string): readonly string[] | undefined {
  if (text.length > MOST_ROLES_BYTES) return undefined;
  const roles = text.split(",").map((role) => role.replaceAll(/^[ \t]+|[ \t]+$/g, ""));
  return roles.length <= MOST_ROLES && roles.every((role) => DEFAULT_NAME_PATTERN.test(role)) ? roles : undefined;
}

function spellings([first = "", ...rest]: readonly string[]): readonly string[] {
  if (rest.length === 0) return [first];
  return spellings(rest).flatMap((tail) => ["-", "_", "."].map((separator) => `${first}${separator}${tail}`));
}
