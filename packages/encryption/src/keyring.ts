import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { ConfigurationError, invalidOption } from "@portcullis/core";
import { EncryptionError } from "./errors.js";
import { expand } from "./hkdf-expand.js";
import { parseKey, wrongKey } from "./parse-key.js";

/** What a keyring is made of. */
export interface KeyringOptions {
  /**
   * The keys, as a list or joined by commas: the first encrypts, all decrypt. Each is 64 hex digits or 32 bytes of base64 or
   * base64url, optionally behind a `name:`; white space around it is ignored.
   */
  readonly keys: string | readonly string[];
}

/** A key, without the key. */
export interface KeyInfo {
  /** 16 hex digits, computed from the key: the same in every process, and no help in finding the key. */
  readonly id: string;
  readonly name: string | undefined;
  readonly active: boolean;
}

/** The keys of a service. It shows their ids, never their bytes: not in `inspect`, JSON, structured clones or errors. */
export interface Keyring {
  /** Id of the key that encrypts. */
  activeKeyId(): string;
  /** Every key, the active one first. */
  keys(): readonly KeyInfo[];
  /** Forgets the keys; every later use throws `key_not_found`. Copies that the runtime made (strings, heap snapshots) remain. */
  dispose(): void;
}

/** A key in memory. */
export interface RingKey {
  readonly idBytes: Buffer;
  readonly id: string;
  readonly secret: KeyObject;
}

const MAX_KEYS = 32;
const KEY_ID_INFO = Buffer.from("portcullis.encryption.v1 key-id");

// Beside the objects, not in them: whatever prints or clones a keyring finds nothing.
const materials = new WeakMap<Keyring, readonly RingKey[]>();

/**
 * Makes a keyring from its text form; the order of all keys but the first is irrelevant.
 *
 * @throws {ConfigurationError} `invalid_option`: a key is missing, malformed, weak or given twice. The message names the key's
 *   position, never its content.
 * @example
 * ```ts
 * import { createKeyring, generateKey } from "@portcullis/encryption";
 *
 * const keyring = createKeyring({ keys: [generateKey(), generateKey()] });
 * console.log(keyring.activeKeyId().length, keyring.keys().length); // 16 2
 * ```
 */
export function createKeyring(options: KeyringOptions): Keyring {
  const texts = listOf(options.keys);
  const infos: KeyInfo[] = [];
  const ring: RingKey[] = [];
  texts.forEach((text, index) => {
    const position = index + 1;
    if (typeof text !== "string") throw invalidOption(`keys[${index}]`, text, "a string");
    const { name, bytes } = parseKey(text, position);
    const secret = createSecretKey(bytes);
    bytes.fill(0);
    const idBytes = expand(secret, KEY_ID_INFO).subarray(0, 8);
    const id = idBytes.toString("hex");
    const same = infos.findIndex((info) => info.id === id || (name !== undefined && info.name === name));
    if (same !== -1) throw wrongKey(position, `has the same ${infos[same]?.id === id ? "bytes" : "name"} as key ${same + 1}`);
    infos.push(Object.freeze({ id, name, active: index === 0 }));
    ring.push(Object.freeze({ idBytes, id, secret }));
  });
  const [active] = infos;
  if (active === undefined) throw noKey();
  const frozen = Object.freeze(infos);
  const keyring: Keyring = Object.freeze({
    activeKeyId: () => active.id,
    keys: () => frozen,
    dispose: () => void materials.delete(keyring),
  });
  materials.set(keyring, Object.freeze(ring));
  return keyring;
}

/** A fresh key: 64 hex digits from the operating system's random source. Store it before the first value is encrypted under it. */
export function generateKey(): string {
  return randomBytes(32).toString("hex");
}

/**
 * The keys behind a keyring, the active one first.
 *
 * @throws {EncryptionError} `key_not_found`: the keyring was disposed of, or is none of ours.
 */
export function materialOf(keyring: Keyring): readonly [RingKey, ...RingKey[]] {
  const [active, ...others] = materials.get(keyring) ?? [];
  if (active === undefined) throw new EncryptionError("key_not_found", "The keyring was disposed of. Make a new one with createKeyring.");
  return [active, ...others];
}

function listOf(keys: KeyringOptions["keys"]): readonly string[] {
  if (keys === undefined || keys === "" || (typeof keys === "string" && keys.trim() === "")) throw noKey();
  const texts = typeof keys === "string" ? keys.split(",") : keys;
  if (!Array.isArray(texts)) throw invalidOption("keys", keys, "a string or a list of strings");
  if (texts.length > MAX_KEYS) throw invalidOption("keys", keys, `at most ${MAX_KEYS} keys`);
  return texts.map((text: unknown) => (typeof text === "string" ? text.trim() : (text as string))); // refused one by one, with their position
}

function noKey(): ConfigurationError {
  return new ConfigurationError(
    "invalid_option",
    'Option "keys" holds no key. Generate one with generateKey(), keep it where the service can read it again after a restart, and pass it here.',
  );
}
