import { createHmac, timingSafeEqual } from "node:crypto";
import type { RingSecret, SecretRing } from "../jwt/secret-ring.js";

/** Tokens that only we can make and that belong to one session: what a neighbouring host plants as a cookie is none. */
export interface CsrfTokens {
  create(sessionId: string): string;
  /** Whether it was made for this session, with any secret of the ring. */
  isFor(token: string, sessionId: string): boolean;
}

const NONCE_BYTES = 18;
// 18 and 32 bytes in base64url.
const FORM = /^([A-Za-z0-9_-]{24})\.([A-Za-z0-9_-]{43})$/;

export function createCsrfTokens(secrets: SecretRing, random: (bytes: number) => Uint8Array): CsrfTokens {
  // The label and the zero bytes keep this apart from everything else the secret signs.
  const mac = (secret: RingSecret, sessionId: string, nonce: string): string =>
    createHmac("sha256", secret.key).update(`csrf\0${sessionId}\0${nonce}`).digest("base64url");
  return Object.freeze({
    create(sessionId: string): string {
      const nonce = Buffer.from(random(NONCE_BYTES)).toString("base64url");
      return `${nonce}.${mac(secrets.current, sessionId, nonce)}`;
    },
    isFor(token: string, sessionId: string): boolean {
      const [, nonce, sent] = FORM.exec(token) ?? [];
      if (nonce === undefined || sent === undefined) return false;
      return secrets.all.some((secret) => isSameText(mac(secret, sessionId, nonce), sent));
    },
  });
}

/** Compares in a time that says nothing about where two texts of one length differ. */
export function isSameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
