import assert from "node:assert/strict";
import type { ApprovalRecord, Approvals, ApprovalStatus } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const asked = (id: string, digest = "d1", ttlMs = 60_000) => ({
  ...{ id, digest, ttlMs, workspaceId: "w1", requesterId: "ada", risk: "HIGH", operation: "billing:refund", data: `{"of":"${id}"}` },
});
const ALL: readonly ApprovalStatus[] = [
  ...(["PENDING", "APPROVED", "DENIED", "EXPIRED", "CANCELLED", "REVOKED", "EXECUTING", "EXECUTED", "FAILED", "UNKNOWN"] as const),
];
const opened = async (approvals: Approvals, id: string, digest = id): Promise<ApprovalRecord> =>
  (await approvals.open(asked(id, digest))).record;

export const approvalLaws = lawsOf("approvals", [
  {
    id: "APPROVALS-01",
    title: "of 100 that open the same request at once, one creates it and all get that one",
    async run(approvals) {
      const answers = await atOnce(100, (index) => approvals.open(asked(`id ${index}`)));
      const [created, ...others] = answers.filter((answer) => answer.created);
      assert.ok(created !== undefined && others.length === 0);
      for (const answer of answers) assert.equal(answer.record.id, created.record.id);
      assert.equal((await approvals.list({ workspaceId: "w1", statuses: ALL, limit: 100 })).records.length, 1);
    },
  },
  {
    id: "APPROVALS-02",
    title: "another workspace, requester or digest is another request",
    async run(approvals) {
      const others = [{ workspaceId: "w2" }, { requesterId: "bob" }, { digest: "d2" }, { workspaceId: "w", requesterId: "1ada" }];
      for (const [index, other] of [{}, ...others].entries()) {
        assert.equal((await approvals.open({ ...asked(`id ${index}`), ...other })).created, true);
      }
    },
  },
  {
    id: "APPROVALS-03",
    title: "a new one is PENDING at revision 1, on the store's clock",
    async timed(approvals, clock) {
      const { record } = await approvals.open(asked("one", "d1", 5_000));
      const { ttlMs: _ttlMs, ...fields } = asked("one");
      const expected = { ...fields, status: "PENDING", revision: 1, createdAt: clock.now(), expiresAt: clock.now() + 5_000 };
      same(record, expected);
      clock.advance(7);
      same(await approvals.find("one"), { record: expected, now: clock.now() });
      assert.equal(await approvals.find("none"), undefined);
    },
  },
  {
    id: "APPROVALS-04",
    title: "of 100 that change one revision at once, one wins",
    async run(approvals) {
      await opened(approvals, "one");
      const answers = await atOnce(100, (index) =>
        approvals.update("one", { revision: 1 }, { status: index % 2 === 0 ? "APPROVED" : "DENIED", data: `vote ${index}` }),
      );
      assert.equal(
        count(answers, (record) => record !== undefined),
        1,
      );
      const winner = answers.find((record) => record !== undefined);
      assert.equal(winner?.revision, 2);
      same((await approvals.find("one"))?.record, winner);
      assert.equal(await approvals.update("none", { revision: 1 }, { status: "DENIED" }), undefined);
    },
  },
  {
    id: "APPROVALS-05",
    title: "a change sets what it names, and durations become instants on the store's clock",
    async timed(approvals, clock) {
      const start = await opened(approvals, "one");
      clock.advance(100);
      const approved = await approvals.update("one", { revision: 1 }, { status: "APPROVED", executeWithinMs: 1_000 });
      same(approved, { ...start, status: "APPROVED", revision: 2, executeBy: clock.now() + 1_000 });
      clock.advance(100);
      const executing = await approvals.update("one", { revision: 2 }, { status: "EXECUTING", attemptTtlMs: 500 });
      same(executing, { ...approved, status: "EXECUTING", revision: 3, attemptExpiresAt: clock.now() + 500 });
      const noted = await approvals.update("one", { revision: 3 }, { data: "noted" });
      same(noted, { ...executing, revision: 4, data: "noted" });
      same((await approvals.find("one"))?.record, noted);
    },
  },
  {
    id: "APPROVALS-06",
    title: "`before` is half-open: an instant earlier it is in time, at the instant it is too late",
    async timed(approvals, clock) {
      const { expiresAt } = await opened(approvals, "one");
      clock.advance(59_999);
      assert.equal((await approvals.update("one", { revision: 1, before: expiresAt }, { data: "in time" }))?.revision, 2);
      clock.advance(1);
      assert.equal(await approvals.update("one", { revision: 2, before: expiresAt }, { status: "APPROVED" }), undefined);
      assert.equal((await approvals.find("one"))?.record.status, "PENDING");
      assert.equal((await approvals.update("one", { revision: 2 }, { status: "EXPIRED" }))?.status, "EXPIRED");
    },
  },
  {
    id: "APPROVALS-07",
    title: "a request may be opened again once the earlier one is decided, or at its deadline; the earlier one is left as it is",
    async timed(approvals, clock) {
      const first = await opened(approvals, "one", "d");
      clock.advance(59_999);
      assert.equal((await approvals.open(asked("two", "d"))).record.id, "one");
      clock.advance(1);
      const answers = await atOnce(20, (index) => approvals.open(asked(`again ${index}`, "d")));
      assert.equal(
        count(answers, ({ created }) => created),
        1,
      );
      same((await approvals.find("one"))?.record, first);
      const second = answers[0]?.record.id ?? "";
      await approvals.update(second, { revision: 1 }, { status: "DENIED" });
      assert.equal((await approvals.open(asked("three", "d"))).created, true);
    },
  },
  {
    id: "APPROVALS-08",
    title: "approved, it is open until it must be executed; executing, it is not",
    async timed(approvals, clock) {
      await opened(approvals, "one", "d");
      await approvals.update("one", { revision: 1 }, { status: "APPROVED", executeWithinMs: 100_000 });
      clock.advance(99_999);
      same(await approvals.open(asked("two", "d")), { record: (await approvals.find("one"))?.record, created: false });
      clock.advance(1);
      assert.equal((await approvals.open(asked("two", "d"))).created, true);
      await opened(approvals, "three", "e");
      await approvals.update("three", { revision: 1 }, { status: "APPROVED", executeWithinMs: 100_000 });
      await approvals.update("three", { revision: 2 }, { status: "EXECUTING", attemptTtlMs: 1_000 });
      assert.equal((await approvals.open(asked("four", "e"))).created, true);
    },
  },
  {
    id: "APPROVALS-09",
    title: "listed oldest first, by workspace and status, in pages that meet without gap or overlap",
    async run(approvals) {
      for (let index = 0; index < 7; index += 1) await opened(approvals, `p${index}`);
      await approvals.open({ ...asked("foreign"), workspaceId: "w2" });
      await approvals.update("p3", { revision: 1 }, { status: "DENIED" });
      const page = async (after?: string): Promise<string[]> => {
        const filter = { workspaceId: "w1", statuses: ["PENDING"] as const, limit: 4 };
        return (await approvals.list(after === undefined ? filter : { ...filter, after })).records.map(({ id }) => id);
      };
      same(await page(), ["p0", "p1", "p2", "p4"]);
      same(await page("p4"), ["p5", "p6"]);
      same(await page("p6"), []);
      const decided = await approvals.list({ workspaceId: "w1", statuses: ["DENIED", "EXPIRED"], limit: 10 });
      same(decided.records, [(await approvals.find("p3"))?.record]);
      same((await approvals.list({ workspaceId: "w1", statuses: [], limit: 10 })).records, []);
    },
  },
  {
    id: "APPROVALS-10",
    title: "awkward texts are each their own",
    async run(approvals) {
      for (const text of AWKWARD_KEYS) {
        const given = { id: text, workspaceId: text, requesterId: text, risk: text, operation: text, digest: text, data: text };
        assert.equal((await approvals.open({ ...given, ttlMs: 60_000 })).created, true, JSON.stringify(text));
        const found = (await approvals.find(text))?.record;
        same({ ...found, ...given }, found);
      }
    },
  },
  {
    id: "APPROVALS-11",
    title: "results are snapshots",
    async run(approvals) {
      await opened(approvals, "one");
      await isSnapshot(async () => (await approvals.find("one"))?.record);
      await isSnapshot(async () => (await approvals.list({ workspaceId: "w1", statuses: ALL, limit: 9 })).records);
      await isSnapshot(async () => (await approvals.open(asked("two", "one"))).record);
    },
  },
]);
