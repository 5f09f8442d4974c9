import { describe, expect, test } from "vitest";
import { actor, at, namesOf, rightsOf, ROLES, startProcess, startWithApprover } from "./assignment-setup.js";

const APPROVER = { role: "approver" } as const;
const MAY = ["workflows.approve"];

describe("RBAC-31 in this process", () => {
  type Started = Awaited<ReturnType<typeof startWithApprover>>;
  const changes: Readonly<Record<string, (started: Started) => Promise<unknown>>> = {
    revoke: ({ assignments }) => assignments.revoke("program", at("bob"), APPROVER),
    "assign of a denial": ({ assignments }) => assignments.assign("program", at("bob"), { role: "frozen" }),
    "assign as activatable": ({ assignments }) => assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1 }),
    replaceRoles: ({ assignments }) => assignments.replaceRoles("program", { ...ROLES, approver: {} }, 0),
  };

  test.each(Object.entries(changes))("after %s has returned nothing that was remembered counts", async (_, change) => {
    const started = await startWithApprover({ maxStalenessMs: 60_000 });
    expect(await started.rights()).toEqual(MAY);
    await change(started);
    expect(await started.rights()).toEqual([]);
  });

  test.each(Object.entries(changes))(
    "after %s has returned a load that began before gives the new state to all who wait",
    async (_, change) => {
      const started = await startWithApprover();
      const { store, rights } = started;
      const gate = store.hold("readSubject");
      const waiting = [rights(), rights(), rights()];
      await gate.reached;
      await change(started);
      const joined = rights();
      gate.release();
      expect(await Promise.all([...waiting, joined])).toEqual([[], [], [], []]);
      // Nor was what it had read remembered.
      expect(await rights()).toEqual([]);
    },
  );

  test("a load that began before, and ends when a newer one has, is not remembered", async () => {
    const started = await startWithApprover();
    const gate = started.store.hold("readSubject");
    const waiting = started.rights();
    await gate.reached;
    await started.assignments.revoke("program", at("bob"), APPROVER);
    expect(await started.rights()).toEqual([]);
    gate.release();
    expect(await waiting).toEqual([]);
    expect(await started.rights()).toEqual([]);
  });

  test("what was read of a subject does not wait for the stored roles, and grow old", async () => {
    const started = await startWithApprover({ maxStalenessMs: 1_000 });
    started.clock.advance(1_000);
    const gate = started.store.hold("readPolicy");
    const waiting = started.rights();
    await gate.reached;
    await started.assignments.revoke("program", at("bob"), APPROVER);
    gate.release();
    expect(await waiting).toEqual([]);
  });

  test("strong: what was read of a subject does not wait for the stored roles either", async () => {
    const started = await startWithApprover();
    const gate = started.store.hold("readPolicy");
    const waiting = started.assignments.resolve(actor("bob"), { consistency: "strong" });
    await gate.reached;
    await started.assignments.revoke("program", at("bob"), APPROVER);
    gate.release();
    expect((await waiting).roles).toEqual([]);
  });

  test("bumpEpoch makes what was read old, and leaves what is held as it is, the last owner too", async () => {
    const started = await startWithApprover({ maxStalenessMs: 60_000 });
    await started.assignments.assign("program", at("bob"), { role: "owner" });
    expect(await started.rights()).toContain("organisation.delete");
    const other = startProcess({ store: started.store });
    await other.assignments.assign("program", at("bob"), { role: "frozen" });
    const gate = started.store.hold("readSubject");
    const waiting = started.assignments.of(at("bob"), { consistency: "strong" });
    await gate.reached;
    expect(await started.assignments.bumpEpoch(at("bob"))).toBe(4);
    gate.release();
    expect((await waiting).epoch).toBe(4);
    expect((await started.assignments.resolve(actor("bob"))).subjectEpoch).toBe(4);
    expect(await started.rights()).not.toContain("workflows.approve");
    expect(await namesOf(started, "bob")).toEqual(["role:approver", "role:owner", "role:frozen"]);
    expect(await started.assignments.bumpEpoch(at("nobody"))).toBe(1);
  });

  test("bumps at once make as many epochs", async () => {
    const { assignments } = await startWithApprover();
    const epochs = await Promise.all(Array.from({ length: 20 }, () => assignments.bumpEpoch(at("bob"))));
    expect(epochs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 2));
  });

  test("after a change of which nobody knows whether it took effect nothing that was remembered counts", async () => {
    const started = await startWithApprover({ maxStalenessMs: 60_000 });
    expect(await started.rights()).toEqual(MAY);
    const write = started.store.hold("writeSubject");
    const revoked = started.assignments.revoke("program", at("bob"), APPROVER);
    await write.reached;
    write.fail();
    await expect(revoked).rejects.toMatchObject({ code: "store_unavailable" });
    expect(await started.rights()).toEqual([]);

    await started.assignments.assign("program", at("bob"), APPROVER);
    expect(await started.rights()).toEqual(MAY);
    const policy = started.store.hold("writePolicy");
    const replaced = started.assignments.replaceRoles("program", { ...ROLES, approver: {} }, 0);
    await policy.reached;
    policy.fail();
    await expect(replaced).rejects.toMatchObject({ code: "store_unavailable" });
    expect(await started.rights()).toEqual([]);
    expect(started.assignments.rolesRevision).toBe(1);
  });
});

