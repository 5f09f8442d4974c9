import type { Grants, GrantsWrite, HeldRole, RoleHolder, StoredPolicy, SubjectGrants } from "@portcullis/core";
import type { Dialect } from "./dialect.js";
import { ask, type Driver, lockName, type Operation, type Row } from "./driver/driver.js";
import { number, text, textOrNone } from "./driver/row.js";

const READ_POLICY = "SELECT revision, value FROM portcullis_policies WHERE name = $1";
const ADD_POLICY = `INSERT INTO portcullis_policies (name, revision, value) VALUES ($1, 1, $2)
  ON CONFLICT (name) DO NOTHING RETURNING revision`;
const REPLACE_POLICY = `UPDATE portcullis_policies SET value = $2, revision = revision + 1
  WHERE name = $1 AND revision = $3 RETURNING revision`;

// One statement, so one snapshot: an epoch with what another write stored would be believed for as long as it is cached.
const READ = `SELECT subject.epoch, held.role, held.standing, held.value
  FROM portcullis_grant_subjects AS subject
  LEFT JOIN portcullis_grants AS held ON held.scope = subject.scope AND held.subject_id = subject.subject_id
  WHERE subject.scope = $1 AND subject.subject_id = $2 ORDER BY held.place`;
const EPOCH = "SELECT epoch FROM portcullis_grant_subjects WHERE scope = $1 AND subject_id = $2 {forUpdate}";
const ADD_SUBJECT = `INSERT INTO portcullis_grant_subjects (scope, subject_id, epoch) VALUES ($1, $2, 0)
  ON CONFLICT (scope, subject_id) DO NOTHING`;
const NEXT_EPOCH = "UPDATE portcullis_grant_subjects SET epoch = epoch + 1 WHERE scope = $1 AND subject_id = $2 RETURNING epoch";
const STANDING = "SELECT role FROM portcullis_grants WHERE scope = $1 AND subject_id = $2 AND standing = 1";
const OTHER = `SELECT subject_id FROM portcullis_grants
  WHERE scope = $1 AND role = $2 AND standing = 1 AND subject_id <> $3 LIMIT 1`;
const TAKE_ALL = "DELETE FROM portcullis_grants WHERE scope = $1 AND subject_id = $2";
const COLUMN_COUNT = 6;

const HOLDERS = "SELECT subject_id, standing, value FROM portcullis_grants WHERE scope = $1 AND role = $2";
const LIST = `${HOLDERS} ORDER BY subject_id LIMIT $3`;
const LIST_AFTER = `${HOLDERS} AND subject_id > $4 ORDER BY subject_id LIMIT $3`;

/**
 * Held roles in a table, with an epoch per subject. Who writes a subject holds its row; who gives up a role that must be kept
 * also holds the scope's lock, so that two last holders do not each count on the other.
 */
export function createSqlGrants(driver: Driver): Grants {
  return Object.freeze({
    readPolicy: (policy: string) =>
      driver.run("grants.readPolicy", function* () {
        const [row] = yield ask(READ_POLICY, policy);
        return row && policyOf(row);
      }),
    writePolicy: (policy: string, expectedRevision: number, value: string) =>
      driver.run("grants.writePolicy", function* () {
        const written = expectedRevision === 0 ? ask(ADD_POLICY, policy, value) : ask(REPLACE_POLICY, policy, value, expectedRevision);
        const [row] = yield written;
        return row && number(row, "revision");
      }),
    readSubject: (scope: string, subjectId: string) =>
      driver.run("grants.readSubject", function* () {
        return grantsOf(yield ask(READ, scope, subjectId));
      }),
    writeSubject(scope: string, subjectId: string, expectedEpoch: number, held: readonly HeldRole[], keep: readonly string[]) {
      // Copied at once: the transaction begins later, and may be repeated.
      const after = new Map(held.map(({ role, standing, value }) => [role, { role, standing, value }]));
      const kept = [...keep];
      return driver.transaction("grants.writeSubject", function* (): Operation<GrantsWrite> {
        const epoch = yield* lockSubject(scope, subjectId, expectedEpoch);
        if (epoch !== expectedEpoch) return Object.freeze({ kind: "changed_meanwhile", epoch });
        const role = yield* bereftRole(driver.dialect, scope, subjectId, after, kept);
        if (role !== undefined) return Object.freeze({ kind: "last_holder", role });
        yield ask(TAKE_ALL, scope, subjectId);
        yield* addAll(driver.dialect, scope, subjectId, [...after.values()]);
        return Object.freeze({ kind: "written", epoch: number((yield ask(NEXT_EPOCH, scope, subjectId))[0], "epoch") });
      });
    },
    listHolders: (scope: string, role: string, page: { readonly limit: number; readonly after?: string }) =>
      driver.run("grants.listHolders", function* () {
        const { limit, after } = page;
        const rows = after === undefined ? yield ask(LIST, scope, role, limit) : yield ask(LIST_AFTER, scope, role, limit, after);
        return Object.freeze(rows.map(holderOf));
      }),
  });
}

