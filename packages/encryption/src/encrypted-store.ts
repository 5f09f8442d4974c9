import { invalidOption, type MaybePromise, type Records, type StoredRecord } from "@portcullis/core";
import type { Encryption, OnFieldFailure } from "./encryption.js";
import { invalidInput, malformed } from "./errors.js";
import { parseFieldPaths } from "./field-path.js";

/** Which records are encrypted, and how. */
export interface EncryptedStoreOptions {
  /** The one collection of this store. */
  readonly collection: string;
  /** Pointers into the JSON of a record; see `encryptFields`. */
  readonly fields: readonly string[];
  readonly encryption: Encryption;
  /** Whose record it is. The scope of the record unless given. */
  readonly tenantOf?: (record: { readonly id: string; readonly scope: string }) => string | undefined;
  /** On reading; default `throw`. */
  readonly onFailure?: OnFieldFailure;
}

/**
 * A `records` port whose sensitive fields are encrypted in the store behind it and plain to its users.
 *
 * Each field is bound to tenant, collection, record id and pointer. Unique keys and scopes stay readable: the store searches
 * by them. A `replace` reads the record first, because it alone does not say whose it is.
 *
 * @returns a port for that one collection: another one is refused with `invalid_input`, so that a wrong name cannot store plaintext.
 * @throws {ConfigurationError} `invalid_option`.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createEncryptedStore, createEncryption, createKeyring, generateKey } from "@portcullis/encryption";
 *
 * const { records } = createMemoryStore();
 * const encryption = createEncryption({ keyring: createKeyring({ keys: generateKey() }), policy: "strict", namespace: "shop" });
 * const integrations = createEncryptedStore(records, { collection: "integrations", fields: ["/apiKey"], encryption });
 *
 * await integrations.insert("integrations", { id: "i1", scope: "acme", value: JSON.stringify({ kind: "mail", apiKey: "sk-1" }) });
 * console.log((await integrations.find("integrations", { id: "i1" }))?.value); // {"kind":"mail","apiKey":"sk-1"}
 * console.log((await records.find("integrations", { id: "i1" }))?.value.includes("sk-1")); // false
 * ```
 */
export function createEncryptedStore(records: Records, options: EncryptedStoreOptions): Records {
  const { collection, encryption, tenantOf = ({ scope }) => scope, onFailure = "throw" } = options;
  if (typeof collection !== "string" || collection === "") throw invalidOption("collection", collection, "the name of a collection");
  const fields = Object.freeze([...options.fields]);
  if (parseFieldPaths(fields).length === 0) throw invalidOption("fields", fields, "at least one pointer");

  const placeOf = ({ id, scope }: { readonly id: string; readonly scope: string }) => ({
    tenant: tenantOf({ id, scope }),
    table: collection,
    recordId: id,
  });
  const seal = (record: { readonly id: string; readonly scope: string }, value: string): string =>
    JSON.stringify(encryption.encryptFields(parseObject(value), fields, placeOf(record), { store: collection }));
  const open = (record: StoredRecord): StoredRecord => {
    const value = encryption.decryptFields(parseObject(record.value), fields, placeOf(record), { onFailure, store: collection });
    return Object.freeze({ ...record, value: JSON.stringify(value) });
  };
  const openIfAny = (record: StoredRecord | undefined): StoredRecord | undefined => (record === undefined ? undefined : open(record));
  const mine = (name: string): void => {
    if (name !== collection) throw invalidInput(`This store encrypts the collection "${collection}" only.`);
  };

  return Object.freeze({
    insert(name: string, record: Parameters<Records["insert"]>[1]) {
      mine(name);
      return after(records.insert(name, { ...record, value: seal(record, record.value) }), openIfAny);
    },
    find(name: string, by: Parameters<Records["find"]>[1]) {
      mine(name);
      return after(records.find(name, by), openIfAny);
    },
    replace(name: string, id: string, expectedRevision: number, value: string) {
      mine(name);
      return after(records.find(name, { id }), (found) => {
        if (found === undefined || found.revision !== expectedRevision) return undefined;
        return after(records.replace(name, id, expectedRevision, seal(found, value)), openIfAny);
      });
    },
    remove(name: string, id: string, expectedRevision?: number) {
      mine(name);
      return expectedRevision === undefined ? records.remove(name, id) : records.remove(name, id, expectedRevision);
    },
    list(name: string, page: Parameters<Records["list"]>[1]) {
      mine(name);
      return after(records.list(name, page), (found) => Object.freeze({ ...found, records: Object.freeze(found.records.map(open)) }));
    },
  });
}

function after<A, B>(value: MaybePromise<A>, use: (value: A) => MaybePromise<B>): MaybePromise<B> {
  return value instanceof Promise ? value.then(use) : use(value);
}

function parseObject(json: string): { [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformed("The record's value is not JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("The record's value is not a JSON object.");
  return value as { [name: string]: unknown }; // neither null nor a list
}
