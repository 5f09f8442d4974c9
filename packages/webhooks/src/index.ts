export { createGuardedAgent } from "./egress/guarded-agent.js";
export { createWebhooks } from "./create-webhooks.js";
export { WebhookError } from "./errors.js";
export { createWebhookSecret } from "./signature/secret.js";
export { signWebhook } from "./signature/sign-webhook.js";
export { verifyWebhook, webhookFact } from "./signature/verify-webhook.js";
export { verifyWebhookSignature } from "./signature/verify-webhook-signature.js";

export type {
  DeliveryList,
  DeliveryPage,
  DeliveryState,
  DeliverySummary,
  DirectDelivery,
  PublishOptions,
  Webhooks,
  WebhookStatistics,
} from "./webhooks.js";
export type { WebhooksOptions } from "./webhooks-options.js";
export type { RetryOptions } from "./delivery/retry.js";
export type { EgressOptions } from "./egress/egress-rules.js";
export type { Endpoint } from "./endpoint/endpoint.js";
export type { EndpointSettings } from "./endpoint/endpoint-input.js";
export type { Endpoints, OpenSecret, SealSecret } from "./endpoint/endpoints.js";
export type { WebhookErrorCode } from "./errors.js";
export type { EventCatalogue, EventPayload, EventType } from "./event-catalogue.js";
export type { WebhookHeaders, WebhookMessage } from "./signature/sign-webhook.js";
export type { ReceivedWebhook, VerifyWebhookOptions } from "./signature/verify-webhook.js";
export type { WebhookRefusal, WebhookVerification, WebhookVerificationOptions } from "./signature/verify-webhook-signature.js";
export type { DeliveryRef, WebhookEvent } from "./webhook-event.js";
