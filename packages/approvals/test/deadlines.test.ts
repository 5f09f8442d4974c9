import { type Approvals as Port, createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { ada, bob, fixture, HOUR_MS, MINUTE_MS, operation, statusOf } from "./approvals-fixture.js";

const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("the two clocks", () => {
  it("APR-21 approve-by: one millisecond before it may be approved, at it it is expired", async () => {
    const { approvals, clock } = fixture();
    const first = await approvals.create({ ...operation, ttlMs: MINUTE_MS });
    clock.advance(MINUTE_MS - 1);
    expect(await statusOf(approvals, first.approval.id)).toBe("PENDING");
    expect((await approvals.resolve(first.approval.id, { decision: "approve", by: bob })).status).toBe("APPROVED");

    const second = await approvals.create({ ...operation, description: "Another", ttlMs: MINUTE_MS });
    clock.advance(MINUTE_MS);
    await expect(approvals.resolve(second.approval.id, { decision: "approve", by: bob })).rejects.toEqual(problem(3002));
    await expect(approvals.cancel(second.approval.id, { by: ada })).rejects.toEqual(problem(3002));
    expect(await statusOf(approvals, second.approval.id)).toBe("EXPIRED");
  });

  it("APR-21 execute-by: one millisecond before it may run, at it it is expired", async () => {
    const { approvals, clock } = fixture();
    for (const [waitedMs, kind] of [
      [HOUR_MS - 1, "executed"],
      [HOUR_MS, "refused"],
    ] as const) {
      const { approval } = await approvals.create({ ...operation, description: `After ${waitedMs}` });
      await approvals.resolve(approval.id, { decision: "approve", by: bob });
      clock.advance(waitedMs);
      expect(await approvals.gate({ ...operation, description: `After ${waitedMs}`, approvalId: approval.id }, () => 1)).toMatchObject({
        kind,
      });
    }
  });

  it("APR-21 expiry needs no sweeper, is told once, and is in no list", async () => {
    const { approvals, clock, events } = fixture();
    await approvals.create({ ...operation, ttlMs: MINUTE_MS });
    clock.advance(MINUTE_MS);
    const lists = await Promise.all(Array.from({ length: 20 }, () => approvals.listPending({ workspaceId: "ws-1" })));
    expect(lists.every((list) => list.approvals.length === 0)).toBe(true);
    expect(events.filter(({ type }) => type === "approval.expired")).toHaveLength(1);
  });

  it("APR-22 the store judges the deadline in the step that changes the status, not before it", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let passesMs = 0;
    const find: Port["find"] = (id) => {
      const found = memory.approvals.find(id);
      clock.advance(passesMs); // between the read and the change
      return found;
    };
    const { approvals } = fixture({ store: { approvals: { ...memory.approvals, find } } });
    const late = await approvals.create({ ...operation, description: "Late", ttlMs: MINUTE_MS });
    const { approval } = await approvals.create(operation);
    clock.advance(MINUTE_MS - 1);
    passesMs = 1;
    await expect(approvals.resolve(late.approval.id, { decision: "approve", by: bob })).rejects.toEqual(problem(3002));
    passesMs = 0;
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    clock.advance(HOUR_MS - 1);
    passesMs = 1;
    const result = await approvals.gate({ ...operation, approvalId: approval.id }, () => "ran");
    expect(result).toMatchObject({ kind: "refused", problem: { code: 3002 } });
  });

  it("APR-22 what is expired stays expired when the clock moves back", async () => {
    const { approvals, clock } = fixture();
    const { approval } = await approvals.create({ ...operation, ttlMs: MINUTE_MS });
    clock.advance(MINUTE_MS);
    expect(await statusOf(approvals, approval.id)).toBe("EXPIRED");
    clock.set(clock.now() - 10 * MINUTE_MS);
    expect(await statusOf(approvals, approval.id)).toBe("EXPIRED");
    await expect(approvals.resolve(approval.id, { decision: "approve", by: bob })).rejects.toEqual(problem(3002));
  });

  it("APR-24 neither polling nor asking again nor deciding extends a deadline", async () => {
    const { approvals, clock } = fixture();
    const { approval } = await approvals.create({ ...operation, ttlMs: MINUTE_MS });
    clock.advance(MINUTE_MS - 1);
    await approvals.get(approval.id);
    const again = await approvals.create({ ...operation, ttlMs: 10 * MINUTE_MS });
    expect(again.approval).toMatchObject({ id: approval.id, expiresAt: approval.expiresAt });
    const approved = await approvals.resolve(approval.id, { decision: "approve", by: bob });
    expect(approved.expiresAt).toBe(approval.expiresAt);
    clock.advance(HOUR_MS - 1);
    expect((await approvals.create(operation)).approval.executeBy).toBe(approved.executeBy);
    clock.advance(1);
    expect(await statusOf(approvals, approval.id)).toBe("EXPIRED");
  });
});
