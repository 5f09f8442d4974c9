import { ConfigurationError } from "@portcullis/core";

/** A key as it was configured. */
export interface ParsedKey {
  readonly name: string | undefined;
  /** 32; the keyring overwrites them with zeros once they are loaded. */
  readonly bytes: Buffer;
}

const KEY_BYTES = 32;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const HEX = /^[0-9A-Fa-f]{64}$/;
const BASE64 = /^[A-Za-z0-9+/]{43}=?$/;
const BASE64URL = /^[A-Za-z0-9_-]{43}=?$/;
const ACCEPTED = "Write 32 random bytes as 64 hex digits or as base64; generateKey() makes one.";

/**
 * Reads one key. The format is decided by its characters before anything is decoded: `Buffer.from` skips what it does not
 * know, so that a typing error would silently become a shorter or another key.
 *
 * @param position From 1; it and the kind of mistake are all that an error says.
 */
export function parseKey(text: string, position: number): ParsedKey {
  const colon = text.indexOf(":");
  const name = colon === -1 ? undefined : text.slice(0, colon).trim();
  if (name !== undefined && !NAME.test(name)) {
    throw wrongKey(position, "has a name that is not 1 to 32 letters, digits, dots, dashes or underscores");
  }
  const key = (colon === -1 ? text : text.slice(colon + 1)).trim();
  const bytes = decode(key, position);
  rejectWeak(bytes, position);
  return { name, bytes };
}

/** A key that cannot be used; the message names its position, never its content. */
export function wrongKey(position: number, mistake: string): ConfigurationError {
  return new ConfigurationError("invalid_option", `Option "keys", key ${position} ${mistake}. ${ACCEPTED}`);
}

function decode(key: string, position: number): Buffer {
  if (key === "") throw wrongKey(position, "is empty");
  // 64 hex digits are valid base64 of 48 bytes as well: hex goes first.
  if (HEX.test(key)) return Buffer.from(key, "hex");
  const encoding = BASE64.test(key) ? "base64" : BASE64URL.test(key) ? "base64url" : undefined;
  if (encoding === undefined) throw wrongKey(position, "is not 32 bytes of hex or base64");
  const bytes = Buffer.from(key, encoding);
  // 43 digits hold 258 bits; the spare two must be zero, or one key would have four spellings (RFC 4648 §3.5).
  if (bytes.length !== KEY_BYTES || bytes.toString(encoding).slice(0, 43) !== key.slice(0, 43)) {
    throw wrongKey(position, "is base64 with stray bits in its last digit");
  }
  return bytes;
}

function rejectWeak(bytes: Buffer, position: number): void {
  if (bytes.every((byte) => byte === bytes[0])) throw wrongKey(position, "repeats one byte");
  // 32 random bytes are all printable once in 10^14; a typed passphrase always is.
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) throw wrongKey(position, "is text, not random bytes");
}
