-- {key}: text compared byte by byte. {bytes}: a byte string. {sequence}: a primary key that grows with each insert.
-- Instants are epoch ms on the store's clock.

CREATE TABLE tickets (
  key {key} PRIMARY KEY,
  value text NOT NULL,
  expires_at double precision NOT NULL
);
CREATE INDEX tickets_expires_at ON tickets (expires_at);

CREATE TABLE counters (
  key {key} PRIMARY KEY,
  value double precision NOT NULL,
  expires_at double precision NOT NULL
);
CREATE INDEX counters_expires_at ON counters (expires_at);

CREATE TABLE limit_cells (
  subject {key} NOT NULL,
  cell {key} NOT NULL,
  arrival double precision NOT NULL,
  span double precision NOT NULL,
  PRIMARY KEY (subject, cell)
);
CREATE INDEX limit_cells_arrival ON limit_cells (arrival);

CREATE TABLE subjects (
  id {key} PRIMARY KEY,
  token_version double precision NOT NULL,
  password_version double precision NOT NULL,
  disabled smallint NOT NULL
);

CREATE TABLE sessions (
  sequence {sequence},
  id {key} NOT NULL UNIQUE,
  subject_id {key} NOT NULL,
  refresh_hash text NOT NULL,
  created_at double precision NOT NULL,
  last_used_at double precision NOT NULL,
  expires_at double precision NOT NULL,
  data text NOT NULL
);
CREATE INDEX sessions_subject ON sessions (subject_id, sequence);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE api_keys (
  sequence {sequence},
  id {key} NOT NULL UNIQUE,
  owner_id {key} NOT NULL,
  name text NOT NULL,
  hash text NOT NULL,
  pepper_id text NOT NULL,
  last_four text NOT NULL,
  created_at double precision NOT NULL,
  expires_at double precision,
  revoked_at double precision,
  last_used_at double precision,
  data text NOT NULL
);
CREATE INDEX api_keys_owner ON api_keys (owner_id, sequence);

CREATE TABLE approvals (
  sequence {sequence},
  id {key} NOT NULL UNIQUE,
  workspace_id {key} NOT NULL,
  requester_id {key} NOT NULL,
  status text NOT NULL,
  risk text NOT NULL,
  operation text NOT NULL,
  digest {key} NOT NULL,
  created_at double precision NOT NULL,
  expires_at double precision NOT NULL,
  execute_by double precision,
  attempt_expires_at double precision,
  revision double precision NOT NULL,
  data text NOT NULL
);
CREATE INDEX approvals_workspace ON approvals (workspace_id, status, sequence);
CREATE INDEX approvals_request ON approvals (workspace_id, requester_id, digest, sequence);

CREATE TABLE log_heads (
  log {key} PRIMARY KEY,
  size double precision NOT NULL,
  frontier {bytes} NOT NULL
);

CREATE TABLE log_entries (
  log {key} NOT NULL,
  position double precision NOT NULL,
  key {key} NOT NULL,
  bytes {bytes} NOT NULL,
  at double precision NOT NULL,
  category {key} NOT NULL,
  actor {key} NOT NULL,
  action {key} NOT NULL,
  workspace_id {key} NOT NULL,
  PRIMARY KEY (log, position),
  UNIQUE (log, key)
);

CREATE TABLE deliveries (
  sequence {sequence},
  id {key} NOT NULL UNIQUE,
  endpoint_id {key} NOT NULL,
  workspace_id {key} NOT NULL,
  event_type {key} NOT NULL,
  body {bytes} NOT NULL,
  status text NOT NULL,
  attempts double precision NOT NULL,
  reclaims double precision NOT NULL,
  created_at double precision NOT NULL,
  due_at double precision NOT NULL,
  last_error text,
  lease_token text
);
CREATE INDEX deliveries_waiting ON deliveries (due_at, endpoint_id) WHERE status IN ('PENDING', 'RETRYING', 'IN_PROGRESS');
CREATE INDEX deliveries_workspace ON deliveries (workspace_id, sequence);

CREATE TABLE leases (
  name {key} PRIMARY KEY,
  holder {key} NOT NULL,
  expires_at double precision NOT NULL
);

CREATE TABLE records (
  collection {key} NOT NULL,
  id {key} NOT NULL,
  scope {key} NOT NULL,
  unique_key {key},
  value text NOT NULL,
  revision double precision NOT NULL,
  created_at double precision NOT NULL,
  updated_at double precision NOT NULL,
  PRIMARY KEY (collection, id),
  UNIQUE (collection, unique_key)
);
CREATE INDEX records_scope ON records (collection, scope, id);
