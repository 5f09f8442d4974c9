import { AssociatedData, type Purpose, type RecordBinding, type ValueBinding } from "./associated-data.js";
import { type CipherSettings, RecordCipher } from "./cipher.js";
import { type EncryptionOptions, type EncryptionPolicy, type EncryptionSettings, readEncryptionOptions } from "./encryption-options.js";
import { claimsEnvelope, parseEnvelope } from "./envelope.js";
import { EncryptionError, type EncryptionErrorCode, invalidInput, malformed } from "./errors.js";
import { parseFieldPaths } from "./field-path.js";
import { Instruments } from "./instruments.js";
import { materialOf } from "./keyring.js";
import { type FieldPlace, mapFields, OMIT } from "./map-fields.js";

/** Present at compile time only: what a record was before its fields were encrypted. */
declare const plain: unique symbol;

/** A record whose sensitive fields are envelopes. `_encrypted` is a hint for migrations; nothing trusts it. */
export type EncryptedRecord<T extends object> = { readonly [Name in keyof T]: unknown } & {
  readonly _encrypted?: true;
  readonly [plain]?: T;
};

/** A field that could not be decrypted. */
export interface FieldFailure {
  readonly pointer: string;
  readonly code: EncryptionErrorCode;
}

/**
 * What happens with a field that cannot be decrypted: `throw` (the whole record fails), `omit` (the field is left out), or a
 * function that is told of it (the field is left out). Its ciphertext is returned never.
 */
export type OnFieldFailure = "throw" | "omit" | ((failure: FieldFailure) => void);

/** Per call. */
export interface FieldOptions {
  /** Default: `throw`. */
  readonly onFailure?: OnFieldFailure;
  /** Metric label; the encrypted store gives its collection's name. Keep it to a few fixed names. */
  readonly store?: string;
}

/** Encrypts values and the sensitive fields of records; synchronous. */
export interface Encryption {
  readonly policy: EncryptionPolicy;
  /** Id of the key that encrypts. */
  activeKeyId(): string;
  /**
   * One value as an envelope, bound to its place; under every policy.
   *
   * @param value String, number, bigint, boolean, null, Date, bytes, or arrays and plain objects of these.
   * @throws {EncryptionError} `invalid_input`, `limit`, `key_not_found`.
   */
  encrypt(value: unknown, binding: ValueBinding): string;
  /**
   * The value of an envelope that {@link Encryption.encrypt} made for the same binding.
   *
   * @throws {EncryptionError} `malformed`, `unsupported_version`, `key_not_found`, `auth_failed`, `limit`.
   */
  decrypt(envelope: string, binding: ValueBinding): unknown;
  /**
   * A copy of the record with the named fields encrypted and `_encrypted: true`. Fields that are missing or undefined are left
   * so; fields that are encrypted for this very place already stay as they are.
   *
   * @param fields RFC 6901 pointers or top-level names; the segment `*` is every element of a list.
   * @throws {EncryptionError} `invalid_input`, `limit`, `key_not_found`; of a record that is marked already, `auth_failed`,
   *   `unsupported_version` or `key_not_found` for an envelope of another place, a newer release or a missing key.
   */
  encryptFields<T extends object>(
    record: T,
    fields: readonly string[],
    binding: RecordBinding,
    options?: Pick<FieldOptions, "store">,
  ): EncryptedRecord<T>;
  /**
   * A copy of the record with the named fields decrypted and the marker removed.
   *
   * @throws {EncryptionError} What `decrypt` throws; `malformed` for a plaintext field under the policy `strict`.
   */
  decryptFields<T extends object>(record: EncryptedRecord<T>, fields: readonly string[], binding: RecordBinding, options?: FieldOptions): T;
  /** Whether a stored value should be written anew: made by another key than the active one, or plaintext under `migrate` and `strict`. */
  needsReencryption(value: unknown): boolean;
}

const MARKER = "_encrypted";

/**
 * Makes an encryption: AES-256-GCM with key commitment, each value bound to its place.
 *
 * @throws {ConfigurationError} `invalid_option`.
 * @see docs/design/encryption-format.md
 * @example
 * ```ts
 * import { createEncryption, createKeyring, generateKey } from "@portcullis/encryption";
 *
 * const encryption = createEncryption({ keyring: createKeyring({ keys: generateKey() }), policy: "strict", namespace: "shop" });
 * const place = { tenant: "acme", table: "users", recordId: "u1" };
 * const row = encryption.encryptFields({ id: "u1", ssn: "078-05-1120" }, ["/ssn"], place);
 * console.log(String(row.ssn).slice(0, 7)); // enc:v1:
 * console.log(encryption.decryptFields(row, ["/ssn"], place).ssn); // 078-05-1120
 * ```
 */
