import { createCipheriv, createDecipheriv, timingSafeEqual } from "node:crypto";
import type { AssociatedData } from "./associated-data.js";
import {
  COMMITMENT_BYTES,
  DERIVED_HEADER_BYTES,
  type Envelope,
  formatEnvelope,
  HEADER_BYTES,
  KEY_ID_BYTES,
  NONCE_BYTES,
  OVERHEAD_BYTES,
  parseEnvelope,
  SALT_BYTES,
  SUITE,
  TAG_BYTES,
  VERSION,
} from "./envelope.js";
import { authFailed, EncryptionError } from "./errors.js";
import { expand } from "./hkdf-expand.js";
import type { RingKey } from "./keyring.js";
import { decodeValue, encodeValue } from "./value-encoding.js";

const ALGORITHM = "aes-256-gcm";
const AES_KEY_BYTES = 32;
const MESSAGE_INFO = Buffer.from("portcullis.encryption.v1 message");
// Key id of zeros: the writer named no key. Each key of the ring is tried; the commitment says which one it is.
const UNNAMED = Buffer.alloc(KEY_ID_BYTES);
// Given always: without it Node accepts tags of 4 bytes, which can be guessed (NIST SP 800-38D appendix C).
const GCM = Object.freeze({ authTagLength: TAG_BYTES });

/** What a cipher needs to know of its surroundings. */
export interface CipherSettings {
  readonly ring: () => readonly [RingKey, ...RingKey[]];
  readonly randomBytes: (size: number) => Uint8Array;
  readonly maxPlaintextBytes: number;
  readonly paddingBytes: number;
  /** Counts a message before it is made; throws where the limit of the key is reached. */
  readonly countMessage: (keyId: string) => void;
}

interface MessageKey {
  readonly derivedHeader: Buffer;
  readonly aesKey: Buffer;
  readonly commitment: Buffer;
}

/** Seals and opens the values of one record: its message key is derived once, its associated data encoded once. */
export class RecordCipher {
  #sealing: (MessageKey & { readonly keyId: string }) | undefined;
  #opened: MessageKey | undefined;

  constructor(
    private readonly settings: CipherSettings,
    private readonly data: AssociatedData,
  ) {}

  /** @throws {EncryptionError} `invalid_input`, `limit`, `key_not_found`. */
  seal(value: unknown, field: string): string {
    const { maxPlaintextBytes, paddingBytes, countMessage, randomBytes } = this.settings;
    const plaintext = encodeValue(value, paddingBytes);
    if (plaintext.length > maxPlaintextBytes) {
      throw new EncryptionError(
        "limit",
        `The value takes ${plaintext.length} bytes; the limit is ${maxPlaintextBytes}. Store it elsewhere or raise it.`,
      );
    }
    const key = (this.#sealing ??= this.#newMessageKey());
    countMessage(key.keyId);
    const envelope = Buffer.allocUnsafe(OVERHEAD_BYTES + plaintext.length);
    key.derivedHeader.copy(envelope, 0);
    const nonce = randomBytes(NONCE_BYTES);
    envelope.set(nonce, DERIVED_HEADER_BYTES);
    key.commitment.copy(envelope, DERIVED_HEADER_BYTES + NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key.aesKey, nonce, GCM);
    cipher.setAAD(this.data.of(envelope.subarray(0, HEADER_BYTES), field));
    cipher.update(plaintext).copy(envelope, HEADER_BYTES);
    cipher.final();
    cipher.getAuthTag().copy(envelope, HEADER_BYTES + plaintext.length);
    return formatEnvelope(envelope);
  }

  /** @throws {EncryptionError} `malformed`, `unsupported_version`, `limit`, `key_not_found`, `auth_failed`. Nothing of the plaintext is in it. */
  open(text: string, field: string): unknown {
    const envelope = parseEnvelope(text, this.settings.maxPlaintextBytes);
    const { aesKey } = this.#messageKeyOf(envelope);
    const decipher = createDecipheriv(ALGORITHM, aesKey, envelope.nonce, GCM);
    decipher.setAAD(this.data.of(envelope.header, field));
    decipher.setAuthTag(envelope.tag);
    // Not authenticated before final(): it leaves this function only then.
    const plaintext = decipher.update(envelope.ciphertext);
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      throw authFailed();
    }
    return decodeValue(plaintext);
  }

  /** Whether a key of the ring made this envelope, for whatever place: its commitment cannot be forged. */
  recognises(text: string): boolean {
    try {
      this.#messageKeyOf(parseEnvelope(text, this.settings.maxPlaintextBytes));
      return true;
    } catch {
      return false;
    }
  }

  #newMessageKey(): MessageKey & { readonly keyId: string } {
    const [active] = this.settings.ring();
    const derivedHeader = Buffer.allocUnsafe(DERIVED_HEADER_BYTES);
    derivedHeader[0] = VERSION;
    derivedHeader[1] = SUITE;
    active.idBytes.copy(derivedHeader, 2);
    derivedHeader.set(this.settings.randomBytes(SALT_BYTES), 2 + KEY_ID_BYTES);
    return { ...derive(active, derivedHeader), keyId: active.id };
  }

  #messageKeyOf(envelope: Envelope): MessageKey {
    const known = this.#opened;
    if (known?.derivedHeader.equals(envelope.derivedHeader) === true) {
      if (!timingSafeEqual(known.commitment, envelope.commitment)) throw authFailed();
      return known;
    }
    const ring = this.settings.ring();
    const candidates = envelope.keyId.equals(UNNAMED) ? ring : ring.filter(({ idBytes }) => idBytes.equals(envelope.keyId));
    if (candidates.length === 0) {
      const id = envelope.keyId.toString("hex");
      throw new EncryptionError(
        "key_not_found",
        `No key of the keyring has the id ${id}. Add the key that made this value, or restore it from its escrow.`,
      );
    }
    for (const candidate of candidates) {
      const derived = derive(candidate, envelope.derivedHeader);
      // Without this commitment a ciphertext can be made that opens under two keys, to two plaintexts.
      if (timingSafeEqual(derived.commitment, envelope.commitment)) return (this.#opened = derived);
    }
    throw authFailed();
  }
}

function derive(key: RingKey, derivedHeader: Buffer): MessageKey {
  const block = expand(key.secret, MESSAGE_INFO, derivedHeader);
  return {
    derivedHeader,
    aesKey: block.subarray(0, AES_KEY_BYTES),
    commitment: block.subarray(AES_KEY_BYTES, AES_KEY_BYTES + COMMITMENT_BYTES),
  };
}
