import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { invalidOption } from "@portcullis/core";
import { AuditError } from "../errors.js";

/** Signs checkpoints. Make one with {@link createSigner}, or implement it over a key that never leaves its vault. */
export interface Signer {
  /** Name of the key, e.g. the log's origin. */
  readonly name: string;
  /** The public half, to hand out: `name+hash+base64`. */
  readonly verifierKey: string;
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A note whose signatures by known keys are all good. */
export interface OpenedNote {
  readonly text: string;
  /** Verifier keys that signed it; at least one. */
  readonly signedBy: readonly string[];
}

interface VerifierKey {
  readonly name: string;
  readonly id: string;
  readonly publicKey: KeyObject;
}

interface SignatureLine {
  readonly name: string;
  readonly id: string;
  readonly signature: Buffer;
}

const ED25519 = 0x01;
const SEED_BYTES = 32;
// RFC 8410: what stands before the 32 bytes of a key in DER.
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const NAME = /^[^\s+\p{Cc}]{1,256}$/u;
const SIGNATURE_LINE = /^\u2014 ([^\s+\p{Cc}]{1,256}) ([A-Za-z0-9+/]+={0,2})$/u;
const MAX_NOTE_LENGTH = 65_536;
const MAX_SIGNATURES = 16;

/** What a signer is made of. */
export interface SignerOptions {
  /** Name of the key in every signature; 1 to 256 characters without spaces and plus signs, e.g. `example.com/audit`. */
  readonly name: string;
  /** The private half: 32 random bytes, as bytes, 64 hex digits or base64. Keep it away from the database it signs for. */
  readonly seed: string | Uint8Array;
}

/** A fresh seed: 32 bytes from the operating system's random source, as base64. */
export function generateSigningSeed(): string {
  return randomBytes(SEED_BYTES).toString("base64");
}

/**
 * A signer with an Ed25519 key (RFC 8032).
 *
 * @throws {ConfigurationError} `invalid_option`: the name or the seed cannot be used. The message says nothing of the seed.
 * @see C2SP signed-note
 * @example
 * ```ts
 * import { createSigner, generateSigningSeed } from "@portcullis/audit";
 *
 * const signer = createSigner({ name: "example.com/audit", seed: generateSigningSeed() });
 * console.log(signer.verifierKey.startsWith("example.com/audit+")); // true
 * ```
 */
export function createSigner({ name, seed }: SignerOptions): Signer {
  if (typeof name !== "string" || !NAME.test(name)) throw invalidOption("name", name, "1 to 256 characters without spaces and plus signs");
  const bytes = seedBytes(seed);
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, bytes]), format: "der", type: "pkcs8" });
  bytes.fill(0);
  const publicBytes = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
  return Object.freeze({
    name,
    verifierKey: `${name}+${keyId(name, publicBytes)}+${Buffer.concat([Buffer.of(ED25519), publicBytes]).toString("base64")}`,
    sign: (message: Uint8Array) => signBytes(null, message, privateKey), // EdDSA hashes by itself: Node wants null
  });
}

/** The note of a text: a blank line and one line for each signature. @param text Ends with a newline. */
export async function signNote(text: string, signers: readonly Signer[]): Promise<string> {
  const lines: string[] = [];
  for (const signer of signers) {
    const { name, id, publicKey } = parseVerifierKey(signer.verifierKey);
    const signature = Buffer.from(await signer.sign(Buffer.from(text)));
    // A signer that answers nonsense must not reach the checkpoints: they are what everything else is measured by.
    if (!verifyBytes(null, Buffer.from(text), publicKey, signature)) {
      throw new AuditError(
        "bad_signature",
        `The signer "${name}" gave a signature that does not verify; nothing was published. Check its key.`,
      );
    }
    lines.push(`\u2014 ${name} ${Buffer.concat([Buffer.from(id, "hex"), signature]).toString("base64")}\n`);
  }
  return `${text}\n${lines.join("")}`;
}

