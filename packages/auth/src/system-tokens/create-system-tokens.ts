// Tokens of the application itself: schedulers, migrations, one service that calls another. Nobody logs in for them.

import { invalidOption, type MaybePromise, problems, type SubjectState } from "@portcullis/core";
import { type AuthDenial, type AuthResult, denied, ok } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import { createCompactJws } from "../jwt/compact-jws.js";
import type { JwsClaims } from "../jwt/jws-segment.js";
import { HOUR_MS, integer, MINUTE_MS, SECOND_MS } from "../settings/option-checks.js";
import type { Blacklist } from "../revocation/blacklist.js";
import type { ClaimsPolicy } from "../tokens/claims.js";
import { readSystemClaims, SYSTEM_SUBJECT, type ReadSystemToken, type SystemToken } from "./system-claims.js";

/** For whom a system token is made, and where it is good. */
export interface NewSystemToken {
  /** Name of the program that will call: 1 to 100 characters of `A-Z a-z 0-9 . _ : / -`, the first a letter or digit. */
  readonly service: string;
  /** Whom it calls: what {@link SystemTokens.verifySystemToken} there names as its own. One to 16 of at most 200 characters. */
  readonly audience: string | readonly string[];
  /** `principal.roles` there. Default: none. */
  readonly roles?: readonly string[];
  /** Bound of its rights there, of characters that OAuth scopes have (RFC 6749 §3.3). Default: no bound beyond the roles. */
  readonly scopes?: readonly string[];
  /** 1 second to 1 hour; default 5 minutes. Part of a second is dropped. */
  readonly ttlMs?: number;
}

