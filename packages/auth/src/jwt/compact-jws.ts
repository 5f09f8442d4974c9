// Signs and verifies our own tokens in the compact serialisation (RFC 7515 §7.1). Synchronous node:crypto on purpose: WebCrypto
// shares libuv's thread pool with password hashing, and a verification would wait behind queued hashes.

import { AuthError } from "../errors.js";
import { hmacKey, type JwsKey } from "./jws-key.js";
import { encodeSegment, MAX_TOKEN_CHARACTERS, readSegment, type JwsClaims } from "./jws-segment.js";
import type { RingSecret, SecretRing } from "./secret-ring.js";
import type { SigningRing } from "./signing-keys.js";

export { SIGNATURE_CHARACTERS } from "./jws-key.js";
export { type JwsClaims } from "./jws-segment.js";

/** Why a token was refused before its claims were looked at. */
export type JwsRefusal = "malformed" | "unknown_key" | "bad_signature";

/** A token that one of our keys signed, or why it is none. */
export type OpenedJws =
  /** `secret`: the one that signed; under a key pair, the one that the keyed hashes among the claims were made with. */
  | { readonly kind: "opened"; readonly claims: JwsClaims; readonly secret: RingSecret }
  | { readonly kind: "refused"; readonly reason: JwsRefusal };

/** Tokens of one kind. */
export interface CompactJws {
  /** @throws {AuthError} `token_too_large`: no token was made. */
  sign(claims: JwsClaims): string;
  /** Never throws, whatever the text. */
  open(token: string): OpenedJws;
}

/**
 * @param type The `typ` header (RFC 8725 §3.11): a token of another kind is refused, though the same key signed it.
 * @param signing Where given, its first key signs, and what its keys or the secrets signed is accepted. Otherwise HS256 only.
 */
export function createCompactJws(ring: SecretRing, type: string, signing?: SigningRing): CompactJws {
  const currentSecret = hmacKey(ring.current);
  const secretKeys = [currentSecret, ...ring.all.slice(1).map(hmacKey)];
  const keys: readonly JwsKey[] = [...secretKeys, ...(signing?.all ?? [])];
  const keyById = new Map(keys.map((key) => [key.id, key]));
  // Our own headers are constant: recognising the text saves parsing it.
  const headerOf = ({ algorithm, id }: JwsKey): string => encodeSegment({ alg: algorithm, typ: type, kid: id });
  const keysByHeader = new Map(keys.map((key) => [headerOf(key), [key] as const]));
  const signer = signing?.current ?? currentSecret;
  const ownHeader = headerOf(signer);
  const ownPrefix = `${ownHeader}.`;

  // A header we did not write, e.g. of another service with the same secret. Members beyond these three are refused rather
  // than ignored: `crit` and `b64` change what is signed (RFC 7797), `jku`, `jwk`, `x5u` and `x5c` name the sender's own key.
  function keysOf(header: string): readonly JwsKey[] | OpenedJws {
    const known = keysByHeader.get(header);
    if (known !== undefined) return known;
    const members = readSegment(header);
    if (members === undefined) return MALFORMED;
    const { alg, typ, kid, ...others } = members;
    if (typ !== type || Object.keys(others).length > 0) return MALFORMED;
    // Without a key's name the secrets are tried, which are few; a key pair must be named.
    if (kid === undefined) return alg === "HS256" ? secretKeys : MALFORMED;
    const key = typeof kid === "string" ? keyById.get(kid) : undefined;
    if (key === undefined) return UNKNOWN_KEY;
    return alg === key.algorithm ? [key] : MALFORMED;
  }

  // A key pair makes no keyed hashes.
  function hashingSecret({ pwd_kid: id }: JwsClaims): RingSecret | undefined {
    return typeof id === "string" ? ring.byId(id) : ring.current;
  }

  return Object.freeze({
    sign(claims: JwsClaims): string {
      const input = `${ownHeader}.${encodeSegment(claims)}`;
      const token = `${input}.${signer.sign(input)}`;
      if (token.length > MAX_TOKEN_CHARACTERS) {
        throw new AuthError(
          "token_too_large",
          `A token would be ${token.length} characters long, more than the ${MAX_TOKEN_CHARACTERS} that are accepted. Put fewer or shorter roles into it.`,
        );
      }
      return token;
    },
    open(token: string): OpenedJws {
      if (token.length > MAX_TOKEN_CHARACTERS) return MALFORMED;
      const isOwn = token.startsWith(ownPrefix);
      const headerEnd = isOwn ? ownHeader.length : token.indexOf(".");
      const inputEnd = token.indexOf(".", headerEnd + 1);
      // Three parts, none of them empty: -1 is "not found".
      if (headerEnd < 1 || inputEnd < headerEnd + 2 || token.includes(".", inputEnd + 1)) return MALFORMED;
      const input = token.slice(0, inputEnd);
      const signature = token.slice(inputEnd + 1);
      let key: JwsKey | undefined = signer;
      if (isOwn) {
        if (!signer.verifies(input, signature)) return BAD_SIGNATURE;
      } else {
        const candidates = keysOf(token.slice(0, headerEnd));
        if ("kind" in candidates) return candidates;
        key = candidates.find((candidate) => candidate.verifies(input, signature));
        if (key === undefined) return BAD_SIGNATURE;
      }
      const claims = readSegment(token.slice(headerEnd + 1, inputEnd));
      if (claims === undefined) return MALFORMED;
      const secret = key.secret ?? hashingSecret(claims);
      return secret === undefined ? UNKNOWN_KEY : { kind: "opened", claims, secret };
    },
  });
}

const MALFORMED: OpenedJws = Object.freeze({ kind: "refused", reason: "malformed" });
const UNKNOWN_KEY: OpenedJws = Object.freeze({ kind: "refused", reason: "unknown_key" });
const BAD_SIGNATURE: OpenedJws = Object.freeze({ kind: "refused", reason: "bad_signature" });
