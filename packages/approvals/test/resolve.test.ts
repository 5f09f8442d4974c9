import { problems } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { ada, bob, eve, fixture, keyOf, operation, policy, statusOf, user } from "./approvals-fixture.js";

const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("deciding", () => {
  it("records who approved, when and why, and tells it once", async () => {
    const { approvals, clock, events } = fixture();
    const { approval } = await approvals.create(operation);
    clock.advance(1000);
    const approved = await approvals.resolve(approval.id, { decision: "approve", by: bob, notes: " Checked. " });
    expect(approved.status).toBe("APPROVED");
    expect(approved.decision).toEqual({ decision: "approve", by: "bob", at: clock.now(), notes: "Checked." });
    expect(events.map(({ type }) => type)).toEqual(["approval.requested", "approval.approved"]);
    expect(Object.isFrozen(approved) && Object.isFrozen(approved.decision)).toBe(true);
  });

  it.each([undefined, "", "   ", "\u200b\u200d", "\u2060 \ufeff", "\u2800", "\u0000", "\u3164"])(
    "APR-6 a rejection with the reason %j is 422, and nothing changes",
    async (notes) => {
      const { approvals } = fixture();
      const { approval } = await approvals.create(operation);
      await expect(approvals.resolve(approval.id, { decision: "reject", by: bob, notes })).rejects.toEqual(
        problem(problems.reasonRequired.definition.code),
      );
      expect(await statusOf(approvals, approval.id)).toBe("PENDING");
    },
  );

  it("a decision that is neither yes nor no changes nothing", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    const wrong = expect.objectContaining({ code: "invalid_option" });
    await expect(approvals.resolve(approval.id, { decision: "yes" as "approve", by: bob })).rejects.toEqual(wrong);
    await expect(approvals.reconcile(approval.id, { outcome: "done" as "executed", by: bob, reason: "seen" })).rejects.toEqual(wrong);
    expect(await statusOf(approvals, approval.id)).toBe("PENDING");
  });

  it("a decision stands though the observer throws or rejects", async () => {
    const rejecting = (async () => Promise.reject(new Error("the log is down"))) as () => void; // an async observer compiles as well
    const throwing = (): void => {
      throw new Error("the log is down");
    };
    for (const onEvent of [throwing, rejecting]) {
      const { approvals } = fixture({ onEvent });
      const { approval } = await approvals.create(operation);
      expect((await approvals.resolve(approval.id, { decision: "approve", by: bob })).status).toBe("APPROVED");
      expect(await approvals.gate(operation, () => "ran")).toMatchObject({ kind: "executed", value: "ran" });
      await new Promise((resolve) => setImmediate(resolve)); // an unhandled rejection would fail this test
    }
  });

  it("APR-6 a reason of 4096 characters is accepted, one more is refused", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await expect(approvals.resolve(approval.id, { decision: "reject", by: bob, notes: "x".repeat(4097) })).rejects.toEqual(problem(2002));
    expect((await approvals.resolve(approval.id, { decision: "reject", by: bob, notes: "x".repeat(4096) })).status).toBe("DENIED");
  });

  it("APR-7 of one hundred concurrent decisions one counts, the others are told its state, and it is told once", async () => {
    const { approvals, events } = fixture();
    const { approval } = await approvals.create(operation);
    const decisions = Array.from({ length: 100 }, (_, index) =>
      approvals.resolve(approval.id, { decision: index % 2 === 0 ? "approve" : "reject", by: bob, notes: "Because" }),
    );
    const results = await Promise.allSettled(decisions);
    const won = results.filter((result) => result.status === "fulfilled");
    const lost = results.filter((result) => result.status === "rejected");
    const final = await statusOf(approvals, approval.id);
    expect([won.length, lost.length]).toEqual([1, 99]);
    for (const { reason } of lost) expect(reason).toMatchObject({ code: 4006, problem: { extensions: { status: final } } });
    expect(events.filter(({ type }) => type === "approval.approved" || type === "approval.denied")).toHaveLength(1);
  });

  it.each(["HIGH", "CRITICAL"] as const)(
    "APR-8 APR-10 nobody approves their own %s request, not with an API key of theirs either",
    async (riskLevel) => {
      const { approvals, events } = fixture();
      const approver = user("ada", { roles: ["approver"] });
      const { approval } = await approvals.create({ ...operation, riskLevel });
      for (const by of [approver, keyOf("ada")]) {
        await expect(approvals.resolve(approval.id, { decision: "approve", by })).rejects.toEqual(problem(1106));
      }
      const byKey = await approvals.create({ ...operation, riskLevel, by: keyOf("ada") });
      await expect(approvals.resolve(byKey.approval.id, { decision: "approve", by: approver })).rejects.toEqual(problem(1106));
      expect(events.filter((event) => event.type === "approval.refused").map(({ reason }) => reason)).toEqual([
        "self_approval",
        "self_approval",
        "self_approval",
      ]);
    },
  );

  it("APR-8 self-approval takes an explicit policy where the risk is high, and is open to approvers where it is low", async () => {
    const approver = user("ada", { roles: ["approver"] });
    const explicit = fixture({
      policy: { ...policy, HIGH: { ...policy.HIGH, selfApproval: "allowed" }, LOW: { ...policy.LOW, selfApproval: "refused" } },
    });
    const high = await explicit.approvals.create(operation);
    expect((await explicit.approvals.resolve(high.approval.id, { decision: "approve", by: approver })).status).toBe("APPROVED");
    const low = await explicit.approvals.create({ ...operation, riskLevel: "LOW" });
    await expect(explicit.approvals.resolve(low.approval.id, { decision: "approve", by: approver })).rejects.toEqual(problem(1106));
    const plain = fixture();
    const medium = await plain.approvals.create({ ...operation, riskLevel: "MEDIUM" });
    expect((await plain.approvals.resolve(medium.approval.id, { decision: "approve", by: approver })).status).toBe("APPROVED");
  });

  it("APR-9 asks at the decision whether the approver still is one", async () => {
    const roles = new Set(["bob"]);
    const current = { canApprove: ({ id }: { readonly id: string }) => Promise.resolve(roles.has(id)) };
    const { approvals } = fixture({ policy: { LOW: current, MEDIUM: current, HIGH: current, CRITICAL: current } });
    const { approval } = await approvals.create(operation);
    roles.delete("bob");
    await expect(approvals.resolve(approval.id, { decision: "approve", by: bob })).rejects.toEqual(problem(1101));
    expect(await statusOf(approvals, approval.id)).toBe("PENDING");
  });

  it("who may not approve learns nothing more than 403, and a policy that fails or answers vaguely refuses", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await expect(approvals.resolve(approval.id, { decision: "approve", by: eve })).rejects.toEqual(problem(1101));
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    await expect(approvals.resolve(approval.id, { decision: "approve", by: eve })).rejects.toEqual(problem(1101));

    const failing = {
      canApprove: (): boolean => {
        throw new Error("directory down");
      },
    };
    const vague = { canApprove: (): boolean => "yes" as unknown as boolean }; // what untyped code may answer
    for (const HIGH of [failing, vague]) {
      const closed = fixture({ policy: { ...policy, HIGH } });
      const made = await closed.approvals.create(operation);
      await expect(closed.approvals.resolve(made.approval.id, { decision: "approve", by: bob })).rejects.toBeInstanceOf(Error);
      expect(await statusOf(closed.approvals, made.approval.id)).toBe("PENDING");
    }
  });
});

describe("cancelling", () => {
  it("is for the requester, through any of its credentials, while nobody decided", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await expect(approvals.cancel(approval.id, { by: bob })).rejects.toEqual(problem(1101));
    expect((await approvals.cancel(approval.id, { by: keyOf("ada"), reason: "Changed my mind" })).status).toBe("CANCELLED");
    await expect(approvals.cancel(approval.id, { by: ada })).rejects.toEqual(problem(4006));
    await expect(approvals.resolve(approval.id, { decision: "approve", by: bob })).rejects.toEqual(problem(4006));
    await expect(approvals.cancel("unknown", { by: ada })).rejects.toEqual(problem(3001));
  });
});
