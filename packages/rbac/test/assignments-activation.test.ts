import { describe, expect, test } from "vitest";
import { actor, at, keyOf, rightsOf, startProcess } from "./assignment-setup.js";

const APPROVER = { role: "approver" } as const;

describe("an assignment that ends by itself", () => {
  test("counts until expiresAt, and not at it; nothing has to be read or written for that", async () => {
    const process = startProcess({ maxStalenessMs: 60_000 });
    const { assignments, clock } = process;
    await assignments.assign("program", at("bob"), APPROVER, { expiresAt: clock.now() + 1_000 });
    clock.advance(999);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
    clock.advance(1);
    expect(await rightsOf(process, "bob")).toEqual([]);
    expect(await assignments.of(at("bob"))).toMatchObject({ epoch: 1, assignments: [{ name: "approver" }] });
    expect((await assignments.revoke("program", at("bob"), APPROVER)).reason).toBe("not_held");
    expect((await assignments.activate("program", at("bob"), APPROVER, 1)).reason).toBe("not_held");
  });

  test("follows the clock, back and forth, until the next change has taken it away", async () => {
    const process = startProcess();
    const { assignments, clock } = process;
    const began = clock.now();
    await assignments.assign("program", at("bob"), APPROVER, { expiresAt: began + 1_000 });
    clock.set(began + 1_000_000);
    expect(await rightsOf(process, "bob")).toEqual([]);
    clock.set(began);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
    clock.set(began + 1_000);
    await assignments.assign("program", at("bob"), { role: "frozen" });
    clock.set(began - 1_000_000);
    expect((await assignments.of(at("bob"))).assignments.map(({ name }) => name)).toEqual(["frozen"]);
  });

  test.each([0, -1, 0.5, Number.NaN, Infinity, 2 ** 53, "9999999999999", null])("does not begin with expiresAt now + %s", async (after) => {
    const { assignments, clock, store } = startProcess();
    const expiresAt = typeof after === "number" ? clock.now() + after : after;
    const assigned = assignments.assign("program", at("bob"), APPROVER, { expiresAt } as never);
    await expect(assigned).rejects.toMatchObject({ code: "invalid_option" });
    expect(await store.grants.readSubject("acme", "bob")).toEqual({ epoch: 0, held: [] });
  });
});

