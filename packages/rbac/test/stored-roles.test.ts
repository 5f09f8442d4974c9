import { createMemoryStore } from "@portcullis/core";
import { createAssignments, defineRbac, type RoleDefinitions, standardPermissions } from "@portcullis/rbac";
import { describe, expect, test } from "vitest";
import { actor, at, keyOf, ROLES, rightsOf, startProcess, testPolicy } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";

const ROOT = { orgId: undefined };

/** A process in which these hold a role where there is no organisation: roles are changed from there. */
async function withRoots(holders: Readonly<Record<string, keyof typeof ROLES>>, process = startProcess()) {
  for (const [id, role] of Object.entries(holders)) await process.assignments.assign("program", at(id, ""), { role });
  process.events.length = 0;
  return process;
}

/** The roles of the tests, with these instead. */
function rolesWith(others: RoleDefinitions): RoleDefinitions {
  return { ...ROLES, ...others };
}

describe("RBAC-27 replaceRoles by an admin", () => {
  const { cashier: _, ...withoutCashier } = ROLES;
  const { auditor: __, ...withoutAuditor } = ROLES;
  test.each<[string, RoleDefinitions, readonly string[]]>([
    ["creates a role of what it has", rolesWith({ helper: { grants: ["users.*"] } }), []],
    ["creates a role of more", rolesWith({ helper: { grants: ["*"] } }), ["organisation.delete"]],
    ["creates a role that inherits more", rolesWith({ helper: { inherits: ["owner"] } }), ["organisation.delete"]],
    ["creates a role with a denial", rolesWith({ helper: { grants: ["*.read"], denies: ["organisation.delete"] } }), []],
    ["edits a role within what it has", rolesWith({ requester: { grants: ["workflows.create", "users.manage"] } }), []],
    ["adds what it has not", rolesWith({ requester: { grants: ["organisation.delete"] } }), ["organisation.delete"]],
    ["takes away what it has not", rolesWith({ owner: { inherits: ["admin"] } }), ["organisation.delete"]],
    ["takes away what it has", rolesWith({ requester: {} }), []],
    ["removes a denial of what it has", rolesWith({ frozen: {} }), []],
    ["removes a denial of what it has not", rolesWith({ suspended: { denies: ["workflows.*"] } }), ["organisation.delete"]],
    ["denies what it has", rolesWith({ viewer: { grants: ["*.read"], denies: ["workflows.approve"] } }), ["organisation.delete"]],
    ["denies what it has, to roles below it", rolesWith({ cashier: { ...ROLES.cashier, denies: ["users.manage"] } }), []],
    ["denies what it has not", rolesWith({ cashier: { ...ROLES.cashier, denies: ["organisation.*"] } }), ["organisation.delete"]],
    ["inherits where nothing changes", rolesWith({ owner: { grants: ["*"] } }), ["organisation.delete"]],
  ])("%s", async (_title, roles, missing) => {
    const process = await withRoots({ ada: "admin" });
    const result = await process.assignments.replaceRoles(actor("ada", ROOT), roles, 0);
    expect([result.allowed, result.missing]).toEqual([missing.length === 0, missing]);
    expect(process.assignments.rolesRevision).toBe(missing.length === 0 ? 1 : 0);
    expect(process.rbac.policyVersion).toBe(missing.length === 0 ? 2 : 1);
    expect(process.events).toHaveLength(1);
  });

  test("removes a role that gives no more than it has; a role that a constraint names cannot go", async () => {
    const process = await withRoots({ ada: "admin", bob: "viewer" });
    await expect(process.assignments.replaceRoles(actor("ada", ROOT), withoutCashier, 0)).rejects.toMatchObject({ code: "unknown_role" });
    await expect(process.assignments.replaceRoles("program", withoutAuditor, 0)).rejects.toMatchObject({ code: "unknown_role" });
    const { trainee: _trainee, ...withoutTrainee } = ROLES;
    expect((await process.assignments.replaceRoles(actor("bob", ROOT), withoutTrainee, 0)).missing).toContain("workflows.update");
    expect((await process.assignments.replaceRoles(actor("ada", ROOT), withoutTrainee, 0)).allowed).toBe(true);
    expect(process.events.map((event) => "roles" in event && event.roles)).toEqual([["trainee"], ["trainee"]]);
  });
});

