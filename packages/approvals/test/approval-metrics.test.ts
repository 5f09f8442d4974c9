import type { Labels, MetricDefinition, Metrics } from "@portcullis/core";
import { expect, it } from "vitest";
import { bob, fixture, operation } from "./approvals-fixture.js";

it("counts requests by what became of them, executions by their end, and how long people took", async () => {
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
  const { approvals, clock } = fixture({ metrics });
  const { approval } = await approvals.create(operation);
  await approvals.create(operation);
  clock.advance(90_000);
  await approvals.resolve(approval.id, { decision: "approve", by: bob });
  await approvals.gate(operation, () => {});
  expect(seen).toEqual([
    "approvals_total HIGH requested 1",
    "approvals_total HIGH approved 1",
    "approval_decision_seconds 90",
    "approval_execution_total executed 1",
  ]);
});
