import type { Ports, StoreLifecycle } from "../ports/store.js";
import { invalidOption } from "../problem/errors.js";
import { systemClock, type Clock } from "../runtime/clock.js";
import { createMemoryApiKeys } from "./api-keys.js";
import { createMemoryApprovals } from "./approvals.js";
import { createMemoryBus } from "./bus.js";
import { createMemoryCounters } from "./counters.js";
import { createMemoryGrants } from "./grants.js";
import { createMemoryLeases } from "./leases.js";
import { createMemoryLimits, type MemoryLimits } from "./limits.js";
import { createMemoryLog } from "./log.js";
import { createMemoryOutbox } from "./outbox.js";
import { createMemoryRecords } from "./records.js";
import { createMemorySessions } from "./sessions.js";
import { createMemorySubjects } from "./subjects.js";
import { createMemoryTickets } from "./tickets.js";

/** Bounds on what strangers can make the store hold, and its clock. */
export interface MemoryStoreOptions {
  /** The machine's clock unless given. */
  readonly clock?: Clock;
  /** Most rate limit cells in use at once; default 500,000, about 100 MB. Beyond it new subjects share 4,096 cells by hash. */
  readonly maxLimitCells?: number;
  /** Most live tickets; default 1,000,000. A full store throws `StoreUnavailable`: it forgets no revocation. */
  readonly maxTickets?: number;
  /** Most open counters; default 1,000,000. A full store throws `StoreUnavailable`: it forgets no lockout. */
  readonly maxCounters?: number;
}

/** Every port, in the memory of this process. */
export type MemoryStore = Omit<Ports, "limits"> & { readonly limits: MemoryLimits } & StoreLifecycle;

const DEFAULTS = Object.freeze({ maxLimitCells: 500_000, maxTickets: 1_000_000, maxCounters: 1_000_000 });
const MOST = 2 ** 24;

/**
 * Keeps everything in this process, and forgets it with the process: the default of every package.
 *
 * Answers synchronously, so that a race within the process has one winner by nature; two processes share nothing.
 *
 * @throws {ConfigurationError} `invalid_option`: a bound is not an integer of 1 to 16,777,216.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * console.log(await store.tickets.put("reset:ada", "token", 60_000)); // true
 * console.log(await store.tickets.take("reset:ada"), await store.tickets.take("reset:ada")); // token undefined
 * ```
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const clock = options.clock ?? systemClock;
  return Object.freeze({
    tickets: createMemoryTickets(clock, bound(options, "maxTickets")),
    counters: createMemoryCounters(clock, bound(options, "maxCounters")),
    limits: createMemoryLimits(clock, bound(options, "maxLimitCells")),
    subjects: createMemorySubjects(),
    sessions: createMemorySessions(clock),
    apiKeys: createMemoryApiKeys(clock),
    approvals: createMemoryApprovals(clock),
    log: createMemoryLog(),
    outbox: createMemoryOutbox(clock),
    leases: createMemoryLeases(clock),
    records: createMemoryRecords(clock),
    grants: createMemoryGrants(),
    bus: createMemoryBus(),
    ping: async () => {},
    close: async () => {},
  });
}

function bound(options: MemoryStoreOptions, name: keyof typeof DEFAULTS): number {
  const value = options[name] ?? DEFAULTS[name];
  if (!Number.isInteger(value) || value < 1 || value > MOST) throw invalidOption(name, value, `an integer of 1 to ${MOST}`);
  return value;
}