test("RBAC-27 roles mean the same everywhere: who owns an organisation does not change them, unless they are that organisation's", async () => {
  const generous = rolesWith({ viewer: { grants: ["*"] } });
  const process = startProcess();
  await process.assignments.assign("program", at("mallory"), { role: "owner" });
  expect((await process.assignments.replaceRoles(actor("mallory"), generous, 0)).reason).toBe("wrong_org");
  expect((await process.assignments.replaceRoles(actor("mallory", ROOT), generous, 0)).reason).toBe("no_roles");
  const own = startProcess({ store: process.store, rolesOrgId: "acme" });
  expect((await own.assignments.replaceRoles(actor("mallory"), generous, 0)).allowed).toBe(true);
  expect((await own.assignments.replaceRoles(actor("mallory", ROOT), generous, 1)).reason).toBe("wrong_org");
  expect(() => startProcess({ rolesOrgId: 5 as never })).toThrow(/rolesOrgId/);
});

test("RBAC-27 who changes roles has what it changes without end, within its scopes, and in the store", async () => {
  const process = await withRoots({ ada: "owner" });
  const generous = rolesWith({ requester: { grants: ["workflows.*"] } });
  await process.assignments.assign("program", at("temp", ""), { role: "owner" }, { expiresAt: process.clock.now() + 1_000 });
  expect((await process.assignments.replaceRoles(actor("temp", ROOT), generous, 0)).allowed).toBe(false);
  const key = (scopes: readonly string[]) => ({ ...keyOf("ada", scopes), orgId: undefined });
  expect((await process.assignments.replaceRoles(key(["workflows.read"]), generous, 0)).reason).toBe("out_of_scope");
  expect((await process.assignments.replaceRoles(key(["workflows.*"]), generous, 0)).allowed).toBe(true);
});

test("RBAC-27 what is stored is what was looked at, also where the caller's object changes meanwhile", async () => {
  const store = gatedGrants();
  const process = await withRoots({ ada: "admin" }, startProcess({ store }));
  const roles: Record<string, RoleDefinitions[string]> = { ...rolesWith({ helper: { grants: ["users.read"] } }) };
  for (const operation of ["readPolicy", "readSubject"] as const) {
    const gate = store.hold(operation);
    const replaced = process.assignments.replaceRoles(actor("ada", ROOT), roles, process.assignments.rolesRevision);
    await gate.reached;
    roles["helper"] = { grants: ["*"] };
    gate.release();
    expect((await replaced).allowed).toBe(true);
    expect(process.rbac.describeRole("helper")?.allowed).toEqual(["users.read"]);
    const stored = JSON.parse((await store.grants.readPolicy("rbac"))?.value ?? "") as RoleDefinitions;
    expect(stored["helper"]).toEqual({ grants: ["users.read"] });
    roles["helper"] = { grants: ["users.read"] };
  }
});

