import type { Delivery, DeliveryStatus } from "@portcullis/core";
import type { Endpoints } from "./endpoint/endpoints.js";
import type { EventCatalogue, EventPayload, EventType } from "./event-catalogue.js";

/** Options of one `publish`. */
export interface PublishOptions {
  readonly workspaceId: string;
  /** Makes publishing again harmless: the same id and payload is sent once. 1 to 128 of `A-Z a-z 0-9 _ -`. Default random. */
  readonly deliveryId?: string;
  /** Epoch ms. Default now. */
  readonly occurredAt?: number;
}

/** One delivery by hand. */
export interface DirectDelivery<Type extends string = string, Payload = unknown> {
  /** A registered endpoint; or, with `url` and `secret`, any id: the endpoint is kept under it. */
  readonly webhookId: string;
  readonly eventType: Type;
  readonly payload: Payload;
  readonly url?: string;
  readonly secret?: string;
  /** Default `""`. */
  readonly workspaceId?: string;
  /** As with `publish`. */
  readonly deliveryId?: string;
  readonly occurredAt?: number;
}

/** What became of a delivery so far. */
export interface DeliveryState {
  readonly deliveryId: string;
  readonly status: DeliveryStatus;
}

/** A delivery for people: without its body. */
export interface DeliverySummary extends Omit<Delivery, "body"> {
  readonly bodyBytes: number;
}

/** Which deliveries to list, the newest first. */
export interface DeliveryPage {
  readonly workspaceId: string;
  readonly endpointId?: string;
  readonly statuses?: readonly DeliveryStatus[];
  /** 1 to 200; default 50. */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** A page of deliveries. */
export interface DeliveryList {
  readonly deliveries: readonly DeliverySummary[];
  readonly nextCursor?: string;
}

/** How sending goes. The first three count since this process began; the others are what lies in the store, counted up to 10,000. */
export interface WebhookStatistics {
  /** Finished: delivered or dead-lettered. */
  readonly total_deliveries: number;
  /** Percent of those; 100 where there were none. */
  readonly success_rate: number;
  /** From sending to the status line, of delivered ones; 0 where there were none. */
  readonly avg_latency_ms: number;
  readonly dead_lettered: number;
  readonly retries_pending: number;
}

/** Webhooks of an application: at least once, in no promised order, each delivery under one id at all its attempts. */
export interface Webhooks<Events extends EventCatalogue = EventCatalogue> {
  readonly endpoints: Endpoints;
  /**
   * Queues an event for every enabled endpoint of the workspace that wants it: for all or, when the store fails, for none.
   *
   * @returns one state per endpoint, in no order; empty when nobody wants it.
   * @throws {WebhookError} `unknown_event`, `invalid_payload`, `payload_not_json`, `payload_too_large`, `delivery_conflict` (the
   *   id was used for another event). Nothing was queued.
   */
  publish<Type extends EventType<Events>>(
    eventType: Type,
    payload: EventPayload<Events[Type]>,
    options: PublishOptions,
  ): Promise<readonly DeliveryState[]>;
  /**
   * Queues an event for one endpoint.
   *
   * @throws {WebhookError} as `publish`; also `unknown_endpoint`, `webhook_id_taken`, `invalid_secret`.
   * @throws {ProblemError} 7002: the address may not be called.
   */
  deliver<Type extends EventType<Events>>(delivery: DirectDelivery<Type, EventPayload<Events[Type]>>): Promise<DeliveryState>;
  readonly deliveries: {
    list(page: DeliveryPage): Promise<DeliveryList>;
  };
  readonly deadLetters: {
    list(page: Omit<DeliveryPage, "statuses">): Promise<DeliveryList>;
    /** Sends dead letters again, with a fresh budget of attempts, under the same ids and bytes. @returns how many there were. */
    retry(ids: readonly string[], workspaceId: string): Promise<number>;
  };
  /** Sends in the background what is due, until `stop`. Its timers do not keep the process alive. */
  start(): void;
  /** Claims no more, and waits for attempts under way; after `graceMs` (default: `timeoutMs`) gives them up for others to take; never waits more than 5 s longer. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /** Sends everything that is due now, and waits for it; for jobs and tests. */
  drain(): Promise<void>;
  metrics(): Promise<WebhookStatistics>;
}
