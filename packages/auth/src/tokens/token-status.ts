// What OAuth's revocation and introspection endpoints do with a text of which they do not know what token it is.

import type { AuthInternals } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { mfaRefusal } from "../mfa/mfa-policy.js";
import { readClaims } from "./claims.js";

/** What is said of a token to whoever may ask. Instants are epoch ms. */
export interface ActiveToken {
  readonly type: "access" | "system";
  readonly subject: string;
  readonly tokenId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly audiences: readonly string[];
  readonly sessionId: string | undefined;
  readonly orgId: string | undefined;
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | undefined;
}

/** Tells of tokens and ends them, of whatever kind they are. */
export interface TokenStatus {
  /** `undefined`: not good here, for whatever reason, or no token of ours. A refresh token is never good at a resource. @throws {StoreUnavailable} */
  introspect(token: string): Promise<ActiveToken | undefined>;
  /** Ends an access or system token, and the session of a refresh token. Does nothing for any other text. @throws {StoreUnavailable} */
  revoke(token: string): Promise<void>;
}

export function createTokenStatus(auth: Auth, internals: AuthInternals): TokenStatus {
  const { settings, kinds, instruments, blacklist, revocations, readSystemToken, programs } = internals;
  const { clock, store } = settings;

  async function revokeFamily(token: string): Promise<boolean> {
    const opened = kinds.refresh.jws.open(token);
    if (opened.kind === "refused") return false;
    const claims = readClaims(opened.claims, kinds.refresh.policy, clock.now());
    if (typeof claims === "string") return true;
    const { sub: userId, sid: sessionId } = claims;
    // A token that was redeemed before is of the family, too: whoever has it may end it.
    const ended = await store.sessions.revoke(userId, { id: sessionId });
    if (ended.length > 0) {
      revocations.announce({ subjectId: userId, sessionId, kind: "family" });
      instruments.emit({ kind: "logout", userId, sessionId });
    }
    return true;
  }

  return Object.freeze({
    async introspect(token: string): Promise<ActiveToken | undefined> {
      // The `typ` of a token says which kind it is: at most one of them opens it.
      if (kinds.access.jws.open(token).kind === "opened") {
        const verified = await auth.verifyAccessToken(token);
        // With a password that must be changed it is good for that only, and not at a resource.
        if (verified.kind === "denied" || verified.value.principal.mustChangePassword) return undefined;
        // Nor in a role that needs a second factor, without one: whoever asks here has no guard of ours that would look (AUTH-M2).
        if (mfaRefusal(verified.value.principal, settings) !== undefined) return undefined;
        const { principal, tokenId, sessionId, issuedAt, expiresAt } = verified.value;
        const { id: subject, orgId, roles, scopes } = principal;
        const audiences = settings.audience === undefined ? [] : [settings.audience];
        return { type: "access", subject, tokenId, issuedAt, expiresAt, audiences, sessionId, orgId, roles, scopes };
      }
      const system = await readSystemToken(token);
      if (system.kind === "denied") return undefined;
      // As authenticateSystem would decide.
      if ((await programs?.(system.value.principal, system.value.principal.id))?.kind === "denied") return undefined;
      const { principal, tokenId, issuedAt, expiresAt, audiences } = system.value;
      const { id: subject, orgId, roles, scopes } = principal;
      return { type: "system", subject, tokenId, issuedAt, expiresAt, audiences, sessionId: undefined, orgId, roles, scopes };
    },
    async revoke(token: string): Promise<void> {
      if (await revokeFamily(token)) return;
      if (kinds.access.jws.open(token).kind === "opened") {
        const verified = await auth.verifyAccessToken(token);
        if (verified.kind === "denied") return;
        const { principal, tokenId, sessionId, expiresAt } = verified.value;
        await revocations.ending({ subjectId: principal.id, sessionId, tokenId, kind: "token" }, () =>
          blacklist.revoke(tokenId, expiresAt, clock.now()),
        );
        instruments.emit({ kind: "token_revoked", userId: principal.id, sessionId, tokenId });
        return;
      }
      const system = await readSystemToken(token);
      if (system.kind === "ok") await auth.revokeSystemToken(system.value);
    },
  });
}
