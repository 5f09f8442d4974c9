import { freezePrincipal, problems, type UserPrincipal } from "@portcullis/core";
import { type AuthResult, denied, ok } from "../auth-result.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import { blacklistKey } from "../revocation/blacklist.js";
import type { TokenIdentity } from "../revocation/standing.js";
import type { SeenSession } from "../sessions/active-sessions.js";
import type { AccessToken } from "./access-token.js";
import type { AccessClaims } from "./claims.js";

/**
 * All that its verifier knows of a token whose signature and claims are right. What each request looks at lies here, not in the claims:
 * most of what a look costs is waiting for memory.
 */
export interface VerifiedEntry extends SeenSession, TokenIdentity, Pick<AccessClaims, "exp" | "nbf" | "tv" | "cv" | "pwdSig"> {
  readonly token: string;
  readonly secret: RingSecret;
  /** What is answered when nothing speaks against it. */
  accepted: AuthResult<AccessToken>;
  /** The password version that `pwd_sig` was found to stand for: spares the HMAC on the next hit. */
  passwordVersion: number | undefined;
  /** Asked for since the cache passed it over. */
  isInUse: boolean;
  /** Which verifier it belongs to. */
  readonly verifier: object;
}

const NOTHING_YET = denied(problems.invalidToken());

export function createEntry(verifier: object, token: string, claims: AccessClaims, secret: RingSecret): VerifiedEntry {
  const entry: VerifiedEntry = {
    token,
    exp: claims.exp,
    nbf: claims.nbf,
    tv: claims.tv,
    cv: claims.cv,
    isInUse: false,
    subjectId: claims.sub,
    sessionId: claims.sid,
    tokenId: claims.jti,
    blacklistKey: blacklistKey(claims.jti),
    pwdSig: claims.pwdSig,
    secret,
    accepted: NOTHING_YET,
    passwordVersion: undefined,
    seenIn: 0,
    verifier,
  };
  entry.accepted = ok(
    new VerifiedToken(entry, {
      principal: principalOf(claims),
      tokenId: claims.jti,
      sessionId: claims.sid,
      amr: Object.freeze(claims.amr),
      issuedAt: claims.iat * 1000,
      expiresAt: claims.exp * 1000,
    }),
  );
  return entry;
}

/** The entry of a token that this verifier gave out; `undefined` for a copy, and for a token of somebody else. */
export function entryOf(verifier: object, token: AccessToken): VerifiedEntry | undefined {
  const entry = VerifiedToken.entryOf(token);
  return entry?.verifier === verifier ? entry : undefined;
}

/** The token as one that came with a session cookie. It stays what its verifier accepted: whoever looks again finds it. */
export function bySession(token: AccessToken): AccessToken {
  const principal = freezePrincipal({ ...token.principal, authMethod: "session" }) as UserPrincipal; // a copy of a user
  const session = { ...token, principal };
  const entry = VerifiedToken.entryOf(token);
  return entry === undefined ? Object.freeze(session) : new VerifiedToken(entry, session);
}

class VerifiedToken implements AccessToken {
  readonly principal: UserPrincipal;
  readonly tokenId: string;
  readonly sessionId: string;
  readonly amr: readonly string[];
  readonly issuedAt: number;
  readonly expiresAt: number;
  // A way back that nothing outside can follow or forge, and that costs less than a WeakMap on the way to every first request.
  readonly #entry: VerifiedEntry;

  constructor(entry: VerifiedEntry, { principal, tokenId, sessionId, amr, issuedAt, expiresAt }: AccessToken) {
    this.#entry = entry;
    this.principal = principal;
    this.tokenId = tokenId;
    this.sessionId = sessionId;
    this.amr = amr;
    this.issuedAt = issuedAt;
    this.expiresAt = expiresAt;
    Object.freeze(this);
  }

  static entryOf(token: AccessToken): VerifiedEntry | undefined {
    return #entry in token ? token.#entry : undefined;
  }
}

// Frozen in one go, the lists where they lie: nobody else has the claims.
function principalOf(claims: AccessClaims): UserPrincipal {
  const { scopedDepartments, personas, mfaAt } = claims;
  const principal: UserPrincipal = {
    type: "user",
    id: claims.sub,
    email: claims.email,
    orgId: claims.orgId,
    workspaceId: claims.workspaceId,
    roles: Object.freeze(claims.roles),
    orgRoles: Object.freeze(claims.orgRoles),
    scopes: undefined,
    authMethod: "token",
    sessionId: claims.sid,
    tokenVersion: claims.tv,
    mfaAt: mfaAt === undefined ? undefined : mfaAt * 1000,
    mustChangePassword: claims.mustChangePassword,
  };
  if (scopedDepartments === undefined && personas === undefined) return Object.freeze(principal);
  return Object.freeze({
    ...principal,
    ...(scopedDepartments === undefined ? {} : { scopedDepartments: Object.freeze(scopedDepartments) }),
    ...(personas === undefined ? {} : { personas: Object.freeze(personas) }),
  });
}