export function createEncryption(options: EncryptionOptions): Encryption {
  const settings = readEncryptionOptions(options);
  const instruments = new Instruments(settings.metrics, settings.clock, settings.onEvent);
  const cipherSettings: CipherSettings = {
    ring: () => materialOf(settings.keyring),
    randomBytes: settings.randomBytes,
    maxPlaintextBytes: settings.maxPlaintextBytes,
    paddingBytes: settings.paddingBytes,
    countMessage: messageCounter(settings, instruments),
  };
  const cipherFor = (binding: RecordBinding, purpose: Purpose): RecordCipher => {
    if (typeof binding !== "object" || binding === null) throw invalidInput("A binding is needed: { table, recordId, tenant }.");
    if (binding.recordId === undefined && settings.recordBinding === "required") {
      throw invalidInput('The binding needs a recordId. Choose the id before encrypting, or set recordBinding: "optional".');
    }
    return new RecordCipher(cipherSettings, new AssociatedData(settings.namespace, binding, purpose));
  };
  const fieldOf = (place: FieldPlace): string => (settings.listBinding === "index" ? place.pointer : place.pattern);

  const decryptField = (cipher: RecordCipher, value: unknown, place: FieldPlace, marked: boolean, table: string): unknown => {
    if (settings.policy === "strict" && !marked) throw malformed("The record is not marked as encrypted, and the policy is strict.");
    if (claimsEnvelope(value) && (marked || isWellFormed(value, settings.maxPlaintextBytes))) return cipher.open(value, fieldOf(place));
    if (settings.policy === "strict") throw malformed("The field is not encrypted, and the policy is strict.");
    instruments.plaintextRead(table, place.pattern);
    return value;
  };

  return Object.freeze({
    policy: settings.policy,
    activeKeyId: () => settings.keyring.activeKeyId(),
    encrypt: (value: unknown, binding: ValueBinding) =>
      instruments.measure("encrypt", "", () => {
        if (value === undefined) throw invalidInput("There is no value to encrypt.");
        return cipherFor(binding, "value").seal(value, binding.field ?? "");
      }),
    decrypt: (envelope: string, binding: ValueBinding) =>
      instruments.measure("decrypt", "", () => {
        if (typeof envelope !== "string") throw malformed("The value is not an envelope.");
        return cipherFor(binding, "value").open(envelope, binding.field ?? "");
      }),
    encryptFields<T extends object>(record: T, fields: readonly string[], binding: RecordBinding, { store = "" }: FieldOptions = {}) {
      return instruments.measure("encrypt_fields", store, () => {
        const paths = parseFieldPaths(fields);
        const cipher = cipherFor(binding, "field");
        const marked = markOf(record);
        if (settings.policy === "off") return { ...record };
        if (marked === undefined) throw invalidInput('The record has a field "_encrypted" of its own; rename it.');
        const copy = mapFields(record, paths, (value, place) => {
          const field = fieldOf(place);
          return marked && claimsEnvelope(value) && isSealedHere(cipher, value, field) ? value : cipher.seal(value, field);
        });
        return { ...copy, [MARKER]: true } as EncryptedRecord<T>; // the same names, with other values
      });
    },
    decryptFields<T extends object>(
      record: EncryptedRecord<T>,
      fields: readonly string[],
      binding: RecordBinding,
      options: FieldOptions = {},
    ) {
      const { onFailure = "throw", store = "" } = options;
      return instruments.measure("decrypt_fields", store, () => {
        const paths = parseFieldPaths(fields);
        const cipher = cipherFor(binding, "field");
        const marked = markOf(record) === true;
        const copy = mapFields(record, paths, (value, place) => {
          try {
            return decryptField(cipher, value, place, marked, binding.table);
          } catch (error) {
            if (onFailure === "throw" || !(error instanceof EncryptionError)) throw error;
            instruments.failed("decrypt_fields", error);
            if (onFailure !== "omit") onFailure({ pointer: place.pointer, code: error.code });
            return OMIT;
          }
        });
        if (marked) delete copy[MARKER];
        return copy as T; // authenticated: what encryptFields() was given, or plaintext that the policy lets through
      });
    },
    needsReencryption(value: unknown) {
      if (value === undefined) return false;
      if (!claimsEnvelope(value) || !isWellFormed(value, settings.maxPlaintextBytes))
        return settings.policy === "migrate" || settings.policy === "strict";
      return parseEnvelope(value, settings.maxPlaintextBytes).keyId.toString("hex") !== settings.keyring.activeKeyId();
    },
  });
}

/** `undefined`: the record has a field of that name which is not ours. */
function markOf(record: object): boolean | undefined {
  if (typeof record !== "object" || record === null || Array.isArray(record)) throw invalidInput("A record must be a plain object.");
  if (!Object.hasOwn(record, MARKER)) return false;
  return Reflect.get(record, MARKER) === true ? true : undefined;
}

// Said of envelopes that may be real: by a key that is missing here, by a newer release.
const UNDECIDED: ReadonlySet<EncryptionErrorCode> = new Set(["key_not_found", "unsupported_version"]);

/**
 * Whether a field of a marked record is encrypted already. Text that only looks like an envelope is a plaintext like any other.
 *
 * @throws {EncryptionError} `auth_failed`: an envelope that our keys made for another place; `key_not_found`,
 *   `unsupported_version`: one that may be real. Encrypted once more, it would later be read as if it were the plaintext.
 */
function isSealedHere(cipher: RecordCipher, value: string, field: string): boolean {
  try {
    cipher.open(value, field);
    return true;
  } catch (error) {
    if (!(error instanceof EncryptionError) || UNDECIDED.has(error.code) || cipher.recognises(value)) throw error;
    return false;
  }
}

/** Without the marker, text that only begins like an envelope is a user's text. Other versions and sizes are left to fail. */
function isWellFormed(value: string, maxPlaintextBytes: number): boolean {
  try {
    parseEnvelope(value, maxPlaintextBytes);
    return true;
  } catch (error) {
    return !(error instanceof EncryptionError && error.code === "malformed");
  }
}

function messageCounter(settings: EncryptionSettings, instruments: Instruments): (keyId: string) => void {
  const { maxMessagesPerKey, atMessageLimit } = settings;
  const counts = new Map<string, number>();
  return (keyId) => {
    const made = counts.get(keyId) ?? 0;
    if (made === maxMessagesPerKey) {
      instruments.emit({ kind: "message_limit_reached", keyId, messages: made });
    }
    if (made >= maxMessagesPerKey && atMessageLimit === "refuse") {
      throw new EncryptionError("limit", `The key ${keyId} has made ${made} envelopes, its limit. Put a new key first in the keyring.`);
    }
    counts.set(keyId, made + 1);
    instruments.message(keyId);
  };
}
