import { createMemoryStore } from "@portcullis/core";
import { type AssignmentEvent, createAssignments, defineRbac } from "@portcullis/rbac";
import { describe, expect, test } from "vitest";
import { ACME, actor, at, namesOf, rightsOf, ROLES, startProcess, testPolicy } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";

const AWKWARD = [
  "",
  " ",
  "a:b",
  "role:owner",
  "é",
  "e\u0301",
  "\u0000",
  "\ud800",
  "K",
  "k",
  "\u212a",
  "__proto__",
  "constructor",
  '"],["',
  "../",
  "%2e",
];

describe("what a subject holds", () => {
  test("is nothing at epoch 0, then what was assigned, in order, frozen, one epoch more with each change", async () => {
    const { assignments, clock } = startProcess();
    expect(await assignments.of(at("bob"))).toEqual({ epoch: 0, assignments: [] });
    expect(await assignments.assign(actor("x"), at("bob"), { role: "viewer" })).toMatchObject({ allowed: false, epoch: undefined });
    expect(await assignments.assign("program", at("bob"), { role: "viewer" })).toEqual({
      ...{ allowed: true, reason: "granted", missing: [], constraint: undefined, epoch: 1 },
    });
    const how = { departments: ["Eng"], expiresAt: clock.now() + 5, activatableForMs: 7 };
    await assignments.assign("program", at("bob"), { orgRole: "department_admin" }, how);
    const held = await assignments.of(at("bob"));
    const common = { activeUntil: undefined, assignedBy: "program", assignedAt: clock.now() };
    expect(held).toEqual({
      epoch: 2,
      assignments: [
        { kind: "role", name: "viewer", departments: [], expiresAt: undefined, activatableForMs: undefined, ...common },
        { kind: "orgRole", name: "department_admin", ...how, departments: ["eng"], ...common },
      ],
    });
    for (const part of [held, held.assignments, ...held.assignments]) expect(Object.isFrozen(part)).toBe(true);
    expect((await assignments.revoke("program", at("bob"), { role: "viewer" })).epoch).toBe(3);
    expect((await assignments.revoke("program", at("bob"), { role: "viewer" })).reason).toBe("not_held");
  });

  test("is one subject's in one organisation, whatever their ids are made of", async () => {
    const process = startProcess();
    const places = AWKWARD.flatMap((orgId) => AWKWARD.map((subjectId) => ({ orgId, subjectId })));
    for (const [index, place] of places.entries())
      if (index % 3 === 0) await process.assignments.assign("program", place, { role: "viewer" });
    for (const [index, { subjectId, orgId }] of places.entries())
      expect(await namesOf(process, subjectId, orgId)).toEqual(index % 3 === 0 ? ["role:viewer"] : []);
  });

  test.each([
    { subjectId: "x".repeat(513), orgId: "" },
    { subjectId: "", orgId: "é".repeat(257) },
    { subjectId: "bob" },
    { orgId: ACME },
    { subjectId: null, orgId: ACME },
    { subjectId: ["bob"], orgId: ACME },
  ])("a place that is none is refused, and nothing is read: %j", async (place) => {
    const store = gatedGrants();
    const { assignments } = startProcess({ store });
    const bad = place as never;
    expect(() => assignments.of(bad)).toThrow(/must be a string/);
    for (const attempt of [
      assignments.assign("program", bad, { role: "viewer" }),
      assignments.revoke("program", bad, { role: "viewer" }),
      assignments.activate("program", bad, { role: "viewer" }, 1),
      assignments.deactivate("program", bad, { role: "viewer" }),
      assignments.bumpEpoch(bad),
    ])
      await expect(attempt).rejects.toMatchObject({ code: "invalid_option" });
    expect(store.calls.readSubject).toBe(0);
  });

  test.each([{}, { role: "viewer", persona: "ceo" }, { roles: "viewer" }, { role: ["viewer"] }, { role: null }, null, undefined, "viewer"])(
    "what is neither role, organisation role nor persona is refused: %j",
    async (held) => {
      const { assignments } = startProcess();
      for (const attempt of [
        assignments.assign("program", at("bob"), held as never),
        assignments.revoke("program", at("bob"), held as never),
        assignments.activate("program", at("bob"), held as never, 1),
        assignments.holders(ACME, held as never, { limit: 1 }),
      ])
        await expect(attempt).rejects.toMatchObject({ code: "invalid_option" });
    },
  );

  test.each(["nobody", "OWNER", "owner ", "__proto__", "constructor", "role:owner", "owner\u0000", ""])(
    "RBAC-2 %j is no role, organisation role or persona",
    async (name) => {
      const { assignments } = startProcess();
      for (const held of [{ role: name }, { orgRole: name }, { persona: name }])
        expect((await assignments.assign("program", at("bob"), held as never)).reason).toBe("unknown_role");
    },
  );

  test.each<[object, object]>([
    [{ role: "viewer" }, { departments: ["eng"] }],
    [{ orgRole: "editor" }, { departments: ["eng"] }],
    [{ orgRole: "department_admin" }, {}],
    [{ orgRole: "department_admin" }, { departments: [] }],
    [{ orgRole: "department_admin" }, { departments: ["eng/hr"] }],
    [{ orgRole: "department_admin" }, { departments: ["*"] }],
    [{ orgRole: "department_admin" }, { departments: ["\u212a"] }],
    // oxlint-disable-next-line no-sparse-arrays -- a hole is what is tested
    [{ orgRole: "department_admin" }, { departments: [, "eng"] }],
    [{ orgRole: "department_admin" }, { departments: "eng" }],
    [{ orgRole: "department_admin" }, { departments: Array.from({ length: 257 }, (_, index) => `d${index}`) }],
    [{ role: "viewer" }, { expires: 5 }],
  ])("RBAC-15 %j is not assigned with %j", async (held, how) => {
    const { assignments } = startProcess();
    await expect(assignments.assign("program", at("bob"), held as never, how as never)).rejects.toMatchObject({ code: "invalid_option" });
    expect((await assignments.of(at("bob"))).epoch).toBe(0);
  });

  test("RBAC-15 two organisation roles bound to departments are held for the same ones: neither counts for the other's", async () => {
    const { assignments } = startProcess();
    const assign = async (orgRole: "department_admin" | "department_reader", ...departments: string[]) =>
      (await assignments.assign("program", at("bob"), { orgRole: orgRole as "department_admin" }, { departments })).reason;
    expect(await assign("department_admin", "eng", "hr")).toBe("granted");
    expect(await assign("department_reader", "hr")).toBe("departments_differ");
    expect(await assign("department_reader", "HR", "eng", "hr")).toBe("granted");
    expect(await assign("department_admin", "hr")).toBe("departments_differ");
  });
});

