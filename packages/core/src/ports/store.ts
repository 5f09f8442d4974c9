import type { ApiKeys } from "./api-keys.js";
import type { Approvals } from "./approvals.js";
import type { Bus } from "./bus.js";
import type { Counters } from "./counters.js";
import type { Grants } from "./grants.js";
import type { Leases } from "./leases.js";
import type { Limits } from "./limits.js";
import type { Log } from "./log.js";
import type { Outbox } from "./outbox.js";
import type { Records } from "./records.js";
import type { Sessions } from "./sessions.js";
import type { Subjects } from "./subjects.js";
import type { Tickets } from "./tickets.js";

/** Every port there is, by the name a store offers it under. */
export interface Ports {
  readonly tickets: Tickets;
  readonly counters: Counters;
  readonly limits: Limits;
  readonly subjects: Subjects;
  readonly sessions: Sessions;
  readonly apiKeys: ApiKeys;
  readonly approvals: Approvals;
  readonly log: Log;
  readonly outbox: Outbox;
  readonly leases: Leases;
  readonly records: Records;
  readonly grants: Grants;
  readonly bus: Bus;
}

/**
 * A store with at least these ports. A concern asks for what it needs, so that a store that lacks a port does not compile:
 * `createAuth({ store: StoreWith<"subjects" | "sessions" | "tickets"> })`.
 */
export type StoreWith<Name extends keyof Ports> = Pick<Ports, Name>;

/** What every store object has beside its ports. */
export interface StoreLifecycle {
  /** Answers when the store can serve. @throws {StoreUnavailable} */
  ping(): Promise<void>;
  /** Releases connections that the store opened itself; harmless when called again. */
  close(): Promise<void>;
}
