// What our tokens say, and the strict reading of it. Names are those of JWT (RFC 7519 §4.1) and OAuth (snake case).

import type { JsonValue } from "@portcullis/core";
import type { JwsClaims } from "../jwt/compact-jws.js";

/** Claims that every kind of token carries. Instants are whole seconds. */
export interface CommonClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf: number | undefined;
  /** Token version of the subject at issue. */
  readonly tv: number;
  readonly jti: string;
}

/** Claims of the tokens of a login. */
export interface TokenClaims extends CommonClaims {
  /** The login this token descends from. */
  readonly sid: string;
  /** Keyed hash of the subject's password version. */
  readonly pwdSig: string;
}

/** Claims of an access token: who the caller is. */
export interface AccessClaims extends TokenClaims {
  readonly email: string | undefined;
  readonly orgId: string | undefined;
  readonly workspaceId: string | undefined;
  readonly roles: readonly string[];
  readonly orgRoles: readonly string[];
  readonly scopedDepartments: readonly string[] | undefined;
  readonly personas: readonly string[] | undefined;
  readonly mustChangePassword: boolean;
  /** Claims version of the subject at issue; 1 where the claim is absent. */
  readonly cv: number;
  /** How the subject proved itself (RFC 8176). */
  readonly amr: readonly string[];
  /** When a second factor was proven; whole seconds. */
  readonly mfaAt: number | undefined;
}

/** What a token must agree with beside its signature. */
export interface ClaimsPolicy {
  readonly kind: "access" | "refresh" | "system" | "mfa_pending";
  readonly issuer: string | undefined;
  /** Required when set; `aud` may be the value or a list that has it (RFC 7519 §4.1.3). */
  readonly audience: string | undefined;
  /** Longest life of a token: whoever steals a secret cannot make eternal ones. */
  readonly maxLifeSeconds: number;
}

/** Why claims were refused. */
export type ClaimsRefusal = "wrong_claims" | "not_yet_valid" | "expired";

// Clocks of nodes that issue and verify may differ by this much; never applied to `exp`.
const LEEWAY_SECONDS = 60;
// Ids end up in store keys of at most 512 bytes.
const MAX_ID_CHARACTERS = 128;

/** Reads what every kind shares. Expiry comes last, so that "expired" is said only of tokens that were right. */
export function readCommonClaims(claims: JwsClaims, policy: ClaimsPolicy, nowMs: number): CommonClaims | ClaimsRefusal {
  const { iss, aud, sub, iat, exp, nbf, type, tv, jti } = claims;
  if (type !== policy.kind) return "wrong_claims";
  if (policy.issuer !== undefined && iss !== policy.issuer) return "wrong_claims";
  if (policy.audience !== undefined && !isFor(aud, policy.audience)) return "wrong_claims";
  if (!isId(sub) || !isId(jti)) return "wrong_claims";
  if (!isInstant(iat) || !isInstant(exp) || !isVersion(tv)) return "wrong_claims";
  if (nbf !== undefined && !isInstant(nbf)) return "wrong_claims";
  if (exp <= iat || exp - iat > policy.maxLifeSeconds) return "wrong_claims";
  const read: CommonClaims = { sub, iat, exp, nbf, tv, jti };
  if (iat * 1000 > nowMs + LEEWAY_SECONDS * 1000) return "not_yet_valid";
  return timeRefusal(read, nowMs) ?? read;
}

/** Reads what the tokens of a login share. */
export function readClaims(claims: JwsClaims, policy: ClaimsPolicy, nowMs: number): TokenClaims | ClaimsRefusal {
  const { sid, pwd_sig: pwdSig } = claims;
  if (!isId(sid) || !isId(pwdSig)) return "wrong_claims";
  const common = readCommonClaims(claims, policy, nowMs);
  if (typeof common === "string") return common;
  const { sub, iat, exp, nbf, tv, jti } = common;
  return { sub, iat, exp, nbf, tv, jti, sid, pwdSig };
}

/** Whether a token is within its time. At `exp` itself it is expired (RFC 7519 §4.1.4: on or after). */
export function timeRefusal(claims: Pick<TokenClaims, "exp" | "nbf">, nowMs: number): "not_yet_valid" | "expired" | undefined {
  if (nowMs >= claims.exp * 1000) return "expired";
  return claims.nbf !== undefined && claims.nbf * 1000 > nowMs + LEEWAY_SECONDS * 1000 ? "not_yet_valid" : undefined;
}

/** Reads what access tokens say beyond {@link readClaims}. */
export function readAccessClaims(claims: JwsClaims, policy: ClaimsPolicy, nowMs: number): AccessClaims | ClaimsRefusal {
  const {
    email,
    org_id: orgId,
    workspace_id: workspaceId,
    role,
    org_roles: orgRoles = [],
    departments: scopedDepartments,
    personas,
    must_change_password: mustChangePassword = false,
    cv = 1,
    amr = [],
    mfa_at: mfaAt,
  } = claims;
  const roles = typeof role === "string" ? [role] : role;
  if (!isOptionalText(email) || !isOptionalText(orgId) || !isOptionalText(workspaceId)) return "wrong_claims";
  if (!isTextList(roles) || !isTextList(orgRoles) || typeof mustChangePassword !== "boolean") return "wrong_claims";
  if (!isOptionalTextList(scopedDepartments) || !isOptionalTextList(personas)) return "wrong_claims";
  if (!isVersion(cv) || !isTextList(amr) || !(mfaAt === undefined || isInstant(mfaAt))) return "wrong_claims";
  const shared = readClaims(claims, policy, nowMs);
  if (typeof shared === "string") return shared;
  const { sub, iat, exp, nbf, tv, jti, sid, pwdSig } = shared;
  // Each by name: copying by spread costs more than verifying the signature does.
  return {
    sub,
    iat,
    exp,
    nbf,
    tv,
    jti,
    sid,
    pwdSig,
    email,
    orgId,
    workspaceId,
    roles,
    orgRoles,
    scopedDepartments,
    personas,
    mustChangePassword,
    cv,
    amr,
    mfaAt,
  };
}

function isFor(audience: JsonValue | undefined, wanted: string): boolean {
  return audience === wanted || (Array.isArray(audience) && audience.includes(wanted));
}

function isId(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_ID_CHARACTERS;
}

// 1e400 parses to Infinity, "never expires"; fractions and strings are spellings that other readers round differently.
function isInstant(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0; // an integer is a number
}

function isVersion(value: JsonValue | undefined): value is number {
  return isInstant(value) && value >= 1;
}

function isOptionalText(value: JsonValue | undefined): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function isOptionalTextList(value: JsonValue | undefined): value is readonly string[] | undefined {
  return value === undefined || isTextList(value);
}

/** A list of strings. */
export function isTextList(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
