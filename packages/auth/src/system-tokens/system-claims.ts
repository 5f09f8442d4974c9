// What system tokens say (`typ` `st+jwt`), and the strict reading of it.

import { freezePrincipal, type SystemPrincipal } from "@portcullis/core";
import type { JwsClaims } from "../jwt/jws-segment.js";
import { type ClaimsPolicy, type ClaimsRefusal, isTextList, readCommonClaims } from "../tokens/claims.js";

/** A system token that was verified: signed by us, for this audience, in time, not revoked. Deep-frozen; carries no token text. */
export interface SystemToken {
  readonly principal: SystemPrincipal;
  /** The name it was made for. */
  readonly service: string;
  /** Everybody it is for. */
  readonly audiences: readonly string[];
  /** `jti`: what the blacklist knows it by. */
  readonly tokenId: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  /** Epoch ms; at this instant it is expired. */
  readonly expiresAt: number;
}

/** What was read; `tokenVersion` is to be compared with the subject's. */
export interface ReadSystemToken {
  readonly token: SystemToken;
  readonly tokenVersion: number;
}

/** Before a service's name in `sub` and in the store: no user is told apart from it by its type only. */
export const SYSTEM_SUBJECT = "system:";

/** @param audience One of those that the token must be for; `undefined`: whoever it is for, to tell of it only. */
export function readSystemClaims(
  claims: JwsClaims,
  policy: ClaimsPolicy,
  audience: string | undefined,
  nowMs: number,
): ReadSystemToken | ClaimsRefusal {
  const { aud, role: roles, scope } = claims;
  // A list, or one that stands for a list of one (RFC 7519 §4.1.3). Without any it would be good everywhere.
  const audiences = typeof aud === "string" ? [aud] : aud;
  if (!isTextList(audiences) || audiences.length === 0 || audiences.includes("")) return "wrong_claims";
  if (audience !== undefined && !audiences.includes(audience)) return "wrong_claims";
  if (!isTextList(roles) || !(scope === undefined || typeof scope === "string")) return "wrong_claims";
  const common = readCommonClaims(claims, policy, nowMs);
  if (typeof common === "string") return common;
  const { sub, jti, iat, exp, tv } = common;
  if (!sub.startsWith(SYSTEM_SUBJECT)) return "wrong_claims";
  const principal: SystemPrincipal = {
    type: "system",
    id: sub,
    orgId: undefined,
    workspaceId: undefined,
    roles,
    orgRoles: [],
    scopes: scope === undefined ? undefined : scope.split(" ").filter((each) => each !== ""),
    authMethod: "system",
    audience: audience ?? (audiences[0] as string), // at least one
  };
  const token: SystemToken = Object.freeze({
    principal: freezePrincipal(principal) as SystemPrincipal, // a copy of what went in
    service: sub.slice(SYSTEM_SUBJECT.length),
    audiences: Object.freeze([...audiences]),
    tokenId: jti,
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
  });
  return { token, tokenVersion: tv };
}
