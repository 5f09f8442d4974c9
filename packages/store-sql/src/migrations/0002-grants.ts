import type { Migration } from "./migration.js";

/** The tables of the port `grants`. Values are the callers' own JSON. */
export const grants: Migration = Object.freeze({
  version: 2,
  name: "grants",
  up: `
CREATE TABLE portcullis_policies (
  name {text} NOT NULL PRIMARY KEY,
  revision {integer} NOT NULL,
  value {text} NOT NULL
) {strict};

-- A row stays when all is taken away: its epoch must not come back. Who writes a subject holds its row.
CREATE TABLE portcullis_grant_subjects (
  scope {text} NOT NULL,
  subject_id {text} NOT NULL,
  epoch {integer} NOT NULL,
  PRIMARY KEY (scope, subject_id)
) {strict};
CREATE TABLE portcullis_grants (
  scope {text} NOT NULL,
  subject_id {text} NOT NULL,
  -- Keeps the order written.
  place {integer} NOT NULL,
  role {text} NOT NULL,
  standing {integer} NOT NULL,
  value {text} NOT NULL,
  PRIMARY KEY (scope, subject_id, place)
) {strict};
CREATE UNIQUE INDEX portcullis_grants_holders ON portcullis_grants (scope, role, subject_id);
`,
  down: `
DROP TABLE portcullis_grants;
DROP TABLE portcullis_grant_subjects;
DROP TABLE portcullis_policies;
`,
});
