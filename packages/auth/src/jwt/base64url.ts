// RFC 4648 §5 without padding (RFC 7515 §2), and only its one canonical spelling: Node's decoder also takes padding, the
// standard alphabet, white space and unused trailing bits, so one signature would have several accepted spellings, and
// whatever is keyed by the text (a cache, a blacklist) could be walked around.

const ALPHABET = /^[A-Za-z0-9_-]+$/;
// The last character carries 4 or 2 unused bits, which must be zero (RFC 4648 §3.5).
const LAST_OF_TWO = /[AQgw]$/;
const LAST_OF_THREE = /[AEIMQUYcgkosw048]$/;

/** Whether a text is the canonical base64url of at least one byte. */
export function isCanonicalBase64Url(text: string): boolean {
  if (!ALPHABET.test(text)) return false;
  switch (text.length % 4) {
    case 0:
      return true;
    case 2:
      return LAST_OF_TWO.test(text);
    case 3:
      return LAST_OF_THREE.test(text);
    default:
      return false;
  }
}
