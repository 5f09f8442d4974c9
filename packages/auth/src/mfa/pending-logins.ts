// Between the first factor and the second: a token of its own kind that opens nothing else (GHSA-xg6x: a session that was "almost"
// logged in and was taken for one).

import { problems, type SubjectState } from "@portcullis/core";
import { type AuthResult, denied, ok } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import { createCompactJws } from "../jwt/compact-jws.js";
import { type ClaimsPolicy, readClaims } from "../tokens/claims.js";
import { passwordSignature } from "../tokens/password-signature.js";

/** Somebody whose first factor was right. */
export interface PendingLogin {
  readonly userId: string;
  /** Read now; agrees with the state that the first factor was proven under. */
  readonly state: SubjectState;
  /** How the first factor was proven (RFC 8176). */
  readonly amr: readonly string[];
  readonly tokenId: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** Tokens of pending logins: each ends in at most one session. */
export interface PendingLogins {
  create(
    userId: string,
    state: SubjectState,
    amr: readonly string[],
    nowMs: number,
  ): { readonly token: string; readonly expiresAt: number };
  /** Denied: `invalidToken` (also expired, or used), `sessionRevoked`. */
  open(token: string): Promise<AuthResult<PendingLogin>>;
  /** @returns `true` for the one caller that may open a session with it. */
  consume(pending: PendingLogin): Promise<boolean>;
  /** No session came of it after all: the token is good again. */
  release(pending: PendingLogin): Promise<void>;
}

const TYPE = "mfa+jwt";
const KIND = "mfa_pending";
const ID_BYTES = 18;
const LEEWAY_MS = 60_000;

export function createPendingLogins(settings: AuthSettings, pendingTtlMs: number): PendingLogins {
  const { clock, issuer, random, secrets, store } = settings;
  const jws = createCompactJws(secrets, TYPE);
  const maxLifeSeconds = Math.floor(pendingTtlMs / 1000);
  const policy: ClaimsPolicy = { kind: KIND, issuer, audience: undefined, maxLifeSeconds };
  const keyOf = (tokenId: string): string => `auth:mfa-used:${tokenId}`;

  return Object.freeze({
    create(userId: string, state: SubjectState, amr: readonly string[], nowMs: number) {
      const iat = Math.floor(nowMs / 1000);
      const exp = iat + maxLifeSeconds;
      const jti = Buffer.from(random(ID_BYTES)).toString("base64url");
      const token = jws.sign({
        ...(issuer === undefined ? {} : { iss: issuer }),
        sub: userId,
        iat,
        exp,
        type: KIND,
        tv: state.tokenVersion,
        jti,
        // There is no session yet: it names itself.
        sid: jti,
        pwd_sig: passwordSignature(secrets.current, userId, state.passwordVersion),
        amr,
      });
      return { token, expiresAt: exp * 1000 };
    },
    async open(token: string): Promise<AuthResult<PendingLogin>> {
      const opened = jws.open(token);
      if (opened.kind === "refused") return denied(problems.invalidToken());
      const claims = readClaims(opened.claims, policy, clock.now());
      const { amr } = opened.claims;
      if (typeof claims === "string" || !isTextList(amr)) return denied(problems.invalidToken());
      const { sub: userId, tv, pwdSig, jti: tokenId, exp } = claims;
      // A used one must not even be a way to guess at codes.
      if ((await store.tickets.peek(keyOf(tokenId))) !== undefined) return denied(problems.invalidToken());
      const state = await store.subjects.read(userId);
      const agrees =
        !state.disabled && tv === state.tokenVersion && pwdSig === passwordSignature(opened.secret, userId, state.passwordVersion);
      return agrees ? ok({ userId, state, amr, tokenId, expiresAt: exp * 1000 }) : denied(problems.sessionRevoked());
    },
    async consume({ tokenId, expiresAt }: PendingLogin): Promise<boolean> {
      // With leeway: a store whose clock runs ahead would forget the use while we still accept the token.
      return await store.tickets.put(keyOf(tokenId), "1", Math.max(1, expiresAt - clock.now()) + LEEWAY_MS);
    },
    async release({ tokenId }: PendingLogin): Promise<void> {
      await store.tickets.take(keyOf(tokenId));
    },
  });
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
