import type { Subjects, SubjectState } from "@portcullis/core";
import { ask, type Driver, type Row } from "./driver/driver.js";
import { number } from "./driver/row.js";

const COLUMNS = "token_version, password_version, disabled";
const READ = `SELECT ${COLUMNS} FROM portcullis_subjects WHERE id = $1`;
const BUMP = `INSERT INTO portcullis_subjects AS subject (id, ${COLUMNS}) VALUES ($1, 1 + CAST($2 AS BIGINT), 1 + CAST($3 AS BIGINT), 0)
  ON CONFLICT (id) DO UPDATE SET
    token_version = subject.token_version + CAST($2 AS BIGINT), password_version = subject.password_version + CAST($3 AS BIGINT)
  RETURNING ${COLUMNS}`;
const SET_DISABLED = `INSERT INTO portcullis_subjects (id, ${COLUMNS}) VALUES ($1, 1, 1, $2)
  ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled
  RETURNING ${COLUMNS}`;

/** Revocation state in a table; only subjects that were ever changed have a row. */
export function createSqlSubjects(driver: Driver): Subjects {
  return Object.freeze({
    read: (subjectId: string) =>
      driver.run("subjects.read", function* () {
        return stateOf((yield ask(READ, subjectId))[0]);
      }),
    bump: (subjectId: string, version: "tokenVersion" | "passwordVersion") =>
      driver.run("subjects.bump", function* () {
        const isToken = version === "tokenVersion";
        return stateOf((yield ask(BUMP, subjectId, isToken ? 1 : 0, isToken ? 0 : 1))[0]);
      }),
    setDisabled: (subjectId: string, disabled: boolean) =>
      driver.run("subjects.setDisabled", function* () {
        return stateOf((yield ask(SET_DISABLED, subjectId, disabled ? 1 : 0))[0]);
      }),
  });
}

function stateOf(row: Row | undefined): SubjectState {
  if (row === undefined) return Object.freeze({ tokenVersion: 1, passwordVersion: 1, disabled: false });
  return Object.freeze({
    tokenVersion: number(row, "token_version"),
    passwordVersion: number(row, "password_version"),
    disabled: number(row, "disabled") === 1,
  });
}
