import { expect, test } from "vitest";
import { actor, at, namesOf, ROLES, rightsOf, startProcess } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";

test.each([
  ["cashier", "auditor"],
  ["auditor", "cashier"],
  ["senior_cashier", "auditor"],
  ["auditor", "senior_cashier"],
] as const)("RBAC-29 who holds %s is not assigned %s, however it would be held", async (first, second) => {
  const process = startProcess();
  const { assignments, clock } = process;
  await assignments.assign("program", at("bob"), { role: first });
  for (const how of [{}, { expiresAt: clock.now() + 5 }, { activatableForMs: 5 }]) {
    expect(await assignments.assign("program", at("bob"), { role: second }, how)).toMatchObject({
      ...{ allowed: false, reason: "separation_of_duty", constraint: "till", epoch: undefined },
    });
  }
  expect(await namesOf(process, "bob")).toEqual([`role:${first}`]);
  expect((await assignments.assign("program", at("bob", "elsewhere"), { role: second })).allowed).toBe(true);
});

test("RBAC-29 an assignment that is over keeps nothing apart, and does not come back when the clock is set back", async () => {
  const process = startProcess();
  const { assignments, clock } = process;
  const began = clock.now();
  await assignments.assign("program", at("bob"), { role: "cashier" }, { expiresAt: began + 10 });
  clock.advance(9);
  expect((await assignments.assign("program", at("bob"), { role: "auditor" })).reason).toBe("separation_of_duty");
  clock.advance(1);
  expect((await assignments.assign("program", at("bob"), { role: "auditor" })).allowed).toBe(true);
  clock.set(began);
  expect(await namesOf(process, "bob")).toEqual(["role:auditor"]);
});

test("RBAC-29 roles that must not be active at once may be assigned; the second is not activated, nor assigned as always active", async () => {
  const process = startProcess();
  const { assignments, clock } = process;
  const often = { activatableForMs: 100 };
  expect((await assignments.assign("program", at("bob"), { role: "requester" }, often)).allowed).toBe(true);
  expect((await assignments.assign("program", at("bob"), { role: "chief_approver" }, often)).allowed).toBe(true);
  expect((await assignments.activate("program", at("bob"), { role: "requester" }, 100)).allowed).toBe(true);
  expect(await assignments.activate("program", at("bob"), { role: "chief_approver" }, 1)).toMatchObject({
    ...{ allowed: false, reason: "separation_of_duty", constraint: "four-eyes" },
  });
  expect((await assignments.assign("program", at("bob"), { role: "chief_approver" })).reason).toBe("separation_of_duty");
  clock.advance(100);
  expect((await assignments.activate("program", at("bob"), { role: "chief_approver" }, 100)).allowed).toBe(true);
  expect(await rightsOf(process, "bob")).toEqual(["workflows.approve"]);
  expect((await assignments.activate("program", at("bob"), { role: "requester" }, 1)).reason).toBe("separation_of_duty");
  await assignments.deactivate("program", at("bob"), { role: "chief_approver" });
  expect((await assignments.activate("program", at("bob"), { role: "requester" }, 1)).allowed).toBe(true);
  expect(await rightsOf(process, "bob")).toEqual(["workflows.create"]);
});

test("RBAC-29 of two assignments at once that exclude each other, one is refused: a hundred times", async () => {
  for (let time = 0; time < 100; time += 1) {
    const process = startProcess({ store: gatedGrants() });
    const roles = time % 2 === 0 ? (["cashier", "auditor"] as const) : (["auditor", "senior_cashier"] as const);
    const results = await Promise.all(roles.map((role) => process.assignments.assign("program", at("bob"), { role })));
    expect(results.map(({ reason }) => reason).toSorted()).toEqual(["granted", "separation_of_duty"]);
    expect(await namesOf(process, "bob")).toHaveLength(1);
  }
});

test("RBAC-29 of two activations at once that exclude each other, one is refused: a hundred times", async () => {
  for (let time = 0; time < 100; time += 1) {
    const process = startProcess({ store: gatedGrants() });
    const roles = ["requester", "approver"] as const;
    for (const role of roles) await process.assignments.assign("program", at("bob"), { role }, { activatableForMs: 100 });
    const results = await Promise.all(roles.map((role) => process.assignments.activate("program", at("bob"), { role }, 100)));
    expect(results.map(({ reason }) => reason).toSorted()).toEqual(["granted", "separation_of_duty"]);
    expect(await rightsOf(process, "bob")).toHaveLength(1);
  }
});

test("RBAC-29 roles that a later policy keeps apart count for nothing together, and each can be taken away", async () => {
  const process = startProcess();
  const { assignments } = process;
  for (const role of ["frozen", "auditor", "approver"] as const) await assignments.assign("program", at("bob"), { role });
  await assignments.assign("program", at("bob"), { role: "requester" }, { activatableForMs: 5 });
  // From now on who is an approver is a cashier, and no auditor.
  await assignments.replaceRoles("program", { ...ROLES, approver: { inherits: ["cashier"] } }, 0);
  expect(await rightsOf(process, "bob")).toEqual([]);
  expect((await assignments.assign("program", at("bob"), { role: "viewer" })).reason).toBe("separation_of_duty");
  expect((await assignments.deactivate("program", at("bob"), { role: "requester" })).allowed).toBe(true);
  expect((await assignments.revoke("program", at("bob"), { role: "frozen" })).allowed).toBe(true);
  expect((await assignments.revoke("program", at("bob"), { role: "auditor" })).allowed).toBe(true);
  expect(await rightsOf(process, "bob")).toEqual(["billing.manage"]);
});

test("RBAC-29 personas and organisation roles of the same names are kept apart by nothing", async () => {
  const process = startProcess();
  await process.assignments.assign("program", at("bob"), { role: "viewer" });
  await process.assignments.assign("program", at("bob"), { orgRole: "viewer" });
  await process.assignments.revoke(actor("bob"), at("bob"), { role: "viewer" });
  expect(await namesOf(process, "bob")).toEqual(["orgRole:viewer"]);
});
