import { randomBytes } from "node:crypto";
import { type Delivery, type DeliveryStatus, invalidOption, noMetrics, quietly, systemClock } from "@portcullis/core";
import { createAttempt } from "./delivery/attempt.js";
import { readRetryOptions } from "./delivery/retry.js";
import { createBatchedSettle } from "./delivery/settle-batch.js";
import { createWorker } from "./delivery/worker.js";
import { createEgressRules } from "./egress/egress-rules.js";
import { agentFor } from "./egress/guarded-agent.js";
import { createEndpointRegistry } from "./endpoint/endpoint-registry.js";
import type { Endpoints } from "./endpoint/endpoints.js";
import { WebhookError } from "./errors.js";
import { type EventCatalogue, type EventPayload, type EventType, validateEvent } from "./event-catalogue.js";
import { encodeMessage, occurredAtOf } from "./message-body.js";
import { createWebhookMetrics } from "./webhook-metrics.js";
import { readNumbers, type WebhooksOptions } from "./webhooks-options.js";
import type {
  DeliveryList,
  DeliveryPage,
  DeliveryState,
  DeliverySummary,
  DirectDelivery,
  PublishOptions,
  Webhooks,
  WebhookStatistics,
} from "./webhooks.js";

const ID = /^[A-Za-z0-9_-]{1,128}$/;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
const MAX_COUNTED = 10_000;

/**
 * Webhooks over a store: what `publish` accepted is sent, retried and never silently lost.
 *
 * @throws {ConfigurationError} `invalid_option`: a secret callback is missing, a number out of range, a lease shorter than an attempt.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createWebhooks } from "@portcullis/webhooks";
 * import { z } from "zod";
 *
 * const webhooks = createWebhooks({
 *   store: createMemoryStore(),
 *   events: { "user.created": z.object({ id: z.string() }) },
 *   sealSecret: (secret) => secret, // in production: the encryption package
 *   openSecret: (sealed) => sealed,
 * });
 * const { secret } = await webhooks.endpoints.register({ workspaceId: "w1", url: "https://example.com/hooks", eventTypes: ["user.created"] });
 * const [queued] = await webhooks.publish("user.created", { id: "u1" }, { workspaceId: "w1" });
 * console.log(secret.startsWith("whsec_"), queued?.status); // true PENDING
 * ```
 */
