import { describe, expect, test } from "vitest";
import { actor, at, rightsOf, startProcess, startWithApprover } from "./assignment-setup.js";
import { type Gate, gatedGrants } from "./gated-grants.js";

const MAY = ["workflows.approve"];

describe("loads", () => {
  test("one serves a hundred who ask meanwhile; what is remembered is answered at once", async () => {
    const { store, rights, assignments } = await startWithApprover();
    const before = store.calls.readSubject;
    const gate = store.hold("readSubject");
    const waiting = Array.from({ length: 100 }, rights);
    gate.release();
    expect(new Set((await Promise.all(waiting)).map(String))).toEqual(new Set(["workflows.approve"]));
    expect(store.calls.readSubject - before).toBe(1);
    expect(assignments.resolve(actor("bob"))).not.toBeInstanceOf(Promise);
    expect(store.calls.readSubject - before).toBe(1);
  });

  test("two that end out of order leave what the later one read", async () => {
    const here = await startWithApprover();
    const there = startProcess({ store: here.store });
    const strong = () => there.assignments.of(at("bob"), { consistency: "strong" });
    const gates: Gate[] = [here.store.hold("readSubject"), here.store.hold("readSubject")];
    const first = strong();
    await gates[0]?.reached;
    // Elsewhere: there it is not known that anything changed.
    await here.store.grants.writeSubject("acme", "bob", 1, [], []);
    const second = strong();
    await gates[1]?.reached;
    gates[1]?.release();
    expect((await second).epoch).toBe(2);
    gates[0]?.release();
    expect((await first).epoch).toBe(1);
    expect((await there.assignments.of(at("bob"))).epoch).toBe(2);
  });

  test("strong reads that overlap all the time are each answered by their own", async () => {
    const { store, assignments } = await startWithApprover();
    const strong = () => assignments.of(at("bob"), { consistency: "strong" });
    let gate = store.hold("readSubject");
    let current = strong();
    for (let time = 0; time < 50; time += 1) {
      await gate.reached;
      const nextGate = store.hold("readSubject");
      const next = strong();
      await nextGate.reached;
      gate.release();
      expect((await current).epoch).toBe(1);
      [gate, current] = [nextGate, next];
    }
    gate.release();
    await current;
  });

  test("RBAC-32 an error is told to all who wait, and to nobody after them", async () => {
    const { store, rights, assignments } = await startWithApprover();
    const gate = store.hold("readSubject");
    const waiting = [rights(), rights()];
    await gate.reached;
    gate.fail();
    for (const { status } of await Promise.allSettled(waiting)) expect(status).toBe("rejected");
    expect(await rights()).toEqual(MAY);
    store.fail(true);
    expect(await rights()).toEqual(MAY);
    await expect(assignments.of(at("bob"), { consistency: "strong" })).rejects.toMatchObject({ code: "store_unavailable" });
    store.fail(false);
    expect(await rights()).toEqual(MAY);
  });

  test("RBAC-32 a failed read of the roles is tried again by whoever asks next", async () => {
    const store = gatedGrants();
    const process = startProcess({ store });
    store.fail(true);
    await expect(rightsOf(process, "bob")).rejects.toMatchObject({ code: "store_unavailable" });
    store.fail(false);
    expect(await rightsOf(process, "bob")).toEqual([]);
  });

  test("no more than maxSubjects are remembered, the one read longest ago goes first", async () => {
    const { store, assignments } = await startWithApprover({ maxSubjects: 2, maxStalenessMs: 60_000 });
    const readsOf = async (id: string) => {
      const before = store.calls.readSubject;
      await assignments.of(at(id));
      return store.calls.readSubject - before;
    };
    expect([await readsOf("a"), await readsOf("b"), await readsOf("a"), await readsOf("c")]).toEqual([1, 1, 0, 1]);
    expect([await readsOf("b"), await readsOf("c"), await readsOf("a")]).toEqual([0, 0, 1]);
  });

  test("RBAC-30 no two places are one, whatever their ids are made of", async () => {
    const process = await startWithApprover({ maxStalenessMs: 60_000 });
    const parts = [
      "",
      "a",
      "b",
      '"',
      ",",
      '","',
      "\\",
      ":",
      "/",
      "\u0000",
      "a,b",
      "\ud800",
      "\ud801",
      "\ufffd",
      "K",
      "\u212a",
      "é",
      "e\u0301",
      "__proto__",
    ];
    const places = parts.flatMap((orgId) => parts.map((subjectId) => ({ orgId, subjectId })));
    for (const [index, place] of places.entries()) {
      if (index % 2 === 0) await process.assignments.assign("program", place, { role: "viewer" });
    }
    for (const consistency of ["bounded", "bounded", "strong"] as const) {
      for (const [index, place] of places.entries()) {
        expect((await process.assignments.of(place, { consistency })).epoch).toBe(index % 2 === 0 ? 1 : 0);
      }
    }
  });
});
