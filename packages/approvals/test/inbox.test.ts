import { createMemoryStore } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { ada, bob, eve, fixture, MINUTE_MS, operation } from "./approvals-fixture.js";

describe("the inbox", () => {
  it("APR-25 pages through one workspace, the oldest first, each approval once", async () => {
    const { approvals } = fixture();
    for (let index = 0; index < 7; index += 1) await approvals.create({ ...operation, description: `No. ${index}` });
    await approvals.create({ ...operation, workspaceId: "ws-2" });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await approvals.listPending({ workspaceId: "ws-1", limit: 3, cursor });
      seen.push(...page.approvals.map(({ description }) => description));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(Array.from({ length: 7 }, (_, index) => `No. ${index}`));
  });

  it("APR-25 leaves out what is expired but not swept, decided, or hidden, and still fills the page", async () => {
    const { approvals, clock } = fixture();
    for (let index = 0; index < 10; index += 1) await approvals.create({ ...operation, description: `Short ${index}`, ttlMs: MINUTE_MS });
    for (let index = 0; index < 5; index += 1) await approvals.create({ ...operation, description: `Long ${index}` });
    const own = await approvals.create({ ...operation, description: "Eve's", by: eve });
    clock.advance(MINUTE_MS);
    const [first] = (await approvals.listPending({ workspaceId: "ws-1", limit: 1 })).approvals;
    await approvals.resolve(first?.id ?? "", { decision: "approve", by: bob });
    expect((await approvals.listPending({ workspaceId: "ws-1", limit: 4 })).approvals.map(({ description }) => description)).toEqual([
      "Long 1",
      "Long 2",
      "Long 3",
      "Long 4",
    ]);
    const eves = await approvals.listPending({ workspaceId: "ws-1", visibleTo: eve });
    expect(eves.approvals.map(({ id }) => id)).toEqual([own.approval.id]);
    expect((await approvals.listPending({ workspaceId: "ws-1", visibleTo: bob })).approvals).toHaveLength(5);
    expect((await approvals.listPending({ workspaceId: "ws-1", visibleTo: ada })).approvals).toHaveLength(4);
  });

  it.each([0, 201, 1.5, Number.NaN])("APR-25 a limit of %s is refused", async (limit) => {
    await expect(fixture().approvals.listPending({ workspaceId: "ws-1", limit })).rejects.toEqual(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });

  it("an approval of another version says so", async () => {
    const store = createMemoryStore();
    await store.approvals.open({
      id: "old",
      workspaceId: "ws-1",
      requesterId: "ada",
      risk: "HIGH",
      operation: "a:b",
      digest: "",
      data: "{}",
      ttlMs: MINUTE_MS,
    });
    const { approvals } = fixture({ store });
    await expect(approvals.get("old")).rejects.toEqual(expect.objectContaining({ name: "ApprovalError", code: "unreadable_approval" }));
    expect((await approvals.listPending({ workspaceId: "ws-1" })).approvals).toEqual([]);
  });
});
