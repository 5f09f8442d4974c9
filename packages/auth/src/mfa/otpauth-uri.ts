import { TOTP_DIGITS, TOTP_PERIOD_SECONDS } from "./totp.js";

const MAX_LABEL_CHARACTERS = 128;

/**
 * What a QR code for authenticator apps says (Key Uri Format of Google Authenticator). Whatever the account is called, it stays in its
 * place: it can neither end the label nor add a parameter.
 *
 * @param secret Base32.
 */
export function otpauthUri(issuerName: string, accountName: string, secret: string): string {
  const issuer = encode(issuerName);
  // Apps split the decoded label at its first colon.
  const account = encode(wellFormed(accountName).replaceAll(":", "_"));
  return `otpauth://totp/${issuer}:${account}?secret=${secret}&issuer=${issuer}&algorithm=SHA1&digits=${TOTP_DIGITS}&period=${TOTP_PERIOD_SECONDS}`;
}

function wellFormed(name: string): string {
  // Half of a surrogate pair is no character: encodeURIComponent throws for it.
  return name
    .slice(0, MAX_LABEL_CHARACTERS)
    .replaceAll(/\p{Surrogate}/gu, "\uFFFD")
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, "");
}

// RFC 3986 §2.2: encodeURIComponent leaves sub-delimiters that some apps read.
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