describe("the policy version", () => {
  test("is the policy's own and the revision, in every process, and decisions carry it", async () => {
    const one = startProcess();
    const two = startProcess({ store: one.store });
    expect([one.rbac.policyVersion, one.assignments.rolesRevision]).toEqual([1, 0]);
    for (let revision = 0; revision < 3; revision += 1) {
      const result = await one.assignments.replaceRoles("program", rolesWith({ requester: { grants: ["users.read"] } }), revision);
      expect(result).toMatchObject({ allowed: true, epoch: revision + 1 });
    }
    expect(two.rbac.policyVersion).toBe(1);
    await two.assignments.refresh();
    const late = startProcess({ store: one.store });
    await late.assignments.resolve(actor("bob"));
    for (const { rbac, assignments } of [one, two, late]) {
      expect([rbac.policyVersion, assignments.rolesRevision]).toEqual([4, 3]);
      expect(rbac.check({ roles: ["requester"] }, "users.read")).toMatchObject({ allowed: true, policyVersion: 4 });
      expect(rbac.check({ roles: [] }, "users.read")).toMatchObject({ allowed: false, policyVersion: 4 });
    }
  });

  test("RBAC-31 another process has the new roles within exactly maxStalenessMs, and uses them in changes at once", async () => {
    const one = startProcess();
    const two = startProcess({ store: one.store });
    await one.assignments.assign("program", at("bob"), { role: "requester" });
    expect(await rightsOf(two, "bob")).toEqual(["workflows.create"]);
    await one.assignments.replaceRoles("program", rolesWith({ requester: {} }), 0);
    two.clock.advance(999);
    expect(await rightsOf(two, "bob")).toEqual(["workflows.create"]);
    two.clock.advance(1);
    expect(await rightsOf(two, "bob")).toEqual([]);
    await one.assignments.replaceRoles("program", rolesWith({ requester: { grants: ["*"] } }), 1);
    await one.assignments.assign("program", at("ada"), { role: "admin" });
    expect((await two.assignments.assign(actor("ada"), at("carl"), { role: "requester" })).missing).toEqual(["organisation.delete"]);
  });

  test("RBAC-31 the bound begins when a read of the roles begins, not when it ends", async () => {
    const store = gatedGrants();
    const one = startProcess({ store });
    const two = startProcess({ store });
    await one.assignments.assign("program", at("bob"), { role: "requester" });
    const gate = store.hold("readPolicy");
    const slow = rightsOf(two, "bob");
    await gate.reached;
    two.clock.advance(999);
    await one.assignments.replaceRoles("program", rolesWith({ requester: {} }), 0);
    gate.release();
    expect(await slow).toEqual(["workflows.create"]);
    two.clock.advance(1);
    expect(await rightsOf(two, "bob")).toEqual([]);
  });

  test("of two writers of one revision one wins, in one process or in two: a hundred times", async () => {
    for (let time = 0; time < 100; time += 1) {
      const store = gatedGrants();
      const one = startProcess({ store });
      const two = time % 2 === 0 ? one : startProcess({ store });
      const results = await Promise.all([
        one.assignments.replaceRoles("program", rolesWith({ requester: {} }), 0),
        two.assignments.replaceRoles("program", rolesWith({ approver: {} }), 0),
      ]);
      expect(results.map(({ reason }) => reason).toSorted()).toEqual(["changed_meanwhile", "granted"]);
      await Promise.all([one.assignments.refresh(), two.assignments.refresh()]);
      const states = [one, two].map(({ rbac }) => [
        rbac.policyVersion,
        rbac.describeRole("requester")?.allowed,
        rbac.describeRole("approver")?.allowed,
      ]);
      expect(states[0]).toEqual(states[1]);
    }
  });

  test("a read that began before a change and ends after it does not bring the old roles back", async () => {
    const store = gatedGrants();
    const { assignments, rbac } = startProcess({ store });
    await assignments.replaceRoles("program", ROLES, 0);
    const gate = store.hold("readPolicy");
    const refreshed = assignments.refresh();
    await gate.reached;
    await assignments.replaceRoles("program", rolesWith({ requester: {} }), 1);
    gate.release();
    await refreshed;
    expect([rbac.policyVersion, rbac.describeRole("requester")?.allowed]).toEqual([3, []]);
  });

  test("an old revision, and roles that do not compile, change nothing", async () => {
    const { assignments, rbac, events } = startProcess();
    for (const revision of [1, -1, 0.5, Number.NaN])
      expect((await assignments.replaceRoles("program", ROLES, revision)).reason).toBe("changed_meanwhile");
    expect(events).toHaveLength(4);
    await expect(assignments.replaceRoles("program", rolesWith({ x: { grants: ["no.such"] } }), 0)).rejects.toMatchObject({
      code: "unknown_permission",
    });
    await expect(assignments.replaceRoles("program", rolesWith({ x: { inherits: ["x"] } }), 0)).rejects.toMatchObject({
      code: "role_cycle",
    });
    await expect(assignments.replaceRoles("program", rolesWith({ X: {} }), 0)).rejects.toMatchObject({ code: "invalid_name" });
    const polluting = JSON.parse('{"__proto__":{"grants":["*"]}}') as RoleDefinitions; // as a body would be
    await expect(assignments.replaceRoles("program", { ...ROLES, ...polluting, x: polluting }, 0)).rejects.toThrow();
    expect([rbac.policyVersion, assignments.rolesRevision]).toEqual([1, 0]);
  });

  test("policies of other names in one store are others", async () => {
    const one = startProcess();
    const two = startProcess({ store: one.store, policyName: "other" });
    await one.assignments.replaceRoles("program", rolesWith({ requester: {} }), 0);
    await two.assignments.refresh();
    expect([two.rbac.policyVersion, two.assignments.rolesRevision]).toEqual([1, 0]);
  });
});

