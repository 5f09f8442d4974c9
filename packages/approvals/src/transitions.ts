import type { ApprovalRecord, Approvals as ApprovalsPort, ApprovalStatus } from "@portcullis/core";
import { type Approval, readRecord, type StoredApproval } from "./approval.js";
import { type ApprovalEvent, EVENT_OF_STATUS } from "./approval-event.js";
import type { CountStatus } from "./approval-metrics.js";

/** An approval as it was read, and what the next change is conditional on. */
export interface Loaded {
  readonly approval: Approval;
  readonly stored: StoredApproval;
  readonly revision: number;
  /** The store's time of the read. */
  readonly now: number;
}

/** A change of status. */
export interface Transition {
  readonly to: ApprovalStatus;
  readonly stored?: Partial<StoredApproval>;
  /** Half-open deadline of the change itself, checked by the store in the same step. */
  readonly before?: number | undefined;
  readonly executeWithinMs?: number;
  readonly attemptTtlMs?: number;
}

/** Every read and change of a status goes through here, so that each edge is told and counted exactly once. */
export interface Transitions {
  /** `undefined`: there is no such approval; `unreadable`: there is, but not one of this version. */
  load(id: string): Promise<Loaded | "unreadable" | undefined>;
  /** Applies the deadlines that passed to a record read at `now`; `undefined` when it is unreadable. */
  current(record: ApprovalRecord, now: number): Promise<Loaded | undefined>;
  /** @returns the approval after it, or `undefined` when someone else changed it first or the deadline has passed. */
  apply(loaded: Loaded, transition: Transition): Promise<Loaded | undefined>;
  announce(approval: Approval, at: number): void;
}

/** The port, with deadlines applied on each read. */
export function createTransitions(port: ApprovalsPort, count: CountStatus, onEvent: (event: ApprovalEvent) => void): Transitions {
  const announce = (approval: Approval, at: number): void => {
    count(approval, at);
    onEvent({ type: EVENT_OF_STATUS[approval.status], at, approval });
  };

  const apply = async (loaded: Loaded, transition: Transition): Promise<Loaded | undefined> => {
    const { to, stored, before, executeWithinMs, attemptTtlMs } = transition;
    const record = await port.update(
      loaded.approval.id,
      { revision: loaded.revision, ...(before === undefined ? {} : { before }) },
      {
        status: to,
        ...(stored === undefined ? {} : { data: JSON.stringify({ ...loaded.stored, ...stored } satisfies StoredApproval) }),
        ...(executeWithinMs === undefined ? {} : { executeWithinMs }),
        ...(attemptTtlMs === undefined ? {} : { attemptTtlMs }),
      },
    );
    const changed = record && toLoaded(record, loaded.now);
    if (changed !== undefined) announce(changed.approval, loaded.now);
    return changed;
  };

  // Written down, not only computed: an expired row stays expired when the clock moves back, and it is told once.
  const lapse = async (record: ApprovalRecord, now: number): Promise<Loaded | undefined> => {
    const loaded = toLoaded(record, now);
    const to = lapsedStatus(record, now);
    if (loaded === undefined || to === undefined) return loaded;
    const lapsed = await apply(loaded, { to });
    if (lapsed !== undefined) return lapsed;
    const found = await port.find(record.id);
    return found && lapse(found.record, found.now);
  };

  return {
    async load(id) {
      const found = await port.find(id);
      return found && ((await lapse(found.record, found.now)) ?? "unreadable");
    },
    current: lapse,
    apply,
    announce,
  };
}

/** The status that time has brought about and no one has written yet. Deadlines are half-open: at the instant it is too late. */
function lapsedStatus({ status, expiresAt, executeBy, attemptExpiresAt }: ApprovalRecord, now: number): ApprovalStatus | undefined {
  if (status === "PENDING" && now >= expiresAt) return "EXPIRED";
  if (status === "APPROVED" && now >= (executeBy ?? expiresAt)) return "EXPIRED";
  // Whoever ran it did not say how it ended: it may have happened, so it never runs again.
  if (status === "EXECUTING" && now >= (attemptExpiresAt ?? expiresAt)) return "UNKNOWN";
  return undefined;
}

/** A record as it was read or written at `now`. */
export function toLoaded(record: ApprovalRecord, now: number): Loaded | undefined {
  const read = readRecord(record);
  return read && { ...read, revision: record.revision, now };
}
