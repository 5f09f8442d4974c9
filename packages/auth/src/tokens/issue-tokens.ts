import { createHash } from "node:crypto";
import { problems, type SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import { denied, ok, type AuthResult } from "../auth-result.js";
import { AuthError } from "../errors.js";
import type { Instruments } from "../instruments.js";
import { createCompactJws, type CompactJws, type JwsClaims } from "../jwt/compact-jws.js";
import { writeSessionDetails, type LoginProof, type SessionDetails } from "../sessions/session-data.js";
import type { ClaimsPolicy } from "./claims.js";
import { passwordSignature } from "./password-signature.js";
import type { TokenPair, TokenSubject } from "./token-pair.js";

/** The two kinds of tokens and what each must say. */
export interface TokenKinds {
  readonly access: { readonly jws: CompactJws; readonly policy: ClaimsPolicy };
  readonly refresh: { readonly jws: CompactJws; readonly policy: ClaimsPolicy };
}

export function createTokenKinds(settings: AuthSettings): TokenKinds {
  const { secrets, signing, issuer, audience } = settings;
  const { accessTtlMs, refreshTtlMs } = settings.sessions;
  return {
    access: {
      jws: createCompactJws(secrets, "at+jwt", signing), // RFC 9068 §2.1
      policy: { kind: "access", issuer, audience, maxLifeSeconds: Math.floor(accessTtlMs / 1000) },
    },
    refresh: {
      jws: createCompactJws(secrets, "rt+jwt"),
      policy: { kind: "refresh", issuer, audience: undefined, maxLifeSeconds: Math.floor(refreshTtlMs / 1000) },
    },
  };
}

/** Makes tokens, and sessions for them. */
export interface TokenIssuer {
  /**
   * Opens a session. Denied: `tooManySessions`, where the cap refuses.
   *
   * @param state Read before the credential was checked, so that a revocation meanwhile wins.
   */
  open(subject: TokenSubject, state: SubjectState, details: SessionDetails): Promise<AuthResult<TokenPair>>;
  /**
   * Tokens of a session there is.
   *
   * @param refreshId The id of the refresh token that the session now expects.
   * @param nowMs When they are issued.
   */
  renew(
    subject: TokenSubject,
    state: SubjectState,
    session: { readonly id: string; readonly expiresAt: number; readonly proof: LoginProof },
    refreshId: string,
    nowMs: number,
  ): TokenPair;
  createId(): string;
  /** All that the store learns of a refresh token. */
  refreshHash(refreshId: string): string;
}

const ID_BYTES = 18; // 144 random bits, 24 characters
const MAX_USER_ID_CHARACTERS = 128;

export function createTokenIssuer(settings: AuthSettings, kinds: TokenKinds, instruments: Instruments): TokenIssuer {
  const { clock, store, secrets, issuer, audience, random } = settings;
  const createId = (): string => Buffer.from(random(ID_BYTES)).toString("base64url");
  const refreshHash = (refreshId: string): string => createHash("sha256").update(refreshId).digest("base64url");

  const renew: TokenIssuer["renew"] = (subject, state, session, refreshId, nowMs) => {
    const iat = Math.floor(nowMs / 1000);
    const { amr, mfaAt } = session.proof;
    const refreshExp = Math.min(Math.floor(session.expiresAt / 1000), iat + kinds.refresh.policy.maxLifeSeconds);
    const accessExp = Math.min(iat + kinds.access.policy.maxLifeSeconds, refreshExp);
    const { userId, email, orgId, workspaceId, role, orgRoles = [], mustChangePassword = false } = subject;
    const { scopedDepartments, personas } = subject;
    const shared = defined({
      iss: issuer,
      sub: userId,
      iat,
      tv: state.tokenVersion,
      sid: session.id,
      pwd_sig: passwordSignature(secrets.current, userId, state.passwordVersion),
    });
    const access = defined({
      ...shared,
      aud: audience,
      // A key pair makes no keyed hash: which secret did.
      pwd_kid: settings.signing === undefined ? undefined : secrets.current.id,
      email,
      org_id: orgId,
      workspace_id: workspaceId,
      role,
      org_roles: orgRoles.length === 0 ? undefined : orgRoles,
      departments: scopedDepartments,
      personas,
      must_change_password: mustChangePassword ? true : undefined,
      // Left out where nothing ever changed: most tokens are shorter for it.
      cv: state.claimsVersion === 1 ? undefined : state.claimsVersion,
      amr: amr.length === 0 ? undefined : amr,
      mfa_at: mfaAt === undefined ? undefined : Math.floor(mfaAt / 1000),
      exp: accessExp,
      type: "access",
      jti: createId(),
    });
    return Object.freeze({
      accessToken: kinds.access.jws.sign(access),
      refreshToken: kinds.refresh.jws.sign({ ...shared, exp: refreshExp, type: "refresh", jti: refreshId }),
      issuedAt: iat * 1000,
      accessExpiresAt: accessExp * 1000,
      refreshExpiresAt: refreshExp * 1000,
      sessionId: session.id,
    });
  };

  return Object.freeze({
    async open(subject: TokenSubject, state: SubjectState, details: SessionDetails): Promise<AuthResult<TokenPair>> {
      const { userId } = subject;
      if (typeof userId !== "string" || userId === "" || userId.length > MAX_USER_ID_CHARACTERS) {
        throw new AuthError("invalid_account", `A user id is not 1 to ${MAX_USER_ID_CHARACTERS} characters long. Use shorter ids.`);
      }
      const { refreshTtlMs, idleMs, max, whenFull } = settings.sessions;
      const now = clock.now();
      const session = { id: createId(), expiresAt: now + refreshTtlMs, proof: details };
      const refreshId = createId();
      // Signed first: a token that is too large leaves no session behind.
      const pair = renew(subject, state, session, refreshId, now);
      const { created, evicted } = await store.sessions.create(
        {
          id: session.id,
          subjectId: userId,
          refreshHash: refreshHash(refreshId),
          ttlMs: refreshTtlMs,
          idleMs,
          data: writeSessionDetails(details),
        },
        { limit: max, whenFull },
      );
      if (!created) return denied(problems.tooManySessions());
      instruments.issuedPair();
      for (const sessionId of evicted) {
        instruments.revoked("session");
        instruments.emit({ kind: "session_evicted", userId, sessionId });
      }
      return ok(pair);
    },
    renew,
    createId,
    refreshHash,
  });
}

function defined(claims: { readonly [name: string]: JwsClaims[string] | undefined }): JwsClaims {
  const entries = Object.entries(claims).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as JwsClaims; // nothing undefined is left
}
