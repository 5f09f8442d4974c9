import type { ClaimedDelivery, Clock, Settlement } from "@portcullis/core";
import type { Agent } from "undici";
import type { EgressRules } from "../egress/egress-rules.js";
import type { EndpointRegistry } from "../endpoint/endpoint-registry.js";
import { signWebhook } from "../signature/sign-webhook.js";
import type { DeliveryRef, WebhookEvent } from "../webhook-event.js";
import type { WebhookMetrics } from "../webhook-metrics.js";
import { type Consequence, consequenceOf, type RetryOptions } from "./retry.js";
import { send, SendingAborted, type SendResult } from "./send.js";

/** What an attempt stands on. */
export interface AttemptOptions {
  readonly agent: Agent;
  readonly rules: EgressRules;
  readonly endpoints: EndpointRegistry;
  readonly settle: (settlement: Settlement) => Promise<boolean>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly fraction: () => number;
  readonly timeoutMs: number;
  readonly retry: Required<RetryOptions>;
  readonly maxReclaims: number;
  readonly metrics: WebhookMetrics;
  readonly onEvent: (event: WebhookEvent) => void;
}

// After a failure of ours (a secret that cannot be opened): soon, but not in a loop.
const FAULT_DELAY_MS = 30_000;

/** Makes the function that takes a claimed delivery to its settlement. It never rejects. */
export function createAttempt(options: AttemptOptions): (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void> {
  const { agent, rules, endpoints, settle, clock, fraction, timeoutMs, retry, maxReclaims, metrics, onEvent } = options;

  return async (delivery, signal) => {
    const ref: DeliveryRef = {
      deliveryId: delivery.id,
      endpointId: delivery.endpointId,
      workspaceId: delivery.workspaceId,
      eventType: delivery.eventType,
    };
    const attempt = delivery.attempts + 1;
    let sentTo: string | undefined;

    // Without a result nothing was sent, and no attempt is counted.
    const end = async (consequence: Consequence, result?: SendResult): Promise<void> => {
      const { id, leaseToken } = delivery;
      const reason = consequence.status === "DELIVERED" ? {} : { error: consequence.error };
      const delay = consequence.status === "RETRYING" ? { delayMs: consequence.delayMs } : {};
      if (consequence.status === "DEAD_LETTERED" && consequence.disables !== undefined && sentTo !== undefined)
        await disable(ref, sentTo, consequence.disables);
      if (!(await settle({ id, leaseToken, status: consequence.status, attempted: result !== undefined, ...delay, ...reason }))) {
        onEvent({ type: "webhook.lease_lost", ...ref });
        return;
      }
      const { status, latencyMs } = result?.kind === "response" ? result : { status: 0, latencyMs: 0 };
      metrics.attempt(delivery.eventType, consequence.status, latencyMs);
      if (consequence.status === "DELIVERED") onEvent({ type: "webhook.delivered", ...ref, attempt, status, latencyMs });
      else if (consequence.status === "RETRYING")
        onEvent({ type: "webhook.retrying", ...ref, attempt, error: consequence.error, delayMs: consequence.delayMs });
      else onEvent({ type: "webhook.dead_lettered", ...ref, attempt, error: consequence.error });
    };

    const run = async (): Promise<void> => {
      if (delivery.reclaims > 0) {
        metrics.reclaimed();
        onEvent({ type: "webhook.reclaimed", ...ref, reclaims: delivery.reclaims });
      }
      // A payload that takes its worker down with it would do so for ever.
      if (delivery.reclaims > maxReclaims) return end({ status: "DEAD_LETTERED", error: "poison" });
      const target = await endpoints.target(delivery.endpointId);
      if (target === undefined) return end({ status: "DEAD_LETTERED", error: "endpoint_removed" });
      if (!target.enabled) return end({ status: "DEAD_LETTERED", error: "endpoint_disabled" });
      sentTo = target.url;
      const secrets = await target.openSecrets();
      const result = await attemptTo(target.url, target.headers, secrets);
      await end(consequenceOf(result, attempt, retry, fraction()), result);
    };

    const attemptTo = async (url: string, own: Readonly<Record<string, string>>, secrets: readonly string[]): Promise<SendResult> => {
      try {
        rules.checkUrl(url); // the rules may have become stricter since it was registered
      } catch {
        return { kind: "blocked" };
      }
      // A new time at each attempt, the same id and bytes.
      const signed = signWebhook({ id: delivery.id, timestampSeconds: Math.floor(clock.now() / 1000), body: delivery.body, secrets });
      const headers = { ...own, "content-type": "application/json", ...signed };
      return send(agent, clock, { url, headers, body: delivery.body, timeoutMs, signal });
    };

    const putOff = async (delayMs: number): Promise<void> => {
      const { id, leaseToken } = delivery;
      await settle({ id, leaseToken, status: "RETRYING", delayMs, attempted: false });
    };

    try {
      await run();
    } catch (error) {
      const isGivenUp = error instanceof SendingAborted;
      if (!isGivenUp) onEvent({ type: "webhook.fault", source: "attempt", deliveryId: delivery.id, error });
      // When this fails too, the lease runs out and another worker takes over: late, but not lost.
      await putOff(isGivenUp ? 0 : FAULT_DELAY_MS).catch((fault: unknown) =>
        onEvent({ type: "webhook.fault", source: "settle", deliveryId: delivery.id, error: fault }),
      );
    }
  };

  async function disable({ endpointId, workspaceId }: DeliveryRef, url: string, reason: string): Promise<void> {
    if (await endpoints.disable(endpointId, url, reason)) onEvent({ type: "webhook.endpoint_disabled", endpointId, workspaceId, reason });
  }
}