/**
 * Checks a note against the keys that are trusted. Signatures by other keys are ignored; one bad signature by a known key refuses
 * the note.
 *
 * @throws {AuditError} `malformed_note`, `untrusted_note` (no known key signed it), `bad_signature`.
 * @see C2SP signed-note
 */
export function openNote(note: string, verifierKeys: readonly string[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const keys = verifierKeys.map((key) => ({ text: key, key: parseVerifierKey(key) }));
  const signedBy: string[] = [];
  for (const { name, id, signature } of signatures) {
    const known = keys.find(({ key }) => key.name === name && key.id === id);
    if (known === undefined) continue;
    if (signature.length !== 64 || !verifyBytes(null, Buffer.from(text), known.key.publicKey, signature)) {
      throw new AuditError("bad_signature", `The signature by "${name}" is not good. The note was changed after it was signed, or forged.`);
    }
    if (!signedBy.includes(known.text)) signedBy.push(known.text);
  }
  if (signedBy.length === 0)
    throw new AuditError("untrusted_note", "No trusted key signed this note. Pass the verifier key of the log's signer.");
  return { text, signedBy };
}

function parseNote(note: string): { readonly text: string; readonly signatures: readonly SignatureLine[] } {
  if (typeof note !== "string" || note.length > MAX_NOTE_LENGTH) throw malformedNote("it is no text of at most 64 KiB");
  // eslint-disable-next-line no-control-regex -- the rule of the format
  if (/[\u0000-\u0009\u000b-\u001f\u007f]|\p{Surrogate}/u.test(note)) throw malformedNote("it has control characters");
  // The last blank line: the text may have others.
  const end = note.lastIndexOf("\n\n");
  if (end === -1 || !note.endsWith("\n")) throw malformedNote("it has no blank line and signatures");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw malformedNote(`it has more than ${MAX_SIGNATURES} signatures`);
  const signatures = lines.map((line) => {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = Buffer.from(encoded ?? "", "base64");
    if (name === undefined || bytes.length < 5 || bytes.toString("base64") !== encoded)
      throw malformedNote("it has a line that is no signature");
    return { name, id: bytes.toString("hex", 0, 4), signature: bytes.subarray(4) };
  });
  return { text: note.slice(0, end + 1), signatures };
}

function parseVerifierKey(text: string): VerifierKey {
  const [, name, id, data] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = Buffer.from(data ?? "", "base64");
  if (name === undefined || id === undefined || bytes.length !== 33 || bytes[0] !== ED25519 || keyId(name, bytes.subarray(1)) !== id) {
    throw invalidOption("verifierKeys", text, "verifier keys of the form name+hash+base64");
  }
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes.subarray(1)]), format: "der", type: "spki" });
  return { name, id, publicKey };
}

function keyId(name: string, publicBytes: Uint8Array): string {
  return createHash("sha256").update(`${name}\n`).update(Buffer.of(ED25519)).update(publicBytes).digest("hex").slice(0, 8);
}

function seedBytes(seed: unknown): Buffer {
  // By its characters, before decoding: Buffer.from skips what it does not know.
  const bytes =
    seed instanceof Uint8Array
      ? Buffer.from(seed)
      : typeof seed !== "string"
        ? Buffer.alloc(0)
        : /^[0-9A-Fa-f]{64}$/.test(seed)
          ? Buffer.from(seed, "hex")
          : /^[A-Za-z0-9+/_-]{43}=?$/.test(seed)
            ? Buffer.from(seed, "base64")
            : Buffer.alloc(0);
  if (bytes.length !== SEED_BYTES || bytes.every((byte) => byte === bytes[0])) {
    throw invalidOption("seed", seed, "32 random bytes, as bytes, hex or base64; generateSigningSeed() makes one");
  }
  return bytes;
}

function malformedNote(what: string): AuditError {
  return new AuditError("malformed_note", `This is not a signed note: ${what}.`);
}
