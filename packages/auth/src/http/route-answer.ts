// What the handlers of all routes share: who calls, and how an answer looks.

import { type Facts, type Principal, principalFact, ProblemError, problems } from "@portcullis/core";
import type { z } from "zod";
import type { AuthResult } from "../auth-result.js";
import { type AccessToken, accessTokenFact } from "../tokens/access-token.js";
import type { AccountInfo } from "../users/user-directory.js";
import type { userResponse } from "./route-schemas.js";

export const SMALL_BODY_BYTES = 16_384;
// RFC 6749 §5.1: tokens are kept by no cache, not even one that speaks HTTP/1.0.
const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" };

export function valueOf<T>(result: AuthResult<T>): T {
  if (result.kind === "denied") throw new ProblemError(result.problem);
  return result.value;
}

export function principalOf(facts: Facts): Principal {
  const principal = facts.get(principalFact);
  if (principal === undefined) throw new ProblemError(problems.unauthenticated());
  return principal;
}

// What belongs to a session is closed to API keys, whatever their rights.
export function tokenOf(facts: Facts): AccessToken {
  const token = facts.get(accessTokenFact);
  if (token === undefined) throw new ProblemError(problems.forbidden({ detail: "An API key cannot do this. Log in." }));
  return token;
}

// The type ties the body to what the documentation says of it.
export function answer<Schema extends z.ZodType>(status: number, _schema: Schema, body: z.input<Schema>): Response {
  return Response.json(body, { status, headers: NO_STORE });
}

export function userBody(account: AccountInfo): z.input<typeof userResponse> {
  const { id, email, name, roles, orgRoles, orgId, workspaceId, mustChangePassword } = account;
  return {
    id,
    email,
    name: name ?? null,
    roles: [...roles],
    org_roles: [...orgRoles],
    org_id: orgId ?? null,
    workspace_id: workspaceId ?? null,
    must_change_password: mustChangePassword,
  };
}
