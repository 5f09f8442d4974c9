import type { ApprovalStatus } from "@portcullis/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ada, bob, fixture, HOUR_MS, MINUTE_MS, operation, settled } from "./approvals-fixture.js";

const STEPS = ["approve", "reject", "cancel", "run", "run and fail", "run and crash", "reconcile", "wait"] as const;
type Step = (typeof STEPS)[number];

// The edges, and nothing else: what each step makes of each status. A status without the step stays as it is.
const EDGES: Record<ApprovalStatus, Partial<Record<Step, ApprovalStatus>>> = {
  PENDING: { approve: "APPROVED", reject: "DENIED", cancel: "CANCELLED", wait: "EXPIRED" },
  APPROVED: { run: "EXECUTED", "run and fail": "FAILED", "run and crash": "EXECUTING", wait: "EXPIRED" },
  EXECUTING: { wait: "UNKNOWN" },
  UNKNOWN: { reconcile: "EXECUTED" },
  DENIED: {},
  EXPIRED: {},
  CANCELLED: {},
  REVOKED: {},
  EXECUTED: {},
  FAILED: {},
};

it("APR-5 any sequence of steps goes along the edges only, and runs the operation at most once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }), async (steps) => {
      const { approvals, clock } = fixture({ defaults: { attemptTtlMs: MINUTE_MS, executeWithinMs: HOUR_MS, ttlMs: HOUR_MS } });
      const { id } = (await approvals.create(operation)).approval;
      const runs: Step[] = [];
      const gate = (step: Step, run: () => unknown): Promise<unknown> =>
        approvals.gate({ ...operation, approvalId: id }, () => {
          runs.push(step);
          return run();
        });
      const take: Record<Step, () => Promise<unknown> | void> = {
        approve: () => approvals.resolve(id, { decision: "approve", by: bob }),
        reject: () => approvals.resolve(id, { decision: "reject", by: bob, notes: "No" }),
        cancel: () => approvals.cancel(id, { by: ada }),
        run: () => gate("run", () => "done"),
        "run and fail": () => gate("run and fail", () => Promise.reject(new Error("boom"))),
        "run and crash": () => void gate("run and crash", () => new Promise(() => {})),
        reconcile: () => approvals.reconcile(id, { outcome: "executed", reason: "Looked", by: bob }),
        wait: () => clock.advance(2 * HOUR_MS),
      };
      let expected: ApprovalStatus = "PENDING";
      for (const step of steps) {
        await Promise.resolve(take[step]()).catch(() => {});
        if (step === "run and crash") await settled();
        expected = EDGES[expected][step] ?? expected;
        expect((await approvals.get(id))?.status).toBe(expected);
      }
      expect(runs.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
});
