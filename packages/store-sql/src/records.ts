import type { Records, StoredRecord } from "@portcullis/core";
import { after, type Database, number, optionalText, type Row, text } from "./database.js";
import type { SqlValue } from "./statement.js";

const COLUMNS = "id, scope, unique_key, value, revision, created_at, updated_at";

/** Documents in a table: each change is one conditional statement. */
export function createSqlRecords(database: Database): Records {
  const toOptional = ([row]: readonly Row[]): StoredRecord | undefined => (row === undefined ? undefined : toRecord(row));
  return Object.freeze({
    insert(collection: string, { id, scope, uniqueKey, value }: Parameters<Records["insert"]>[1]) {
      return after(
        database.query(
          `INSERT INTO records (collection, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5, 1, :now, :now)
           ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
          [collection, id, scope, uniqueKey ?? null, value],
        ),
        toOptional,
      );
    },
    find(collection: string, by: { readonly id: string } | { readonly uniqueKey: string }) {
      const [column, key] = "id" in by ? ["id", by.id] : ["unique_key", by.uniqueKey];
      return after(
        database.query(`SELECT ${COLUMNS} FROM records WHERE collection = $1 AND ${column} = $2`, [collection, key]),
        toOptional,
      );
    },
    replace: (collection: string, id: string, expectedRevision: number, value: string) =>
      after(
        database.query(
          `UPDATE records SET value = $4, revision = revision + 1, updated_at = :now WHERE collection = $1 AND id = $2 AND revision = $3 RETURNING ${COLUMNS}`,
          [collection, id, expectedRevision, value],
        ),
        toOptional,
      ),
    remove(collection: string, id: string, expectedRevision?: number) {
      const removed =
        expectedRevision === undefined
          ? database.query("DELETE FROM records WHERE collection = $1 AND id = $2 RETURNING id", [collection, id])
          : database.query("DELETE FROM records WHERE collection = $1 AND id = $2 AND revision = $3 RETURNING id", [
              collection,
              id,
              expectedRevision,
            ]);
      return after(removed, (rows) => rows.length > 0);
    },
    async list(collection: string, { scope, limit, after: last, offset = 0 }: Parameters<Records["list"]>[1]) {
      const values: SqlValue[] = [collection, scope, limit, offset];
      const page = last === undefined ? "" : `AND id > $${values.push(last)}`;
      const rows = await database.query(
        `SELECT ${COLUMNS} FROM records WHERE collection = $1 AND scope = $2 ${page} ORDER BY id LIMIT CAST($3 AS integer) OFFSET CAST($4 AS integer)`,
        values,
      );
      const [count] = await database.query("SELECT count(*) AS total FROM records WHERE collection = $1 AND scope = $2", [
        collection,
        scope,
      ]);
      return Object.freeze({ records: Object.freeze(rows.map(toRecord)), total: number(count as Row, "total") }); // an aggregate has one row
    },
  });
}

function toRecord(row: Row): StoredRecord {
  return Object.freeze({
    id: text(row, "id"),
    scope: text(row, "scope"),
    uniqueKey: optionalText(row, "unique_key"),
    value: text(row, "value"),
    revision: number(row, "revision"),
    createdAt: number(row, "created_at"),
    updatedAt: number(row, "updated_at"),
  });
}
