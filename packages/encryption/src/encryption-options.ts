import { randomBytes as systemRandomBytes } from "node:crypto";
import { type Clock, ConfigurationError, invalidOption, type Metrics, noMetrics, systemClock } from "@portcullis/core";
import type { EncryptionEvent } from "./instruments.js";
import { type Keyring, materialOf } from "./keyring.js";

/**
 * What is written and what may be read, for the fields of records:
 *
 * | policy | writes | a field that is not encrypted |
 * |---|---|---|
 * | `off` | as it is | is read |
 * | `write` | encrypted | is read |
 * | `migrate` | encrypted | is read, and needs re-encryption |
 * | `strict` | encrypted | is refused |
 *
 * Encrypted fields are decrypted under every policy: `off` is also the way back.
 */
export type EncryptionPolicy = "off" | "write" | "migrate" | "strict";

/** Bounds. */
export interface EncryptionLimits {
  /** Largest encoded value; 1 byte to 1 GiB, default 16 MiB. */
  readonly maxPlaintextBytes?: number;
  /** Envelopes that one key may make in this process; default 2^48, at which two salts collide with a chance of 2^-33. */
  readonly maxMessagesPerKey?: number;
  /** At that limit: `refuse` (default) throws `limit`; `report` goes on and emits the event once. */
  readonly atMessageLimit?: "refuse" | "report";
}

/** How to encrypt. */
export interface EncryptionOptions {
  readonly keyring: Keyring;
  /** No default: whether plaintext may be read is a decision. */
  readonly policy: EncryptionPolicy;
  /** Name of the application; values of another namespace do not open, even under the same keys. */
  readonly namespace: string;
  /** Whether a value must name its record's id. `required` (default) keeps values from being swapped between records. */
  readonly recordBinding?: "required" | "optional";
  /**
   * What an element of a list is bound to: its `index` (default; elements cannot be swapped, and removing one from the middle
   * means encrypting those behind it again) or the `pattern` that named it (`/cards/*`; elements may move).
   */
  readonly listBinding?: "index" | "pattern";
  /** Round the length of each value up to a multiple of this, to hide it; 0 (default) to 65,536 bytes. */
  readonly paddingBytes?: number;
  readonly limits?: EncryptionLimits;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** The operating system's source unless given; a predictable one gives the plaintexts away. For test vectors. */
  readonly randomBytes?: (size: number) => Uint8Array;
  readonly onEvent?: (event: EncryptionEvent) => void;
}

/** The options, complete. */
export interface EncryptionSettings extends Required<Omit<EncryptionOptions, "limits" | "onEvent">>, Required<EncryptionLimits> {
  readonly onEvent: ((event: EncryptionEvent) => void) | undefined;
}

const POLICIES: readonly EncryptionPolicy[] = ["off", "write", "migrate", "strict"];
const DEFAULTS = Object.freeze({
  recordBinding: "required",
  listBinding: "index",
  paddingBytes: 0,
  maxPlaintextBytes: 16 * 1024 * 1024,
  maxMessagesPerKey: 2 ** 48,
  atMessageLimit: "refuse",
  metrics: noMetrics,
  clock: systemClock,
  randomBytes: systemRandomBytes,
} as const);
const NAMES = new Set([
  "keyring",
  "policy",
  "namespace",
  "recordBinding",
  "listBinding",
  "paddingBytes",
  "limits",
  "metrics",
  "clock",
  "randomBytes",
  "onEvent",
]);

/** Checks and copies the options. @throws {ConfigurationError} `invalid_option`. */
export function readEncryptionOptions(options: EncryptionOptions): EncryptionSettings {
  const unknown = Object.keys(options).find((name) => !NAMES.has(name));
  if (unknown !== undefined) throw new ConfigurationError("invalid_option", `createEncryption has no option "${unknown.slice(0, 64)}".`);
  const { limits = {}, onEvent, ...given } = options;
  const settings: EncryptionSettings = { ...DEFAULTS, ...defined(given), ...defined(limits), onEvent };
  oneOf("policy", settings.policy, POLICIES);
  oneOf("recordBinding", settings.recordBinding, ["required", "optional"]);
  oneOf("listBinding", settings.listBinding, ["index", "pattern"]);
  oneOf("limits.atMessageLimit", settings.atMessageLimit, ["refuse", "report"]);
  within("paddingBytes", settings.paddingBytes, 0, 65_536);
  within("limits.maxPlaintextBytes", settings.maxPlaintextBytes, 1, 2 ** 30);
  within("limits.maxMessagesPerKey", settings.maxMessagesPerKey, 1, Number.MAX_SAFE_INTEGER);
  const { namespace, keyring } = settings;
  if (typeof namespace !== "string" || namespace === "" || namespace.length > 512 || /\p{Surrogate}/u.test(namespace)) {
    throw invalidOption("namespace", namespace, "the name of the application, 1 to 512 characters of well-formed Unicode");
  }
  if (typeof keyring !== "object" || keyring === null) throw invalidOption("keyring", keyring, "a keyring made by createKeyring");
  materialOf(keyring);
  return Object.freeze({ ...settings, randomBytes: exactly(settings.randomBytes) });
}

// An option given as undefined is one that was not given.
function defined<T extends object>(options: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof T]: Exclude<T[Name], undefined> }; // the undefined ones were left out
}

// A short nonce is accepted by Node and repeats soon.
function exactly(randomBytes: (size: number) => Uint8Array): (size: number) => Uint8Array {
  return (size) => {
    const bytes = randomBytes(size);
    if (bytes.length !== size)
      throw new ConfigurationError("invalid_option", `Option "randomBytes" gave ${bytes.length} bytes where ${size} were asked for.`);
    return bytes;
  };
}

function oneOf(option: string, value: unknown, accepted: readonly string[]): void {
  if (!accepted.some((name) => name === value)) throw invalidOption(option, value, accepted.map((name) => `"${name}"`).join(" or "));
}

function within(option: string, value: unknown, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most)
    throw invalidOption(option, value, `an integer of ${least} to ${most}`);
}
