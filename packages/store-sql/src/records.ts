import type { Records, StoredRecord } from "@portcullis/core";
import { ask, type Driver, type Row } from "./driver/driver.js";
import { number, text, textOrNone } from "./driver/row.js";

const COLUMNS = "id, scope, unique_key, value, revision, created_at, updated_at";
// Without a target: the id or the unique key, whichever is taken.
const ADD = `INSERT INTO portcullis_records (collection, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5, 1, {now}, {now})
  ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`;
const FIND = `SELECT ${COLUMNS} FROM portcullis_records WHERE collection = $1 AND id = $2`;
const FIND_UNIQUE = `SELECT ${COLUMNS} FROM portcullis_records WHERE collection = $1 AND unique_key = $2`;
const REPLACE = `UPDATE portcullis_records SET value = $4, revision = revision + 1, updated_at = {now}
  WHERE collection = $1 AND id = $2 AND revision = $3 RETURNING ${COLUMNS}`;
const REMOVE =
  "DELETE FROM portcullis_records WHERE collection = $1 AND id = $2 AND revision = COALESCE(CAST($3 AS BIGINT), revision) RETURNING id";
const COUNT = "SELECT COUNT(*) AS total FROM portcullis_records WHERE collection = $1 AND scope = $2";
const LIST = `SELECT ${COLUMNS} FROM portcullis_records WHERE collection = $1 AND scope = $2 ORDER BY id LIMIT $3 OFFSET $4`;
const LIST_AFTER = `SELECT ${COLUMNS} FROM portcullis_records WHERE collection = $1 AND scope = $2 AND id > $5 ORDER BY id LIMIT $3 OFFSET $4`;

/** Documents in a table. */
export function createSqlRecords(driver: Driver): Records {
  return Object.freeze({
    insert: (
      collection: string,
      record: { readonly id: string; readonly scope: string; readonly uniqueKey?: string; readonly value: string },
    ) =>
      driver.run("records.insert", function* () {
        const { id, scope, uniqueKey = null, value } = record;
        const [row] = yield ask(ADD, collection, id, scope, uniqueKey, value);
        return row && recordOf(row);
      }),
    find: (collection: string, by: { readonly id: string } | { readonly uniqueKey: string }) =>
      driver.run("records.find", function* () {
        const [row] = "id" in by ? yield ask(FIND, collection, by.id) : yield ask(FIND_UNIQUE, collection, by.uniqueKey);
        return row && recordOf(row);
      }),
    replace: (collection: string, id: string, expectedRevision: number, value: string) =>
      driver.run("records.replace", function* () {
        const [row] = yield ask(REPLACE, collection, id, expectedRevision, value);
        return row && recordOf(row);
      }),
    remove: (collection: string, id: string, expectedRevision?: number) =>
      driver.run("records.remove", function* () {
        return (yield ask(REMOVE, collection, id, expectedRevision ?? null)).length === 1;
      }),
    list: (
      collection: string,
      page: { readonly scope: string; readonly limit: number; readonly after?: string; readonly offset?: number },
    ) =>
      driver.run("records.list", function* () {
        const { scope, limit, after, offset = 0 } = page;
        const total = number((yield ask(COUNT, collection, scope))[0], "total");
        const rows =
          after === undefined
            ? yield ask(LIST, collection, scope, limit, offset)
            : yield ask(LIST_AFTER, collection, scope, limit, offset, after);
        return Object.freeze({ records: Object.freeze(rows.map(recordOf)), total });
      }),
  });
}

function recordOf(row: Row): StoredRecord {
  return Object.freeze({
    id: text(row, "id"),
    scope: text(row, "scope"),
    uniqueKey: textOrNone(row, "unique_key"),
    value: text(row, "value"),
    revision: number(row, "revision"),
    createdAt: number(row, "created_at"),
    updatedAt: number(row, "updated_at"),
  });
}