export function createWebhooks<Events extends EventCatalogue = EventCatalogue>(options: WebhooksOptions<Events>): Webhooks<Events> {
  const { store, events, sealSecret, openSecret, egress = {}, clock = systemClock, random = randomBytes } = options;
  const onEvent = quietly(options.onEvent ?? (() => {}));
  if (typeof sealSecret !== "function")
    throw invalidOption("sealSecret", sealSecret, "a function; (secret) => secret keeps secrets readable");
  if (typeof openSecret !== "function") throw invalidOption("openSecret", openSecret, "a function, the inverse of sealSecret");
  const {
    timeoutMs,
    leaseMs,
    concurrency,
    perEndpoint,
    pollMs,
    maxReclaims,
    maxPayloadBytes,
    maxEndpointsPerWorkspace: maxEndpoints,
  } = readNumbers(options);
  const retry = readRetryOptions(options.retry);
  const rules = createEgressRules(egress);
  const createId = (): string => Buffer.from(random(16)).toString("base64url");
  const fraction = (): number => Buffer.from(random(4)).readUInt32BE() / 0xffff_ffff;
  const metrics = createWebhookMetrics(options.metrics ?? noMetrics);
  const endpoints = createEndpointRegistry({
    records: store.records,
    rules,
    sealSecret,
    openSecret,
    maxEndpoints,
    clock,
    createId,
    random,
  });
  const settle = createBatchedSettle(store.outbox);
  const agent = agentFor(rules, egress);
  const attempt = createAttempt({ agent, rules, endpoints, settle, clock, fraction, timeoutMs, retry, maxReclaims, metrics, onEvent });
  const worker = createWorker({ outbox: store.outbox, attempt, clock, concurrency, perEndpoint, leaseMs, pollMs, onEvent });

  // All rows in one step. @returns their states, in order.
  const enqueue = async (
    rows: readonly { readonly id: string; readonly endpointId: string }[],
    message: { readonly workspaceId: string; readonly eventType: string; readonly data: unknown; readonly occurredAt: number | undefined },
  ): Promise<readonly DeliveryState[]> => {
    const { workspaceId, eventType, data } = message;
    const attemptAt = async (occurredAt: number): Promise<readonly ("created" | "exists" | "conflict")[]> => {
      const body = encodeMessage({ type: eventType, occurredAt, data }, maxPayloadBytes);
      return rows.length === 0 ? [] : store.outbox.enqueue(rows.map((row) => ({ ...row, workspaceId, eventType, body })));
    };
    let results = await attemptAt(message.occurredAt ?? clock.now());
    const clashing = rows[results.indexOf("conflict")];
    if (clashing !== undefined && message.occurredAt === undefined) {
      // The same event again, a moment later: it keeps the time of the first call, and only then may its bytes differ.
      const [known] = await store.outbox.list({ id: clashing.id, limit: 1 });
      if (known !== undefined) results = await attemptAt(occurredAtOf(known.body));
    }
    if (results.includes("conflict"))
      throw new WebhookError("delivery_conflict", "This deliveryId was used for another message. Choose a new one for each event.");
    worker.wake();
    return Promise.all(
      rows.map(async ({ id }, index) => {
        const known = results[index] === "exists" ? (await store.outbox.list({ id, limit: 1 }))[0] : undefined;
        return Object.freeze({ deliveryId: id, status: known?.status ?? "PENDING" });
      }),
    );
  };

  const listDeliveries = async ({
    workspaceId,
    endpointId,
    statuses,
    limit = DEFAULT_LIMIT,
    cursor,
  }: DeliveryPage): Promise<DeliveryList> => {
    const bounded = Math.min(MAX_LIMIT, Math.max(1, Math.trunc(limit) || 1)); // NaN too is a number
    const filter = {
      ...(endpointId === undefined ? {} : { endpointId }),
      ...(statuses === undefined ? {} : { statuses }),
      ...(cursor === undefined ? {} : { after: cursor }),
    };
    const found = await store.outbox.list({ workspaceId, limit: bounded, ...filter });
    const nextCursor = found.length < bounded ? undefined : found.at(-1)?.id;
    return { deliveries: found.map(summaryOf), ...(nextCursor === undefined ? {} : { nextCursor }) };
  };

  const count = async (status: DeliveryStatus): Promise<number> => {
    let counted = 0;
    let after: string | undefined;
    do {
      const page = await store.outbox.list({ statuses: [status], limit: MAX_LIMIT, ...(after === undefined ? {} : { after }) });
      counted += page.length;
      after = page.length < MAX_LIMIT ? undefined : page.at(-1)?.id;
    } while (after !== undefined && counted < MAX_COUNTED);
    return counted;
  };

  return Object.freeze({
    endpoints: publicEndpoints(endpoints),
    async publish<Type extends EventType<Events>>(
      eventType: Type,
      payload: EventPayload<Events[Type]>,
      given: PublishOptions,
    ): Promise<readonly DeliveryState[]> {
      const { workspaceId, occurredAt, deliveryId = `msg_${createId()}` } = given;
      requireId("deliveryId", deliveryId);
      requireInstant(occurredAt);
      const data = await validateEvent(events, eventType, payload);
      const ids = await endpoints.subscribers(workspaceId, eventType);
      const rows = ids.map((endpointId) => ({ id: `${deliveryId}_${endpointId}`, endpointId }));
      return enqueue(rows, { workspaceId, eventType, data, occurredAt });
    },

    async deliver<Type extends EventType<Events>>(delivery: DirectDelivery<Type, EventPayload<Events[Type]>>): Promise<DeliveryState> {
      const { webhookId, eventType, payload, url, secret, workspaceId = "", occurredAt, deliveryId = `msg_${createId()}` } = delivery;
      requireId("deliveryId", deliveryId);
      requireId("webhookId", webhookId);
      requireInstant(occurredAt);
      const data = await validateEvent(events, eventType, payload);
      // Before the endpoint is kept: a payload that cannot be sent changes nothing.
      encodeMessage({ type: eventType, occurredAt: occurredAt ?? clock.now(), data }, maxPayloadBytes);
      if (url !== undefined && secret !== undefined) await endpoints.ensureDirect({ id: webhookId, workspaceId, url, secret });
      else if (url !== undefined || secret !== undefined)
        throw invalidOption(url === undefined ? "url" : "secret", undefined, "given together with the other, or neither");
      else if ((await endpoints.get(webhookId, workspaceId)) === undefined) {
        throw new WebhookError("unknown_endpoint", "There is no such endpoint in this workspace. Register it, or pass url and secret.");
      }
      const [state] = await enqueue([{ id: deliveryId, endpointId: webhookId }], { workspaceId, eventType, data, occurredAt });
      return state as DeliveryState; // one row in, one state out
    },

    deliveries: Object.freeze({ list: listDeliveries }),
    deadLetters: Object.freeze({
      list: (page: Omit<DeliveryPage, "statuses">) => listDeliveries({ ...page, statuses: ["DEAD_LETTERED"] }),
      async retry(ids: readonly string[], workspaceId: string) {
        const own: string[] = [];
        for (const id of ids)
          own.push(...(await store.outbox.list({ id, workspaceId, statuses: ["DEAD_LETTERED"], limit: 1 })).map((found) => found.id));
        const retried = own.length === 0 ? 0 : await store.outbox.redrive(own);
        worker.wake();
        return retried;
      },
    }),
    start: () => worker.start(),
    stop: ({ graceMs = timeoutMs } = {}) => worker.stop(graceMs),
    drain: () => worker.drain(),
    async metrics(): Promise<WebhookStatistics> {
      const { finished, delivered, latencyMs } = metrics.counts();
      return Object.freeze({
        total_deliveries: finished,
        success_rate: finished === 0 ? 100 : (100 * delivered) / finished,
        avg_latency_ms: delivered === 0 ? 0 : latencyMs / delivered,
        dead_lettered: await count("DEAD_LETTERED"),
        retries_pending: await count("RETRYING"),
      });
    },
  } satisfies Webhooks<Events>);
}

function publicEndpoints({ register, get, list, update, remove, rotate }: Endpoints): Endpoints {
  return Object.freeze({ register, get, list, update, remove, rotate });
}

// A delivery's id becomes `webhook-id`, which is signed between dots.
function requireId(option: string, id: string): void {
  if (!ID.test(id)) throw invalidOption(option, id, "1 to 128 of A-Z a-z 0-9 _ -");
}

function requireInstant(occurredAt: number | undefined): void {
  if (occurredAt !== undefined && Number.isNaN(new Date(occurredAt).getTime()))
    throw invalidOption("occurredAt", occurredAt, "epoch ms, -8.64e15 to 8.64e15");
}

function summaryOf({ body, ...delivery }: Delivery): DeliverySummary {
  return Object.freeze({ ...delivery, bodyBytes: body.length });
}
