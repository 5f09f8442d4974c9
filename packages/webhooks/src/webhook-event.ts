/** Which delivery an event is about: never its payload, address or secret. */
export interface DeliveryRef {
  readonly deliveryId: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly eventType: string;
}

/** What happened in sending. */
export type WebhookEvent =
  | ({ readonly type: "webhook.delivered"; readonly attempt: number; readonly status: number; readonly latencyMs: number } & DeliveryRef)
  | ({ readonly type: "webhook.retrying"; readonly attempt: number; readonly error: string; readonly delayMs: number } & DeliveryRef)
  | ({ readonly type: "webhook.dead_lettered"; readonly attempt: number; readonly error: string } & DeliveryRef)
  /** The worker that held it died or hung: it is sent again, under the same id. */
  | ({ readonly type: "webhook.reclaimed"; readonly reclaims: number } & DeliveryRef)
  /** The lease ended before this worker did; what it did does not count, and the delivery is sent again. */
  | ({ readonly type: "webhook.lease_lost" } & DeliveryRef)
  | { readonly type: "webhook.endpoint_disabled"; readonly endpointId: string; readonly workspaceId: string; readonly reason: string }
  /** Something of ours failed (the store, the opening of a secret); the endpoint is not charged for it. */
  | {
      readonly type: "webhook.fault";
      readonly source: "claim" | "attempt" | "settle";
      readonly deliveryId?: string;
      readonly error: unknown;
    };
