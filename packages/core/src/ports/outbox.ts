import type { MaybePromise } from "../guard/guard.js";

/** The states of a delivery. */
export type DeliveryStatus = "PENDING" | "IN_PROGRESS" | "RETRYING" | "DELIVERED" | "DEAD_LETTERED" | "CANCELLED";

/** One delivery to one endpoint. */
export interface Delivery {
  readonly id: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly eventType: string;
  /** The exact bytes that are signed and sent, at every attempt. */
  readonly body: Uint8Array;
  readonly status: DeliveryStatus;
  /** Attempts finished. */
  readonly attempts: number;
  /** How often a lease ran out with the delivery in progress: a worker died. */
  readonly reclaims: number;
  /** Epoch ms, store time. */
  readonly createdAt: number;
  /** Epoch ms, store time: when it is to be sent next; while it is in progress, when its lease ends. */
  readonly dueAt: number;
  /** Why the last attempt failed, for people; no body, no secret. */
  readonly lastError: string | undefined;
}

/** A delivery that this worker holds until the lease ends. */
export interface ClaimedDelivery extends Delivery {
  /** Fences `settle`: a worker whose lease was taken over changes nothing. */
  readonly leaseToken: string;
}

/** The end of one attempt. */
export interface Settlement {
  readonly id: string;
  readonly leaseToken: string;
  readonly status: "DELIVERED" | "RETRYING" | "DEAD_LETTERED";
  /** Until the next attempt, for RETRYING. */
  readonly delayMs?: number;
  /** Whether this was an attempt (a delivery put off unsent is not). */
  readonly attempted: boolean;
  readonly error?: string;
}

/** Deliveries that survive the process: queued in a transaction, claimed with a lease, settled under a fence. */
export interface Outbox {
  /**
   * Stores all deliveries or none. Idempotent by id: the same id with the same endpoint and bytes is left as it is.
   *
   * @returns per delivery `created`, `exists`, or `conflict` (the id exists with other bytes). With any conflict nothing is stored.
   */
  enqueue(
    deliveries: readonly Pick<Delivery, "id" | "endpointId" | "workspaceId" | "eventType" | "body">[],
  ): MaybePromise<readonly ("created" | "exists" | "conflict")[]>;
  /**
   * Leases due deliveries: at most `perEndpoint` in progress for each endpoint, so that one slow endpoint cannot take all
   * workers. Deliveries whose lease ran out are due again, with `reclaims` one higher.
   *
   * @returns the claimed ones and ms until the next one is due (`undefined` when none waits).
   */
  claim(options: { readonly limit: number; readonly perEndpoint: number; readonly leaseMs: number }): MaybePromise<{
    readonly deliveries: readonly ClaimedDelivery[];
    readonly nextDueMs: number | undefined;
  }>;
  /** @returns per settlement whether the lease still held; where it did not, nothing changed. */
  settle(settlements: readonly Settlement[]): MaybePromise<readonly boolean[]>;
  /** Newest first; `after` is the last id of the page before. */
  list(filter: {
    readonly workspaceId?: string;
    readonly endpointId?: string;
    readonly id?: string;
    readonly statuses?: readonly DeliveryStatus[];
    readonly limit: number;
    readonly after?: string;
  }): MaybePromise<readonly Delivery[]>;
  /** Dead-lettered or retrying deliveries are due at once, attempts back to 0. @returns how many. */
  redrive(ids: readonly string[]): MaybePromise<number>;
}
