import type { Subjects, SubjectState, SubjectVersion } from "@portcullis/core";
import { ask, type Driver, type Row } from "./driver/driver.js";
import { number } from "./driver/row.js";

const DEFAULTS: SubjectState = Object.freeze({ tokenVersion: 1, passwordVersion: 1, claimsVersion: 1, disabled: false });
const COLUMN_OF = { tokenVersion: "token_version", passwordVersion: "password_version", claimsVersion: "claims_version" } as const;

const COLUMNS = "token_version, password_version, claims_version, disabled";
const READ = `SELECT ${COLUMNS} FROM portcullis_subjects WHERE id = $1`;
const SET_DISABLED = `INSERT INTO portcullis_subjects (id, ${COLUMNS}) VALUES ($1, 1, 1, 1, $2)
  ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled
  RETURNING ${COLUMNS}`;

/** Revocation state in a table; only subjects that were ever changed have a row. */
export function createSqlSubjects(driver: Driver): Subjects {
  return Object.freeze({
    read: (subjectId: string) =>
      driver.run("subjects.read", function* () {
        return stateOf((yield ask(READ, subjectId))[0]);
      }),
    bump: (subjectId: string, version: SubjectVersion) =>
      driver.run("subjects.bump", function* () {
        return stateOf((yield ask(bumping(COLUMN_OF[version]), subjectId))[0]);
      }),
    setDisabled: (subjectId: string, disabled: boolean) =>
      driver.run("subjects.setDisabled", function* () {
        return stateOf((yield ask(SET_DISABLED, subjectId, disabled ? 1 : 0))[0]);
      }),
  });
}

/** The first bump is from version 1. */
function bumping(column: (typeof COLUMN_OF)[SubjectVersion]): string {
  const first = Object.values(COLUMN_OF).map((each) => (each === column ? 2 : 1));
  return `INSERT INTO portcullis_subjects AS subject (id, ${COLUMNS}) VALUES ($1, ${first.join(", ")}, 0)
    ON CONFLICT (id) DO UPDATE SET ${column} = subject.${column} + 1
    RETURNING ${COLUMNS}`;
}

function stateOf(row: Row | undefined): SubjectState {
  if (row === undefined) return DEFAULTS;
  return Object.freeze({
    tokenVersion: number(row, "token_version"),
    passwordVersion: number(row, "password_version"),
    claimsVersion: number(row, "claims_version"),
    disabled: number(row, "disabled") === 1,
  });
}
