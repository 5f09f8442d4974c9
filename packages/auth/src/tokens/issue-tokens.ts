import { problems, type SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import { denied, ok, type AuthResult } from "../auth-result.js";
import { requireCookieSize } from "../cookies/session-cookies.js";
import { AuthError } from "../errors.js";
import type { Instruments } from "../instruments.js";
import { createCompactJws, type CompactJws, type JwsClaims } from "../jwt/compact-jws.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import { writeSessionDetails, type LoginProof, type SessionDetails } from "../sessions/session-data.js";
import type { SessionsEnded } from "../sessions/sessions-ended.js";
import type { ClaimsPolicy } from "./claims.js";
import { passwordSignature } from "./password-signature.js";
import { refreshHash } from "./refresh-successor.js";
import type { TokenPair, TokenSubject } from "./token-pair.js";

/** The two kinds of tokens and what each must say. */
export interface TokenKinds {
  readonly access: { readonly jws: CompactJws; readonly policy: ClaimsPolicy };
  readonly refresh: { readonly jws: CompactJws; readonly policy: ClaimsPolicy };
}

const REFRESH_TYPE = "rt+jwt";

export function createTokenKinds(settings: AuthSettings): TokenKinds {
  const { secrets, signing, issuer, audience } = settings;
  const { accessTtlMs, refreshTtlMs } = settings.sessions;
  return {
    access: {
      jws: createCompactJws(secrets, "at+jwt", signing), // RFC 9068 §2.1
      policy: { kind: "access", issuer, audience, maxLifeSeconds: Math.floor(accessTtlMs / 1000) },
    },
    refresh: {
      jws: createCompactJws(secrets, REFRESH_TYPE),
      policy: { kind: "refresh", issuer, audience: undefined, maxLifeSeconds: Math.floor(refreshTtlMs / 1000) },
    },
  };
}

/** The session that tokens are made for. */
export interface IssuedSession {
  readonly id: string;
  readonly expiresAt: number;
  readonly proof: LoginProof;
}

/** A refresh token to be written. */
export interface RefreshGrant {
  readonly id: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  /** Signs it. The same grant for the same session and state is the same text, byte for byte, in every process. */
  readonly secret: RingSecret;
}

/** Makes tokens, and sessions for them. */
export interface TokenIssuer {
  /**
   * Opens a session. Denied: `tooManySessions`, where the cap refuses; `sessionRevoked`, where the subject is disabled or what it had was
   * ended meanwhile. Nothing is left behind then.
   *
   * @param state Read before the credential was checked, so that a revocation meanwhile wins.
   */
  open(subject: TokenSubject, state: SubjectState, details: SessionDetails): Promise<AuthResult<TokenPair>>;
  /**
   * Prepares the next tokens of a session there is: signs the access token now, so that one that cannot be made costs nothing, and the
   * refresh token once it is known which.
   */
  renew(subject: TokenSubject, state: SubjectState, session: IssuedSession, nowMs: number): (refresh: RefreshGrant) => TokenPair;
  createId(): string;
}

const ID_BYTES = 18; // 144 random bits, 24 characters
const MAX_USER_ID_CHARACTERS = 128;

export function createTokenIssuer(
  settings: AuthSettings,
  kinds: TokenKinds,
  instruments: Instruments,
  sessionsEnded: SessionsEnded,
): TokenIssuer {
  const { clock, store, secrets, issuer, audience, random } = settings;
  const createId = (): string => Buffer.from(random(ID_BYTES)).toString("base64url");
  const refreshSigners = new WeakMap<RingSecret, CompactJws>();

  // By one secret, not by whichever is the current one: processes between two configurations must write one text.
  function refreshSigner(secret: RingSecret): CompactJws {
    const known = refreshSigners.get(secret);
    if (known !== undefined) return known;
    const alone = { current: secret, all: [secret], byId: (id: string) => (id === secret.id ? secret : undefined) };
    const signer = createCompactJws(alone, REFRESH_TYPE);
    refreshSigners.set(secret, signer);
    return signer;
  }

  const renew: TokenIssuer["renew"] = (subject, state, session, nowMs) => {
    const iat = Math.floor(nowMs / 1000);
    const sessionExp = Math.floor(session.expiresAt / 1000);
    const { amr, mfaAt } = session.proof;
    const { userId, email, orgId, workspaceId, role, orgRoles = [], mustChangePassword = false } = subject;
    const { scopedDepartments, personas } = subject;
    const claimsOf = (secret: RingSecret, issuedAtSeconds: number) => ({
      iss: issuer,
      sub: userId,
      iat: issuedAtSeconds,
      tv: state.tokenVersion,
      sid: session.id,
      pwd_sig: passwordSignature(secret, userId, state.passwordVersion),
    });
    const accessExp = Math.min(iat + kinds.access.policy.maxLifeSeconds, sessionExp);
    const accessToken = kinds.access.jws.sign(
      defined({
        ...claimsOf(secrets.current, iat),
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
      }),
    );
    // Refresh tokens are smaller than access tokens of the same account, and all of one size.
    if (settings.cookies !== undefined) requireCookieSize(settings.cookies, { accessToken, refreshToken: "" });
    return ({ id, issuedAt, secret }) => {
      const refreshIat = Math.floor(issuedAt / 1000);
      const refreshExp = Math.min(sessionExp, refreshIat + kinds.refresh.policy.maxLifeSeconds);
      const claims = defined({ ...claimsOf(secret, refreshIat), exp: refreshExp, type: "refresh", jti: id });
      return Object.freeze({
        accessToken,
        refreshToken: refreshSigner(secret).sign(claims),
        issuedAt: iat * 1000,
        accessExpiresAt: accessExp * 1000,
        refreshExpiresAt: refreshExp * 1000,
        sessionId: session.id,
      });
    };
  };

  return Object.freeze({
    async open(subject: TokenSubject, state: SubjectState, details: SessionDetails): Promise<AuthResult<TokenPair>> {
      const { userId } = subject;
      if (typeof userId !== "string" || userId === "" || userId.length > MAX_USER_ID_CHARACTERS) {
        throw new AuthError("invalid_account", `A user id is not 1 to ${MAX_USER_ID_CHARACTERS} characters long. Use shorter ids.`);
      }
      if (state.disabled) return denied(problems.sessionRevoked());
      const { refreshTtlMs, idleMs, max, whenFull } = settings.sessions;
      const now = clock.now();
      const session = { id: createId(), expiresAt: now + refreshTtlMs, proof: details };
      const refreshId = createId();
      // Signed first: a token that is too large leaves no session behind.
      const pair = renew(subject, state, session, now)({ id: refreshId, issuedAt: now, secret: secrets.current });
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
      if (!created) {
        instruments.emit({ kind: "session_refused", userId });
        return denied(problems.tooManySessions());
      }
      await sessionsEnded(userId, evicted, "evicted");
      // Whoever ends everything first raises a version, then ends the sessions there are: one that was opened after that would be of no
      // use to anybody, but be listed and take a place.
      if (!isSame(state, await store.subjects.read(userId))) {
        await store.sessions.revoke(userId, { id: session.id });
        return denied(problems.sessionRevoked());
      }
      instruments.issuedPair();
      return ok(pair);
    },
    renew,
    createId,
  });
}

function isSame(before: SubjectState, after: SubjectState): boolean {
  return !after.disabled && before.tokenVersion === after.tokenVersion && before.passwordVersion === after.passwordVersion;
}

function defined(claims: { readonly [name: string]: JwsClaims[string] | undefined }): JwsClaims {
  const entries = Object.entries(claims).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as JwsClaims; // nothing undefined is left
}
