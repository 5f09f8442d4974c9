import { EncryptionError, malformed } from "./errors.js";

// Layout of version 1, in bytes; the specification is docs/design/encryption-format.md.
export const VERSION = 1;
export const SUITE = 1;
export const KEY_ID_BYTES = 8;
export const SALT_BYTES = 16;
export const NONCE_BYTES = 12;
export const COMMITMENT_BYTES = 32;
export const TAG_BYTES = 16;
/** Version, suite, key id and salt: what the message key is derived from. */
export const DERIVED_HEADER_BYTES = 2 + KEY_ID_BYTES + SALT_BYTES;
export const HEADER_BYTES = DERIVED_HEADER_BYTES + NONCE_BYTES + COMMITMENT_BYTES;
/** What an envelope adds to its plaintext. */
export const OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;

const PREFIX = "enc:v1:";
const ANY_VERSION = /^enc:v(\d{1,9}):/;

/** An envelope taken apart. Views of one buffer; nothing is authenticated yet. */
export interface Envelope {
  readonly header: Buffer;
  /** The part of the header that the message key is derived from. */
  readonly derivedHeader: Buffer;
  readonly keyId: Buffer;
  readonly nonce: Buffer;
  readonly commitment: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** Whether a value claims to be an envelope of any version. A claim, nothing more: anyone can write this prefix. */
export function claimsEnvelope(value: unknown): value is string {
  return typeof value === "string" && ANY_VERSION.test(value);
}

/** The text of an envelope: safe in JSON, SQL and URLs. */
export function formatEnvelope(bytes: Buffer): string {
  return PREFIX + bytes.toString("base64url");
}

/**
 * Takes an envelope apart.
 *
 * @param maxPlaintextBytes Longer ones are refused before they are decoded.
 * @throws {EncryptionError} `malformed`, `unsupported_version`, `limit`.
 */
export function parseEnvelope(text: string, maxPlaintextBytes: number): Envelope {
  if (!text.startsWith(PREFIX)) {
    const version = ANY_VERSION.exec(text)?.[1];
    if (version === undefined) throw malformed("The value is not an envelope. Encrypt it first, or read it under the policy migrate.");
    throw unsupported(`version ${Number(version)}`);
  }
  if (text.length > PREFIX.length + Math.ceil(((OVERHEAD_BYTES + maxPlaintextBytes) * 4) / 3)) {
    throw new EncryptionError("limit", `The envelope holds more than the limit of ${maxPlaintextBytes} bytes.`);
  }
  const encoded = text.slice(PREFIX.length);
  const bytes = Buffer.from(encoded, "base64url");
  // Node skips foreign characters, takes both alphabets, cuts U+0141 down to "A" and ignores stray bits: only what it would write itself is accepted.
  if (bytes.toString("base64url") !== encoded) throw malformed("The envelope is not canonical base64url.");
  if (bytes.length === 0) throw malformed("The envelope is empty.");
  if (bytes[0] !== VERSION) throw unsupported(`version ${bytes[0]}`);
  if (bytes[1] !== SUITE && bytes.length > 1) throw unsupported(`suite ${bytes[1]}`);
  if (bytes.length < OVERHEAD_BYTES) throw malformed("The envelope is cut short.");
  const nonceAt = DERIVED_HEADER_BYTES;
  const tagAt = bytes.length - TAG_BYTES;
  return {
    header: bytes.subarray(0, HEADER_BYTES),
    derivedHeader: bytes.subarray(0, DERIVED_HEADER_BYTES),
    keyId: bytes.subarray(2, 2 + KEY_ID_BYTES),
    nonce: bytes.subarray(nonceAt, nonceAt + NONCE_BYTES),
    commitment: bytes.subarray(nonceAt + NONCE_BYTES, HEADER_BYTES),
    ciphertext: bytes.subarray(HEADER_BYTES, tagAt),
    tag: bytes.subarray(tagAt),
  };
}

function unsupported(what: string): EncryptionError {
  return new EncryptionError(
    "unsupported_version",
    `The envelope has ${what}, which this release does not read. Update @portcullis/encryption on every instance first.`,
  );
}
