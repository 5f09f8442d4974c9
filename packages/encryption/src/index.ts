export { createEncryptedStore } from "./encrypted-store.js";
export { createEncryption } from "./encryption.js";
export { EncryptionError } from "./errors.js";
export { createKeyring, generateKey } from "./keyring.js";

export type { BindingValue, RecordBinding, ValueBinding } from "./associated-data.js";
export type { EncryptedStoreOptions } from "./encrypted-store.js";
export type { EncryptedRecord, Encryption, FieldFailure, FieldOptions, OnFieldFailure } from "./encryption.js";
export type { EncryptionLimits, EncryptionOptions, EncryptionPolicy } from "./encryption-options.js";
export type { EncryptionErrorCode } from "./errors.js";
export type { EncryptionEvent } from "./instruments.js";
export type { KeyInfo, Keyring, KeyringOptions } from "./keyring.js";
