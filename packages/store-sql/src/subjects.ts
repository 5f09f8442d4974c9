import type { Subjects, SubjectState } from "@portcullis/core";
import { after, type Database, number, type Row } from "./database.js";

const DEFAULTS: SubjectState = Object.freeze({ tokenVersion: 1, passwordVersion: 1, disabled: false });
const COLUMNS = "token_version, password_version, disabled";

/** Revocation state in a table. Only subjects that were ever changed have a row. */
export function createSqlSubjects(database: Database): Subjects {
  const stateOf = ([row]: readonly Row[]): SubjectState =>
    row === undefined
      ? DEFAULTS
      : Object.freeze({
          tokenVersion: number(row, "token_version"),
          passwordVersion: number(row, "password_version"),
          disabled: number(row, "disabled") === 1,
        });
  const bumps = {
    tokenVersion: `INSERT INTO subjects (id, ${COLUMNS}) VALUES ($1, 2, 1, 0)
      ON CONFLICT (id) DO UPDATE SET token_version = subjects.token_version + 1 RETURNING ${COLUMNS}`,
    passwordVersion: `INSERT INTO subjects (id, ${COLUMNS}) VALUES ($1, 1, 2, 0)
      ON CONFLICT (id) DO UPDATE SET password_version = subjects.password_version + 1 RETURNING ${COLUMNS}`,
  };
  return Object.freeze({
    read: (subjectId: string) => after(database.query(`SELECT ${COLUMNS} FROM subjects WHERE id = $1`, [subjectId]), stateOf),
    bump: (subjectId: string, version: "tokenVersion" | "passwordVersion") => after(database.query(bumps[version], [subjectId]), stateOf),
    setDisabled: (subjectId: string, disabled: boolean) =>
      after(
        database.query(
          `INSERT INTO subjects (id, ${COLUMNS}) VALUES ($1, 1, 1, $2) ON CONFLICT (id) DO UPDATE SET disabled = excluded.disabled RETURNING ${COLUMNS}`,
          [subjectId, disabled ? 1 : 0],
        ),
        stateOf,
      ),
  });
}
