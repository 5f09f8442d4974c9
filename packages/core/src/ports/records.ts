import type { MaybePromise } from "../guard/guard.js";

/** A document of a collection. */
export interface StoredRecord {
  readonly id: string;
  /** Groups records for listing, e.g. a workspace id. */
  readonly scope: string;
  /** A second key, unique within the collection, e.g. a normalised e-mail address. */
  readonly uniqueKey: string | undefined;
  /** JSON of its owner. */
  readonly value: string;
  /** 1 after insert, one more with each replace. */
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Small documents with optimistic concurrency: users, endpoints, settings; an application's own where it has no database. */
export interface Records {
  /** @returns the record, or `undefined` when the id or the unique key is taken; nothing was stored then. */
  insert(
    collection: string,
    record: {
      readonly id: string;
      readonly scope: string;
      readonly uniqueKey?: string;
      readonly value: string;
    },
  ): MaybePromise<StoredRecord | undefined>;
  find(collection: string, by: { readonly id: string } | { readonly uniqueKey: string }): MaybePromise<StoredRecord | undefined>;
  /** @returns the record after it, or `undefined` when it is gone or its revision is not `expectedRevision` any more. */
  replace(collection: string, id: string, expectedRevision: number, value: string): MaybePromise<StoredRecord | undefined>;
  /** @returns whether this call removed it. */
  remove(collection: string, id: string, expectedRevision?: number): MaybePromise<boolean>;
  /** By id, ascending in the order of its UTF-8 bytes; `after` is the last id of the page before. `total` counts the scope. */
  list(
    collection: string,
    page: {
      readonly scope: string;
      readonly limit: number;
      readonly after?: string;
      readonly offset?: number;
    },
  ): MaybePromise<{ readonly records: readonly StoredRecord[]; readonly total: number }>;
}