/** A token at the one moment when we have its text. */
export interface CreatedSystemToken {
  readonly token: string;
  /** `jti`. */
  readonly tokenId: string;
  /** Epoch ms, a whole second. */
  readonly issuedAt: number;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** Tokens of services. */
export interface SystemTokens {
  /**
   * Makes a token for a service. Whoever calls it decides about the roles.
   *
   * @throws {ConfigurationError} `invalid_option`: names what is wrong. No token was made.
   * @throws {AuthError} `token_too_large`: no token was made.
   */
  createSystemToken(request: NewSystemToken): Promise<CreatedSystemToken>;
  /**
   * Verifies a system token completely: signature, audience, time, revocation. Denied: `invalidToken`, `tokenExpired`,
   * `sessionRevoked`. Answers without a promise while the store does. Never throws for anything a token can be.
   *
   * @param expected The name of this service, which the token must carry.
   * @throws {StoreUnavailable}
   */
  verifySystemToken(token: string, expected: { readonly audience: string }): MaybePromise<AuthResult<SystemToken>>;
  /** Ends one token. What has returned is in force on every node that asks the same store. */
  revokeSystemToken(token: Pick<SystemToken, "service" | "tokenId" | "expiresAt">): Promise<void>;
  /** Ends every token of a service issued so far. @returns its token version; lower ones are refused. */
  revokeSystemTokens(service: string): Promise<number>;
}

/** What only this package may do: read a token without being the one it is for. */
export interface SystemTokenReader {
  readSystemToken(token: string): MaybePromise<AuthResult<SystemToken>>;
}

export const SYSTEM_TOKEN_TYPE = "st+jwt";
const DEFAULT_TTL_MS = 5 * MINUTE_MS;
const MAX_TTL_MS = HOUR_MS;
const MAX_AUDIENCES = 16;
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

const INVALID = denied(problems.invalidToken());
const EXPIRED = denied(problems.tokenExpired());
const REVOKED = denied(problems.sessionRevoked());

export function createSystemTokens(
  settings: AuthSettings,
  blacklist: Blacklist,
  createId: () => string,
  instruments: Instruments,
): SystemTokens & SystemTokenReader {
  const { clock, store, issuer, secrets, signing } = settings;
  const jws = createCompactJws(secrets, SYSTEM_TOKEN_TYPE, signing);
  const policy: ClaimsPolicy = { kind: "system", issuer, audience: undefined, maxLifeSeconds: MAX_TTL_MS / SECOND_MS };

  const refuse = (denial: AuthDenial, reason: string): AuthDenial => {
    instruments.failed("system_token", reason);
    return denial;
  };

  function decide({ token, tokenVersion }: ReadSystemToken, state: SubjectState, isRevoked: boolean): AuthResult<SystemToken> {
    if (state.disabled) return refuse(REVOKED, "disabled");
    if (tokenVersion < state.tokenVersion) return refuse(REVOKED, "token_version");
    if (tokenVersion > state.tokenVersion) {
      const userId = token.principal.id;
      instruments.emit({ kind: "token_version_ahead", userId, tokenVersion, currentVersion: state.tokenVersion });
      return refuse(INVALID, "token_version_ahead");
    }
    if (isRevoked) return refuse(REVOKED, "revoked");
    instruments.succeeded("system_token");
    return ok(token);
  }

  function verify(token: string, audience: string | undefined): MaybePromise<AuthResult<SystemToken>> {
    const opened = jws.open(token);
    if (opened.kind === "refused") return refuse(INVALID, opened.reason);
    const read = readSystemClaims(opened.claims, policy, audience, clock.now());
    if (typeof read === "string") return refuse(read === "expired" ? EXPIRED : INVALID, read);
    const state = store.subjects.read(read.token.principal.id);
    const { tokenId } = read.token;
    // Asked for both at once where that is a network away; in an async function, so that no fault of one leaves the other unheard.
    if (state instanceof Promise) {
      return Promise.all([state, (async () => blacklist.isRevoked(tokenId))()]).then(([settled, isRevoked]) =>
        decide(read, settled, isRevoked),
      );
    }
    const isRevoked = blacklist.isRevoked(tokenId);
    return isRevoked instanceof Promise ? isRevoked.then((settled) => decide(read, state, settled)) : decide(read, state, isRevoked);
  }

  return Object.freeze({
    async createSystemToken(request: NewSystemToken): Promise<CreatedSystemToken> {
      const { service, audiences, roles, scopes, ttlMs } = readRequest(request);
      const sub = SYSTEM_SUBJECT + service;
      const { tokenVersion } = await store.subjects.read(sub);
      const iat = Math.floor(clock.now() / SECOND_MS);
      const exp = iat + Math.floor(ttlMs / SECOND_MS);
      const tokenId = createId();
      const claims: JwsClaims = {
        ...(issuer === undefined ? {} : { iss: issuer }),
        sub,
        aud: audiences.length === 1 ? (audiences[0] as string) : audiences, // length 1
        iat,
        exp,
        tv: tokenVersion,
        role: roles,
        ...(scopes === undefined ? {} : { scope: scopes.join(" ") }),
        type: "system",
        jti: tokenId,
      };
      const token = jws.sign(claims);
      instruments.issuedSystemToken();
      instruments.emit({ kind: "system_token_issued", service, tokenId, audiences });
      return Object.freeze({ token, tokenId, issuedAt: iat * SECOND_MS, expiresAt: exp * SECOND_MS });
    },
    verifySystemToken(token: string, expected: { readonly audience: string }): MaybePromise<AuthResult<SystemToken>> {
      const audience: unknown = expected?.audience;
      if (typeof audience !== "string" || audience === "") throw invalidOption("audience", audience, "the name of this service");
      return verify(token, audience);
    },
    readSystemToken: (token: string) => verify(token, undefined),
    async revokeSystemToken({ service, tokenId, expiresAt }: Pick<SystemToken, "service" | "tokenId" | "expiresAt">): Promise<void> {
      await blacklist.revoke(tokenId, expiresAt, clock.now());
      instruments.revoked("token");
      instruments.emit({ kind: "system_token_revoked", service, tokenId });
    },
    async revokeSystemTokens(service: string): Promise<number> {
      checkService(service);
      const { tokenVersion } = await store.subjects.bump(SYSTEM_SUBJECT + service, "tokenVersion");
      instruments.revoked("service");
      instruments.emit({ kind: "system_tokens_revoked", service, tokenVersion });
      return tokenVersion;
    },
  });
}

interface CheckedRequest {
  readonly service: string;
  readonly audiences: readonly string[];
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | undefined;
  readonly ttlMs: number;
}

function readRequest(request: NewSystemToken): CheckedRequest {
  if (typeof request !== "object" || request === null) throw invalidOption("createSystemToken", request, "an object of options");
  const { service, audience, roles = [], scopes, ttlMs = DEFAULT_TTL_MS } = request;
  checkService(service);
  const audiences = Object.freeze(Array.isArray(audience) ? [...audience] : [audience]);
  const isGood = (each: unknown): boolean => typeof each === "string" && each !== "" && each.length <= 200;
  if (audiences.length === 0 || audiences.length > MAX_AUDIENCES || !audiences.every(isGood)) {
    throw invalidOption("audience", audience, `1 to ${MAX_AUDIENCES} names of services, each of 1 to 200 characters`);
  }
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) throw invalidOption("roles", roles, "a list of strings");
  if (scopes !== undefined && !(Array.isArray(scopes) && scopes.every((scope) => typeof scope === "string" && SCOPE.test(scope)))) {
    throw invalidOption("scopes", scopes, 'a list of printable strings without spaces, quotes and "\\"');
  }
  return {
    service,
    audiences,
    roles: [...roles],
    scopes: scopes === undefined ? undefined : [...scopes],
    ttlMs: integer("ttlMs", ttlMs, SECOND_MS, MAX_TTL_MS),
  };
}

function checkService(service: unknown): void {
  if (typeof service !== "string" || !SERVICE.test(service)) {
    throw invalidOption("service", service, "1 to 100 characters of A-Z a-z 0-9 . _ : / -, the first a letter or digit");
  }
}
