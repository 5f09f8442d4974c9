import type { Migration } from "./migration.js";

/** The tables of the first eleven ports. Instants are epoch ms; JSON is the callers' own text. */
export const ports: Migration = Object.freeze({
  version: 1,
  name: "ports",
  up: `
CREATE TABLE portcullis_tickets (
  key {text} NOT NULL PRIMARY KEY,
  value {text} NOT NULL,
  expires_at {integer} NOT NULL
) {strict};
CREATE INDEX portcullis_tickets_end ON portcullis_tickets (expires_at);

CREATE TABLE portcullis_counters (
  key {text} NOT NULL PRIMARY KEY,
  value {integer} NOT NULL,
  expires_at {integer} NOT NULL
) {strict};
CREATE INDEX portcullis_counters_end ON portcullis_counters (expires_at);

-- One row per holder, with all its limits, places in use and its block: checked and charged together.
CREATE TABLE portcullis_limits (
  holder {text} NOT NULL PRIMARY KEY,
  ledger {text} NOT NULL,
  -- When nothing of it counts any more.
  full_at {integer} NOT NULL
) {strict};
CREATE INDEX portcullis_limits_end ON portcullis_limits (full_at);

CREATE TABLE portcullis_subjects (
  id {text} NOT NULL PRIMARY KEY,
  token_version {integer} NOT NULL,
  password_version {integer} NOT NULL,
  disabled {integer} NOT NULL
) {strict};

CREATE TABLE portcullis_sessions (
  seq {sequence},
  id {text} NOT NULL UNIQUE,
  subject_id {text} NOT NULL,
  refresh_hash {text} NOT NULL,
  created_at {integer} NOT NULL,
  last_used_at {integer} NOT NULL,
  expires_at {integer} NOT NULL,
  data {text} NOT NULL
) {strict};
CREATE INDEX portcullis_sessions_of ON portcullis_sessions (subject_id, seq);
CREATE INDEX portcullis_sessions_end ON portcullis_sessions (expires_at);

CREATE TABLE portcullis_api_keys (
  seq {sequence},
  id {text} NOT NULL UNIQUE,
  owner_id {text} NOT NULL,
  name {text} NOT NULL,
  hash {text} NOT NULL,
  pepper_id {text} NOT NULL,
  last_four {text} NOT NULL,
  created_at {real} NOT NULL,
  expires_at {real},
  revoked_at {real},
  last_used_at {real},
  data {text} NOT NULL
) {strict};
CREATE INDEX portcullis_api_keys_of ON portcullis_api_keys (owner_id, created_at, seq);

CREATE TABLE portcullis_approvals (
  seq {sequence},
  id {text} NOT NULL UNIQUE,
  workspace_id {text} NOT NULL,
  requester_id {text} NOT NULL,
  status {text} NOT NULL,
  risk {text} NOT NULL,
  operation {text} NOT NULL,
  digest {text} NOT NULL,
  created_at {integer} NOT NULL,
  expires_at {integer} NOT NULL,
  execute_by {integer},
  attempt_expires_at {integer},
  revision {integer} NOT NULL,
  data {text} NOT NULL,
  -- 1 while it keeps the same request from being opened again; never 1 again.
  is_open {integer} NOT NULL
) {strict};
CREATE UNIQUE INDEX portcullis_approvals_open ON portcullis_approvals (workspace_id, requester_id, digest) WHERE is_open = 1;
CREATE INDEX portcullis_approvals_of ON portcullis_approvals (workspace_id, status, seq);

CREATE TABLE portcullis_log_heads (
  log {text} NOT NULL PRIMARY KEY,
  size {integer} NOT NULL,
  frontier {bytes} NOT NULL
) {strict};
CREATE TABLE portcullis_log_entries (
  log {text} NOT NULL,
  idx {integer} NOT NULL,
  key {text} NOT NULL,
  bytes {bytes} NOT NULL,
  at {real} NOT NULL,
  category {text} NOT NULL,
  actor {text} NOT NULL,
  action {text} NOT NULL,
  workspace_id {text} NOT NULL,
  PRIMARY KEY (log, idx),
  UNIQUE (log, key)
) {strict};
CREATE INDEX portcullis_log_entries_of ON portcullis_log_entries (log, workspace_id, idx);

-- An endpoint's row is what a claim locks: two workers never count one endpoint's deliveries at the same time.
CREATE TABLE portcullis_outbox_endpoints (
  id {text} NOT NULL PRIMARY KEY,
  claimed_at {integer} NOT NULL
) {strict};
CREATE INDEX portcullis_outbox_endpoints_turn ON portcullis_outbox_endpoints (claimed_at, id);
CREATE TABLE portcullis_outbox (
  seq {sequence},
  id {text} NOT NULL UNIQUE,
  endpoint_id {text} NOT NULL,
  workspace_id {text} NOT NULL,
  event_type {text} NOT NULL,
  body {bytes} NOT NULL,
  status {text} NOT NULL,
  attempts {integer} NOT NULL,
  reclaims {integer} NOT NULL,
  created_at {integer} NOT NULL,
  -- While in progress: when the lease ends.
  due_at {integer} NOT NULL,
  last_error {text},
  lease_token {text}
) {strict};
CREATE INDEX portcullis_outbox_due ON portcullis_outbox (endpoint_id, due_at, seq) WHERE status IN ('PENDING', 'RETRYING', 'IN_PROGRESS');
CREATE INDEX portcullis_outbox_held ON portcullis_outbox (endpoint_id, due_at) WHERE status = 'IN_PROGRESS';
CREATE INDEX portcullis_outbox_of_workspace ON portcullis_outbox (workspace_id, seq);
CREATE INDEX portcullis_outbox_of_endpoint ON portcullis_outbox (endpoint_id, seq);

CREATE TABLE portcullis_leases (
  name {text} NOT NULL PRIMARY KEY,
  holder {text} NOT NULL,
  expires_at {integer} NOT NULL
) {strict};

CREATE TABLE portcullis_records (
  collection {text} NOT NULL,
  id {text} NOT NULL,
  scope {text} NOT NULL,
  unique_key {text},
  value {text} NOT NULL,
  revision {integer} NOT NULL,
  created_at {integer} NOT NULL,
  updated_at {integer} NOT NULL,
  PRIMARY KEY (collection, id)
) {strict};
CREATE UNIQUE INDEX portcullis_records_unique ON portcullis_records (collection, unique_key);
CREATE INDEX portcullis_records_of ON portcullis_records (collection, scope, id);
`,
  down: `
DROP TABLE portcullis_records;
DROP TABLE portcullis_leases;
DROP TABLE portcullis_outbox;
DROP TABLE portcullis_outbox_endpoints;
DROP TABLE portcullis_log_entries;
DROP TABLE portcullis_log_heads;
DROP TABLE portcullis_approvals;
DROP TABLE portcullis_api_keys;
DROP TABLE portcullis_sessions;
DROP TABLE portcullis_subjects;
DROP TABLE portcullis_limits;
DROP TABLE portcullis_counters;
DROP TABLE portcullis_tickets;
`,
});