test("holders are listed by subject id in pages, active or not, with how they hold it", async () => {
  const { assignments } = startProcess();
  for (const id of ["c", "a", "b"])
    await assignments.assign("program", at(id), { role: "viewer" }, id === "b" ? { activatableForMs: 9 } : {});
  await assignments.assign("program", at("d"), { orgRole: "viewer" });
  const page = await assignments.holders(ACME, { role: "viewer" }, { limit: 2 });
  expect(page).toMatchObject([
    { subjectId: "a", assignment: { kind: "role", name: "viewer" } },
    { subjectId: "b", assignment: { activatableForMs: 9 } },
  ]);
  expect((await assignments.holders(ACME, { role: "viewer" }, { limit: 2, after: "b" })).map(({ subjectId }) => subjectId)).toEqual(["c"]);
  expect(await assignments.holders("elsewhere", { role: "viewer" }, { limit: 2 })).toEqual([]);
});

describe("events", () => {
  test("tell of each change and each refusal once, with whom it is laid to", async () => {
    const { assignments, events } = startProcess();
    await assignments.assign("program", at("ada"), { role: "owner" });
    await assignments.assign(actor("ada"), at("bob"), { role: "approver" }, { activatableForMs: 5 });
    await assignments.activate(actor("bob"), at("bob"), { role: "approver" }, 5);
    await assignments.deactivate("program", at("bob"), { role: "approver" });
    await assignments.revoke(actor("bob"), at("ada"), { role: "owner" });
    await assignments.revoke(actor("ada"), at("bob"), { role: "approver" });
    await assignments.replaceRoles("program", { ...ROLES, requester: {} }, 0);
    await assignments.replaceRoles("program", ROLES, 0);
    const bob = { subjectId: "bob", orgId: ACME, held: "role", name: "approver" };
    const owner = { subjectId: "ada", orgId: ACME, held: "role", name: "owner" };
    const changed = { kind: "assignment_changed", reason: "granted" };
    expect(events).toEqual([
      { ...changed, ...owner, change: "assign", actorId: "program" },
      { ...changed, ...bob, change: "assign", actorId: "ada" },
      { ...changed, ...bob, change: "activate", actorId: "bob" },
      { ...changed, ...bob, change: "deactivate", actorId: "program" },
      { kind: "assignment_refused", ...owner, change: "revoke", actorId: "bob", reason: "no_roles" },
      { ...changed, ...bob, change: "revoke", actorId: "ada" },
      { kind: "roles_changed", actorId: "program", reason: "granted", roles: ["requester"], policyVersion: 2 },
      { kind: "roles_refused", actorId: "program", reason: "changed_meanwhile", roles: ["requester"], policyVersion: 2 },
    ]);
  });

  test("tell once of a change that had to be tried again, and nothing of one that failed", async () => {
    const store = gatedGrants();
    const { assignments, events } = startProcess({ store });
    await Promise.all((["viewer", "approver", "frozen"] as const).map((role) => assignments.assign("program", at("bob"), { role })));
    expect(events).toHaveLength(3);
    store.fail(true);
    await expect(assignments.revoke("program", at("bob"), { role: "viewer" })).rejects.toMatchObject({ code: "store_unavailable" });
    expect(events).toHaveLength(3);
  });

  test.each<[string, (event: AssignmentEvent) => unknown]>([
    ["throws", () => expect.unreachable()],
    ["rejects", async () => Promise.reject(new Error("the log is down"))],
  ])("an observer that %s changes nothing", async (_, onEvent) => {
    const assignments = createAssignments(testPolicy(), {
      store: createMemoryStore(),
      onEvent: (event) => onEvent(event),
    });
    expect((await assignments.assign("program", at("bob"), { role: "viewer" })).allowed).toBe(true);
    expect((await assignments.revoke(actor("x"), at("bob"), { role: "viewer" })).allowed).toBe(false);
    expect((await assignments.of(at("bob"))).assignments).toHaveLength(1);
  });
});

