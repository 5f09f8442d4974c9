import { openSqlite } from "../open-sqlite.js";

const LAST = "SELECT log, idx, bytes FROM portcullis_log_entries ORDER BY idx DESC LIMIT 1 OFFSET 2";

/** Flips one bit of a stored audit entry, as somebody with access to the database would. @returns the entry's index. */
export async function flipAuditBit(databaseUrl: string): Promise<number> {
  return databaseUrl.startsWith("file:") ? flipInSqlite(databaseUrl.slice("file:".length)) : flipInPostgres(databaseUrl);
}

async function flipInSqlite(path: string): Promise<number> {
  const database = await openSqlite(path);
  try {
    database.exec("PRAGMA busy_timeout = 5000");
    const [row] = database.prepare(LAST).all() as { readonly log: string; readonly idx: number | string; readonly bytes: Uint8Array }[]; // the columns asked for
    if (row === undefined) throw new Error("The audit log is too short to tamper with.");
    database
      .prepare("UPDATE portcullis_log_entries SET bytes = ? WHERE log = ? AND idx = ?")
      .run(flipped(row.bytes), row.log, Number(row.idx));
    return Number(row.idx);
  } finally {
    database.close();
  }
}

async function flipInPostgres(connectionString: string): Promise<number> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ readonly log: string; readonly idx: number | string; readonly bytes: Buffer }>(LAST);
    const [row] = rows;
    if (row === undefined) throw new Error("The audit log is too short to tamper with.");
    await client.query("UPDATE portcullis_log_entries SET bytes = $1 WHERE log = $2 AND idx = $3", [
      flipped(row.bytes),
      row.log,
      Number(row.idx),
    ]);
    return Number(row.idx);
  } finally {
    await client.end();
  }
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const middle = copy.length >> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}
