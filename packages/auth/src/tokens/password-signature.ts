import { createHmac } from "node:crypto";
import type { RingSecret } from "../jwt/secret-ring.js";

/**
 * The `pwd_sig` claim: ties a token to the password version it was issued under, without showing the version.
 *
 * Made of the stored version, never of the password hash: rehashing with stronger parameters must log nobody out.
 */
export function passwordSignature(secret: RingSecret, subjectId: string, passwordVersion: number): string {
  // The zero bytes keep this apart from everything else the secret signs: a token's signing input has none.
  return createHmac("sha256", secret.key).update(`pwd_sig\0${subjectId}\0${passwordVersion}`).digest("base64url").slice(0, 22);
}