test("RBAC-2 with Object.prototype polluted nothing is given, kept longer, or read from it", async () => {
  const process = startProcess({ maxStalenessMs: 0 });
  await process.assignments.assign("program", at("bob"), { role: "viewer" });
  const polluted = Object.prototype as Record<string, unknown>;
  const pollution = {
    role: "owner",
    roles: ["owner"],
    orgRole: "owner",
    departments: ["eng"],
    activatableForMs: 9,
    activeUntil: 9e15,
    orgId: ACME,
    via: "x",
  };
  Object.assign(polluted, pollution);
  try {
    expect((await process.assignments.assign("program", at("carl"), { role: "viewer" })).allowed).toBe(true);
    expect((await process.assignments.of(at("carl"))).assignments).toMatchObject([
      { name: "viewer", departments: [], activatableForMs: undefined },
    ]);
    expect((await process.assignments.resolve(actor("dora"))).roles).toEqual([]);
    await expect(process.assignments.assign("program", at("carl"), {} as never)).rejects.toMatchObject({ code: "invalid_option" });
    expect(() => startProcess({})).not.toThrow();
  } finally {
    for (const name of Object.keys(pollution)) delete polluted[name];
  }
  expect(await rightsOf(process, "bob")).not.toContain("organisation.delete");
});

describe("RBAC-11 what cannot be meant throws where it is set up", () => {
  test.each<object>([
    { store: undefined },
    { store: {} },
    { store: { grants: {} } },
    { maxStalenessMs: -1 },
    { maxStalenessMs: 60_001 },
    { maxStalenessMs: 0.5 },
    { maxStalenessMs: "5" },
    { maxSubjects: 0 },
    { maxSubjects: Number.NaN },
    { policyName: "" },
    { policyName: 5 },
    { onEvent: "log" },
    { keeps: { roles: [] } },
  ])("%j", (option) => {
    const options = { store: createMemoryStore(), ...option };
    expect(() => createAssignments(testPolicy(), options as never)).toThrow(/createAssignments/);
  });

  test("a policy without owners keeps nobody, and its bounds are accepted", async () => {
    const rbac = defineRbac({ permissions: { notes: ["read"] }, roles: { reader: { grants: ["notes.read"] } } });
    for (const maxStalenessMs of [0, 60_000]) {
      const assignments = createAssignments(rbac, { store: createMemoryStore(), maxStalenessMs, maxSubjects: 1 });
      await assignments.assign("program", at("bob"), { role: "reader" });
      expect((await assignments.revoke("program", at("bob"), { role: "reader" })).allowed).toBe(true);
    }
  });
});
