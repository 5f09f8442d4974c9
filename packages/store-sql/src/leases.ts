import type { Leases } from "@portcullis/core";
import { ask, type Driver, wholeMs } from "./driver/driver.js";
import { flag } from "./driver/row.js";

const ACQUIRE = `INSERT INTO portcullis_leases AS lease (name, holder, expires_at) VALUES ($1, $2, {now} + $3)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
  WHERE lease.holder = excluded.holder OR lease.expires_at <= {now}
  RETURNING name`;
const RELEASE = "DELETE FROM portcullis_leases WHERE name = $1 AND holder = $2 RETURNING expires_at > {now} AS is_live";

/** Leases in a table; a guarded upsert takes, extends or refuses in one statement. */
export function createSqlLeases(driver: Driver): Leases {
  return Object.freeze({
    acquire: (name: string, holder: string, ttlMs: number) =>
      driver.run("leases.acquire", function* () {
        return (yield ask(ACQUIRE, name, holder, wholeMs(ttlMs))).length === 1;
      }),
    release: (name: string, holder: string) =>
      driver.run("leases.release", function* () {
        return flag((yield ask(RELEASE, name, holder))[0], "is_live");
      }),
  });
}