describe("two releases on one store", () => {
  const newer = () => defineRbac({ permissions: { ...standardPermissions, vault: ["open"] }, roles: ROLES, policyVersion: 1 });

  test("RBAC-5 a stored role is loaded without the permissions that this release does not declare, and with all others", async () => {
    const store = createMemoryStore();
    const later = createAssignments(newer(), { store });
    const stored = rolesWith({ requester: { grants: ["vault.*", "vault.open", "workflows.read"], denies: ["vault.open"] } });
    expect((await later.replaceRoles("program", stored, 0)).allowed).toBe(true);
    const { assignments, rbac } = startProcess({ store });
    await assignments.refresh();
    expect(rbac.describeRole("requester")).toMatchObject({ allowed: ["workflows.read"], denied: [] });
    expect(rbac.check({ roles: ["requester"] }, "vault.open" as "users.read")).toMatchObject({ reason: "unknown_permission" });
  });

  test("RBAC-27 a denial that this release does not know is not removed through it", async () => {
    const store = createMemoryStore();
    await createAssignments(newer(), { store }).replaceRoles(
      "program",
      rolesWith({ helper: { inherits: ["viewer"], denies: ["vault.open"] } }),
      0,
    );
    const process = await withRoots({ ada: "owner" }, startProcess({ store }));
    const without = rolesWith({ helper: { inherits: ["viewer"] } });
    expect(await process.assignments.replaceRoles(actor("ada", ROOT), without, 1)).toMatchObject({
      allowed: false,
      reason: "unknown_permission",
    });
    expect((await process.assignments.replaceRoles("program", without, 1)).allowed).toBe(true);
  });

  test("a role that is removed while somebody holds it counts for nothing; who has everything takes it away", async () => {
    const process = await withRoots({});
    const { assignments } = process;
    await assignments.replaceRoles("program", rolesWith({ helper: { grants: ["users.*"], denies: ["billing.manage"] } }), 0);
    await assignments.assign("program", at("bob"), { role: "helper" as "viewer" });
    await assignments.assign("program", at("bob"), { role: "admin" });
    await assignments.assign("program", at("ada"), { role: "owner" });
    expect(await rightsOf(process, "bob")).not.toContain("billing.manage");
    await assignments.replaceRoles("program", ROLES, 1);
    expect(await rightsOf(process, "bob")).toContain("billing.manage");
    expect((await assignments.assign("program", at("bob"), { role: "helper" as "viewer" })).reason).toBe("unknown_role");
    // To one that does not know it, it may have been a denial.
    expect((await assignments.revoke(actor("bob"), at("bob"), { role: "helper" as "viewer" })).missing).toEqual(["organisation.delete"]);
    expect((await assignments.revoke(actor("ada"), at("bob"), { role: "helper" as "viewer" })).allowed).toBe(true);
    expect((await assignments.of(at("bob"))).assignments.map(({ name }) => name)).toEqual(["admin"]);
  });
});

test("RBAC-9 stored roles are not the caller's object, and a check sees one policy or the other", async () => {
  const rbac = testPolicy();
  const assignments = createAssignments(rbac, { store: createMemoryStore() });
  const grants = ["users.read"];
  await assignments.replaceRoles("program", rolesWith({ requester: { grants } }), 0);
  grants.push("*");
  await assignments.refresh();
  expect(rbac.describeRole("requester")?.grants).toEqual(["users.read"]);
});
