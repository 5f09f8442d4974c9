import type { Labels, MetricDefinition, Metrics } from "@portcullis/core";
import { expect, it } from "vitest";
import { createWebhookMetrics } from "../src/webhook-metrics.js";
import { status } from "./receiver.js";
import { fixture, inW1, register } from "./webhooks-fixture.js";

function recording(): { readonly metrics: Metrics; readonly seen: string[] } {
  const seen: string[] = [];
  const note =
    ({ name }: MetricDefinition) =>
    (value: number, labels: Labels = {}) =>
      void seen.push([name, ...Object.values(labels), value].join(" "));
  const metrics: Metrics = {
    counter: (definition) => ({ add: (labels, amount = 1) => note(definition)(amount, labels) }),
    gauge: (definition) => ({ set: note(definition) }),
    histogram: (definition) => ({ observe: note(definition) }),
  };
  return { metrics, seen };
}

it("counts attempts by what followed", async () => {
  const { metrics, seen } = recording();
  const made = await fixture({ metrics, retry: { retries: 1 } });
  await register(made);
  made.receiver.answer = status(500);
  await made.webhooks.publish("user.created", {}, inW1);
  await made.webhooks.drain();
  expect(await made.webhooks.metrics()).toMatchObject({ retries_pending: 1, dead_lettered: 0 });
  made.clock.advance(1000);
  await made.webhooks.drain();
  made.receiver.answer = status(200);
  await made.webhooks.publish("user.created", {}, inW1);
  await made.webhooks.drain();
  expect(seen).toEqual([
    "webhook_deliveries_total RETRYING user.created 1",
    "webhook_retries_total user.created 1",
    "webhook_deliveries_total DEAD_LETTERED user.created 1",
    "webhook_dead_lettered_total user.created 1",
    "webhook_deliveries_total DELIVERED user.created 1",
    "webhook_delivery_latency_seconds user.created 0",
  ]);
  expect(await made.webhooks.metrics()).toEqual({
    total_deliveries: 2,
    success_rate: 50,
    avg_latency_ms: 0,
    dead_lettered: 1,
    retries_pending: 0,
  });
});

it("WH-Q7 names a hundred event types, and the rest as one", () => {
  const { metrics, seen } = recording();
  const counts = createWebhookMetrics(metrics);
  for (let index = 0; index < 150; index += 1) counts.attempt(`type.${index}`, "RETRYING", 0);
  expect(new Set(seen.filter((line) => line.startsWith("webhook_retries_total"))).size).toBe(101);
});
