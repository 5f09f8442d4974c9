// A public key used as an HMAC secret is the classic algorithm confusion (RFC 8725 §2.1): everybody knows it, so everybody signs.
// What is recognised here is what key files say, in whatever way they got into a variable.

/** In a text, or in the bytes that a text encodes, one character for each byte. */
const MARKERS: readonly RegExp[] = [
  // PEM, PGP, SSH2 and PuTTY files.
  /-----BEGIN|---- ?BEGIN|PuTTY-User-Key-File/i,
  // Public keys of SSH.
  /ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-|AAAA(?:B3NzaC1|C3NzaC1|E2VjZHNh)/,
  /["']kty["']\s*:/,
];
/** In the same bytes, in hexadecimal. */
const DER_MARKERS: readonly RegExp[] = [
  // What names RSA, EC and Ed25519 with its kin, certificates included (RFC 8017 §A.1, RFC 5480 §2.1, RFC 8410 §3).
  /2a864886f70d01|2a8648ce3d|06032b65(?:6e|6f|70|71)/,
  // RSA keys of PKCS#1, in which nothing names what they are: a sequence of a version and a modulus, or of a modulus.
  /308[12](?:..){1,2}02(?:0100028[12]|8[12](?:..){1,2}00)/,
];
/** In the text only: random bytes have it too often. The first characters of DER in base64, or what somebody copied of it. */
const TEXT_MARKER = /^[\s\uFEFF]*(?:MII[A-J]|MIG[a-z]|MFkw|MFYw|MHYw|MHcC|MCow|MC4C|MCww)|\bkty\s*:/;
const BASE64_RUN = /[A-Za-z0-9+/_-]{24,}/g;
const HEX_RUN = /[0-9A-Fa-f]{32,}/g;

/** Whether a text is, or has in it, a PEM, DER, JWK, certificate or SSH key, plain or encoded once more. */
export function isKeyMaterial(text: string): boolean {
  // UTF-16 that was read as something narrower has a zero byte beside each character. Base64 is wrapped into lines.
  const characters = text.replaceAll("\0", "");
  const joined = characters.replaceAll(/\s|\\[nr]/g, "");
  if (TEXT_MARKER.test(characters)) return true;
  const encoded = (joined.match(BASE64_RUN) ?? []).flatMap((run) =>
    // What stands before it may be of the same alphabet, and shift it.
    [0, 1, 2, 3].map((shift) => Buffer.from(run.slice(shift), "base64").toString("latin1")),
  );
  const hexadecimal = (joined.match(HEX_RUN) ?? []).flatMap((run) =>
    [0, 1].map((shift) => Buffer.from(run.slice(shift), "hex").toString("latin1")),
  );
  return [text, characters, ...encoded, ...hexadecimal].some((reading) => {
    const bytes = Buffer.from(reading, "latin1").toString("hex");
    return MARKERS.some((marker) => marker.test(reading)) || DER_MARKERS.some((marker) => marker.test(bytes)) || isJwk(reading);
  });
}

// By its members, however they are escaped.
function isJwk(text: string): boolean {
  const start = text.indexOf("{");
  const end = text.lastIndexOf("}");
  if (start === -1 || end < start) return false;
  try {
    const value = JSON.parse(text.slice(start, end + 1)) as { readonly kty?: unknown; readonly keys?: unknown } | null;
    return value?.kty !== undefined || value?.keys !== undefined;
  } catch {
    return false;
  }
}
