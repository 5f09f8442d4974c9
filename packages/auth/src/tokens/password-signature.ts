import { createTextMac, type TextMac } from "../jwt/hmac-sha256.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import { createHmac } from "node:crypto";

interface Signer {
  readonly mac: TextMac;
  /** The last signature of each subject, oldest first. */
  readonly bySubject: Map<string, { readonly passwordVersion: number; readonly signature: string }>;
}

// About 200 bytes each. Only subjects of tokens that we signed get here: strangers cannot push them out.
const MAX_REMEMBERED = 10_000;
const MAX_CHARACTERS = 512;
const SIGNATURE_CHARACTERS = 22;

// By the secret itself: what nobody holds any more is forgotten.
const signers = new WeakMap<RingSecret, Signer>();

/**
 * The `pwd_sig` claim: ties a token to the password version it was issued under, without showing the version.
 *
 * Made of the stored version, never of the password hash: rehashing with stronger parameters must log nobody out.
 */
export function passwordSignature(secret: RingSecret, subjectId: string, passwordVersion: number): string {
  const { mac, bySubject } = signerOf(secret);
  const known = bySubject.get(subjectId);
  if (known?.passwordVersion === passwordVersion) return known.signature;
  // The zero bytes keep this apart from everything else the secret signs: a token's signing input has none.
  const text = `pwd_sig\0${subjectId}\0${passwordVersion}`;
  // Ids beyond ASCII are signed in UTF-8, too.
  const full = mac.of(text) ?? createHmac("sha256", secret.key).update(text).digest("base64url");
  const signature = full.slice(0, SIGNATURE_CHARACTERS);
  if (known === undefined && bySubject.size >= MAX_REMEMBERED) {
    for (const oldest of bySubject.keys()) {
      bySubject.delete(oldest);
      break;
    }
  }
  bySubject.set(subjectId, { passwordVersion, signature });
  return signature;
}

function signerOf(secret: RingSecret): Signer {
  const known = signers.get(secret);
  if (known !== undefined) return known;
  const signer = { mac: createTextMac(secret.key, MAX_CHARACTERS), bySubject: new Map() };
  signers.set(secret, signer);
  return signer;
}
