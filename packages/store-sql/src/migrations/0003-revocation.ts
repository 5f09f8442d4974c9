import type { Migration } from "./migration.js";

/** What is needed to end things soon: grace and idle time of sessions, versions of claims, messages between processes. */
export const revocation: Migration = Object.freeze({
  version: 3,
  name: "revocation",
  up: `
-- NULL: the session was not rotated yet.
ALTER TABLE portcullis_sessions ADD COLUMN previous_hash {text};
ALTER TABLE portcullis_sessions ADD COLUMN rotated_at {integer};
UPDATE portcullis_sessions SET rotated_at = last_used_at WHERE last_used_at > created_at;
ALTER TABLE portcullis_sessions ADD COLUMN idle_ms {integer} NOT NULL DEFAULT 0;
-- Computed, so that no statement forgets it, not even one of an earlier release that still runs.
ALTER TABLE portcullis_sessions ADD COLUMN ends_at {integer} GENERATED ALWAYS AS (
  CASE WHEN idle_ms > 0 AND last_used_at + idle_ms < expires_at THEN last_used_at + idle_ms ELSE expires_at END
) {computed};
DROP INDEX portcullis_sessions_end;
CREATE INDEX portcullis_sessions_end ON portcullis_sessions (ends_at);

ALTER TABLE portcullis_subjects ADD COLUMN claims_version {integer} NOT NULL DEFAULT 1;

-- Where the database has no messages of its own. Numbers are never used twice; the newest row stays.
CREATE TABLE portcullis_bus (
  seq {sequence},
  origin {text} NOT NULL,
  channel {text} NOT NULL,
  message {text} NOT NULL,
  at {integer} NOT NULL
) {strict};
`,
  down: `
DROP TABLE portcullis_bus;
ALTER TABLE portcullis_subjects DROP COLUMN claims_version;
DROP INDEX portcullis_sessions_end;
ALTER TABLE portcullis_sessions DROP COLUMN ends_at;
ALTER TABLE portcullis_sessions DROP COLUMN idle_ms;
ALTER TABLE portcullis_sessions DROP COLUMN rotated_at;
ALTER TABLE portcullis_sessions DROP COLUMN previous_hash;
CREATE INDEX portcullis_sessions_end ON portcullis_sessions (expires_at);
`,
});