describe("RBAC-31 in another process", () => {
  test.each([1_000, 1, 60_000])(
    "a change is seen at exactly maxStalenessMs (%s) after the read, and at once by strong reads",
    async (maxStalenessMs) => {
      const here = await startWithApprover();
      const there = startProcess({ store: here.store, maxStalenessMs });
      expect(there.assignments.maxStalenessMs).toBe(maxStalenessMs);
      expect(await rightsOf(there, "bob")).toEqual(MAY);
      await here.assignments.revoke("program", at("bob"), APPROVER);
      there.clock.advance(maxStalenessMs - 1);
      expect(await rightsOf(there, "bob")).toEqual(MAY);
      const strong = await startProcess({ store: here.store }).assignments.resolve(actor("bob"), { consistency: "strong" });
      expect(strong.roles).toEqual([]);
      there.clock.advance(1);
      expect(await rightsOf(there, "bob")).toEqual([]);
    },
  );

  test("a strong read is remembered for all, and the bound begins when a read begins, not when it ends", async () => {
    const here = await startWithApprover();
    const there = startProcess({ store: here.store });
    await there.assignments.refresh();
    const gate = here.store.hold("readSubject");
    const slow = rightsOf(there, "bob");
    await gate.reached;
    there.clock.advance(999);
    await here.assignments.revoke("program", at("bob"), APPROVER);
    gate.release();
    await slow;
    there.clock.advance(1);
    expect(await rightsOf(there, "bob")).toEqual([]);
    await here.assignments.assign("program", at("bob"), APPROVER);
    expect(await rightsOf(there, "bob")).toEqual([]);
    await there.assignments.of(at("bob"), { consistency: "strong" });
    expect(await rightsOf(there, "bob")).toEqual(MAY);
  });

  test("a read that has been under way for longer than the bound serves nobody who asks now, of a subject or of the roles", async () => {
    for (const operation of ["readSubject", "readPolicy"] as const) {
      const here = await startWithApprover();
      const there = startProcess({ store: here.store, maxStalenessMs: 1_000 });
      if (operation === "readSubject") await there.assignments.refresh();
      const gate = here.store.hold(operation);
      const early = rightsOf(there, "bob");
      await gate.reached;
      if (operation === "readSubject") await here.assignments.revoke("program", at("bob"), APPROVER);
      else await here.assignments.replaceRoles("program", { ...ROLES, approver: {} }, 0);
      there.clock.advance(1_000);
      expect(await rightsOf(there, "bob")).toEqual([]);
      gate.release();
      await early;
      expect(await rightsOf(there, "bob")).toEqual([]);
    }
  });

  test("jumps of the wall clock neither lengthen nor shorten the bound", async () => {
    const here = await startWithApprover();
    const there = startProcess({ store: here.store });
    await rightsOf(there, "bob");
    await here.assignments.revoke("program", at("bob"), APPROVER);
    there.clock.set(0);
    there.clock.advance(999);
    expect(await rightsOf(there, "bob")).toEqual(MAY);
    there.clock.advance(1);
    expect(await rightsOf(there, "bob")).toEqual([]);
  });

  test("maxStalenessMs 0 reads every time", async () => {
    const here = await startWithApprover();
    const there = startProcess({ store: here.store, maxStalenessMs: 0 });
    expect(await rightsOf(there, "bob")).toEqual(MAY);
    await here.assignments.revoke("program", at("bob"), APPROVER);
    expect(await rightsOf(there, "bob")).toEqual([]);
  });

  test("RBAC-32 what is allowed is remembered no longer than what is denied", async () => {
    const here = await startWithApprover();
    const there = startProcess({ store: here.store });
    const denied = async () => rightsOf(there, "carl");
    expect([await rightsOf(there, "bob"), await denied()]).toEqual([MAY, []]);
    await here.assignments.revoke("program", at("bob"), APPROVER);
    await here.assignments.assign("program", at("carl"), APPROVER);
    there.clock.advance(999);
    expect([await rightsOf(there, "bob"), await denied()]).toEqual([MAY, []]);
    there.clock.advance(1);
    expect([await rightsOf(there, "bob"), await denied()]).toEqual([[], MAY]);
  });
});