/** The subject's epoch, its row ours until the transaction ends; added first where the subject is new and about to be written. */
function* lockSubject(scope: string, subjectId: string, expectedEpoch: number): Operation<number> {
  const [row] = yield ask(EPOCH, scope, subjectId);
  if (row !== undefined) return number(row, "epoch");
  if (expectedEpoch !== 0) return 0;
  yield ask(ADD_SUBJECT, scope, subjectId);
  return number((yield ask(EPOCH, scope, subjectId))[0], "epoch");
}

/** The first role of `keep` that the subject gives up and nobody else holds with standing. */
function* bereftRole(
  dialect: Dialect,
  scope: string,
  subjectId: string,
  after: ReadonlyMap<string, HeldRole>,
  keep: readonly string[],
): Operation<string | undefined> {
  if (keep.length === 0) return undefined;
  const before = new Set((yield ask(STANDING, scope, subjectId)).map((row) => text(row, "role")));
  const givenUp = keep.filter((role) => before.has(role) && after.get(role)?.standing !== true);
  if (givenUp.length === 0) return undefined;
  // A lock by name and not on the holders' rows: a holder who is written anew has new rows, and who waited for the old ones
  // would find none. In a statement of its own, before: the next one sees what the lock's last holder committed.
  yield* lockName(dialect, `grants:${scope}`);
  for (const role of givenUp) {
    if ((yield ask(OTHER, scope, role, subjectId)).length === 0) return role;
  }
  return undefined;
}

function* addAll(dialect: Dialect, scope: string, subjectId: string, held: readonly HeldRole[]): Operation<void> {
  const rows = held.map(({ role, standing, value }, place) => [scope, subjectId, place, role, standing ? 1 : 0, value]);
  for (let from = 0; from < rows.length; from += dialect.rowsPerInsert) {
    const some = rows.slice(from, from + dialect.rowsPerInsert);
    yield ask(addStatement(some.length), ...some.flat());
  }
}

function addStatement(count: number): string {
  const row = (index: number): string =>
    `(${Array.from({ length: COLUMN_COUNT }, (_, column) => `$${index * COLUMN_COUNT + column + 1}`).join(", ")})`;
  const rows = Array.from({ length: count }, (_, index) => row(index)).join(", ");
  return `INSERT INTO portcullis_grants (scope, subject_id, place, role, standing, value) VALUES ${rows}`;
}

function policyOf(row: Row): StoredPolicy {
  return Object.freeze({ revision: number(row, "revision"), value: text(row, "value") });
}

/** One row per held role; one without a role for a subject that holds none. */
function grantsOf(rows: readonly Row[]): SubjectGrants {
  const held = rows.filter((row) => textOrNone(row, "role") !== undefined);
  return Object.freeze({ epoch: rows.length === 0 ? 0 : number(rows[0], "epoch"), held: Object.freeze(held.map(heldOf)) });
}

function heldOf(row: Row): HeldRole {
  return Object.freeze({ role: text(row, "role"), standing: number(row, "standing") === 1, value: text(row, "value") });
}

function holderOf(row: Row): RoleHolder {
  return Object.freeze({ subjectId: text(row, "subject_id"), standing: number(row, "standing") === 1, value: text(row, "value") });
}