describe("an assignment that must be activated", () => {
  test("does nothing until it is, then for exactly that long, and never beyond its end", async () => {
    const process = startProcess();
    const { assignments, clock } = process;
    await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000, expiresAt: clock.now() + 10_000 });
    expect(await rightsOf(process, "bob")).toEqual([]);
    expect(await assignments.activate("program", at("bob"), APPROVER, 1_000)).toMatchObject({ allowed: true, epoch: 2 });
    clock.advance(999);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
    clock.advance(1);
    expect(await rightsOf(process, "bob")).toEqual([]);
    clock.advance(8_999);
    await assignments.activate("program", at("bob"), APPROVER, 1_000);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
    clock.advance(1);
    expect(await rightsOf(process, "bob")).toEqual([]);
  });

  test("from a later activation on has the later one's time, also a shorter one; deactivated it is over at once", async () => {
    const process = startProcess();
    const { assignments, clock } = process;
    await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000 });
    await assignments.activate("program", at("bob"), APPROVER, 1_000);
    await assignments.activate("program", at("bob"), APPROVER, 10);
    clock.advance(10);
    expect(await rightsOf(process, "bob")).toEqual([]);
    await assignments.activate("program", at("bob"), APPROVER, 1_000);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
    expect((await assignments.deactivate("program", at("bob"), APPROVER)).allowed).toBe(true);
    expect(await rightsOf(process, "bob")).toEqual([]);
    // Assigned anew it is not active either.
    await assignments.activate("program", at("bob"), APPROVER, 1_000);
    await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 5 });
    expect(await rightsOf(process, "bob")).toEqual([]);
  });

  test.each([1_001, 0, -1, 0.5, Number.NaN, Infinity, "1", null])(
    "is not activated for %s ms: it rejects and changes nothing",
    async (forMs) => {
      const process = startProcess();
      const { assignments } = process;
      await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000 });
      await expect(assignments.activate("program", at("bob"), APPROVER, forMs as number)).rejects.toMatchObject({ code: "invalid_option" });
      expect(await rightsOf(process, "bob")).toEqual([]);
      expect((await assignments.of(at("bob"), { consistency: "strong" })).epoch).toBe(1);
    },
  );

  test.each([0, -1, 0.5, Number.NaN, Infinity, "1"])("is not made with activatableForMs %s", async (activatableForMs) => {
    const { assignments } = startProcess();
    const made = assignments.assign("program", at("bob"), APPROVER, { activatableForMs } as never);
    await expect(made).rejects.toMatchObject({ code: "invalid_option" });
  });

  test("follows the clock: after a jump ahead it is over, after one back it lasts until the same instant", async () => {
    const process = startProcess();
    const { assignments, clock } = process;
    const began = clock.now();
    await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000 });
    await assignments.activate("program", at("bob"), APPROVER, 1_000);
    clock.set(began + 1_000);
    expect(await rightsOf(process, "bob")).toEqual([]);
    clock.set(began + 999);
    expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
  });

  test("nothing else is activated: not what needs no activation, what is not held, or what another subject holds", async () => {
    const { assignments } = startProcess();
    await assignments.assign("program", at("bob"), APPROVER);
    expect((await assignments.activate("program", at("bob"), APPROVER, 1)).reason).toBe("not_activatable");
    expect((await assignments.deactivate("program", at("bob"), APPROVER)).reason).toBe("not_activatable");
    expect((await assignments.activate("program", at("bob"), { role: "cashier" }, 1)).reason).toBe("not_held");
    expect((await assignments.activate("program", at("bob", "elsewhere"), APPROVER, 1)).reason).toBe("not_held");
    expect((await assignments.activate("program", at("bob"), { persona: "ceo" }, 1)).reason).toBe("not_held");
  });

  test("RBAC-2 is not activated by a polluted Object.prototype", async () => {
    const process = startProcess({ maxStalenessMs: 0 });
    await process.assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000 });
    const polluted = Object.prototype as { activeUntil?: unknown; expiresAt?: unknown; departments?: unknown };
    Object.assign(polluted, { activeUntil: 9e15, departments: "x" });
    try {
      expect(await rightsOf(process, "bob")).toEqual([]);
      expect((await process.assignments.assign("program", at("bob"), { role: "cashier" })).allowed).toBe(true);
    } finally {
      delete polluted.activeUntil;
      delete polluted.departments;
    }
  });

  test("organisation roles and personas are activated as roles are", async () => {
    const { assignments, clock } = startProcess();
    const how = { activatableForMs: 10 };
    await assignments.assign("program", at("bob"), { orgRole: "department_admin" }, { ...how, departments: ["Eng", "eng", "hr"] });
    await assignments.assign("program", at("bob"), { persona: "ceo" }, how);
    const resolved = async () => assignments.resolve(actor("bob"));
    expect(await resolved()).toMatchObject({ orgRoles: [], personas: [], scopedDepartments: [] });
    await assignments.activate("program", at("bob"), { orgRole: "department_admin" }, 10);
    await assignments.activate("program", at("bob"), { persona: "ceo" }, 10);
    expect(await resolved()).toMatchObject({ orgRoles: ["department_admin"], personas: ["ceo"], scopedDepartments: ["eng", "hr"] });
    clock.advance(10);
    expect(await resolved()).toMatchObject({ orgRoles: [], personas: [], scopedDepartments: [] });
  });
});

describe("who activates", () => {
  test("its holder, by a credential of its own, or the program; nobody else, however much it may", async () => {
    const { assignments } = startProcess();
    await assignments.assign("program", at("bob"), APPROVER, { activatableForMs: 1_000 });
    await assignments.assign("program", at("own"), { role: "owner" });
    const forwarded = { ...actor("bob"), via: "billing" };
    for (const other of [actor("own"), keyOf("bob", ["*"]), forwarded, { ...actor("bob"), orgId: "elsewhere" }]) {
      expect((await assignments.activate(other, at("bob"), APPROVER, 10)).reason).toBe("not_own");
      expect((await assignments.deactivate(other, at("bob"), APPROVER)).reason).toBe("not_own");
    }
    expect((await assignments.of(at("bob"))).epoch).toBe(1);
    expect((await assignments.activate(actor("bob"), at("bob"), APPROVER, 10)).allowed).toBe(true);
    expect((await assignments.deactivate(actor("bob"), at("bob"), APPROVER)).allowed).toBe(true);
    expect((await assignments.activate("program", at("bob"), APPROVER, 10)).allowed).toBe(true);
  });
});
