import { expect, test } from "vitest";
import type { Assignable } from "@portcullis/rbac";
import { actor, at, keyOf, namesOf, rightsOf, startProcess } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";

type Names = NonNullable<Parameters<ReturnType<typeof startProcess>["assignments"]["assign"]>[2]>;

/** A process in which these hold roles already. */
async function withHolders(holders: Readonly<Record<string, readonly Names[]>>, process = startProcess()) {
  for (const [id, held] of Object.entries(holders)) {
    for (const one of held) {
      const departments = "orgRole" in one && one.orgRole.startsWith("department") ? { departments: ["eng"] } : {};
      expect((await process.assignments.assign("program", at(id), one, departments)).reason).toBe("granted");
    }
  }
  process.events.length = 0;
  return process;
}

test.each([
  ["owner", "owner", true, []],
  ["owner", "member", true, []],
  ["admin", "admin", true, []],
  ["admin", "owner", false, ["organisation.delete"]],
  ["member", "admin", false, ["workflows.delete", "workflows.approve", "organisation.manage", "users.manage", "billing.manage"]],
  ["trainee", "member", false, ["workflows.update"]],
  ["trainee", "trainee", true, []],
] as const)("RBAC-27 %s gives %s: %s, and what it lacks is listed in full", async (has, gives, allowed, missing) => {
  const process = await withHolders({ ada: [{ role: has }] });
  const result = await process.assignments.assign(actor("ada"), at("bob"), { role: gives });
  expect([result.allowed, result.missing]).toEqual([allowed, missing]);
  expect(await namesOf(process, "bob")).toEqual(allowed ? [`role:${gives}`] : []);
  const taken = await process.assignments.revoke(actor("ada"), at("ada"), { role: has });
  // Only what denies it something stands in the way of giving up one's own role; and somebody must be owner.
  const kept = has === "owner" && gives !== "owner";
  expect(taken.reason).toBe(kept ? "last_holder" : has === "trainee" ? "explicit_deny" : "granted");
});

test("RBAC-27 what counts is what the actor holds in the store: its credential says owner, and is out of date", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }], bob: [{ role: "admin" }], carl: [] });
  expect((await process.assignments.assign(actor("mallory"), at("mallory"), { role: "viewer" })).reason).toBe("no_roles");
  // Read for somebody else a moment ago: still in memory, and no longer true.
  const other = startProcess({ store: process.store, maxStalenessMs: 60_000 });
  expect(await rightsOf(other, "bob")).toContain("users.manage");
  expect((await process.assignments.revoke(actor("ada"), at("bob"), { role: "admin" })).allowed).toBe(true);
  const late = await other.assignments.assign(actor("bob"), at("mallory"), { role: "admin" });
  expect(late).toMatchObject({ allowed: false, reason: "no_roles", epoch: undefined });
  expect(late.missing).toContain("users.manage");
  expect(await namesOf(process, "mallory")).toEqual([]);
});

test("RBAC-27 an actor that is demoted while its change waits for the store is refused, when it has to try again", async () => {
  const store = gatedGrants();
  const process = await withHolders({ ada: [{ role: "owner" }], bob: [{ role: "admin" }] }, startProcess({ store }));
  const gate = store.hold("readSubject"); // of mallory: the change begins
  const change = process.assignments.assign(actor("bob"), at("mallory"), { role: "admin" });
  await gate.reached;
  await process.assignments.revoke(actor("ada"), at("bob"), { role: "admin" });
  gate.release();
  expect((await change).reason).toBe("no_roles");
  expect(await namesOf(process, "mallory")).toEqual([]);
});

test.each([
  ["assign", "elsewhere"],
  ["revoke", "elsewhere"],
  ["assign", undefined],
  ["revoke", undefined],
] as const)("RBAC-27 %s by an owner of %s is refused, and does not say what is held", async (change, orgId) => {
  const process = await withHolders({ ada: [{ role: "owner" }], bob: [{ role: "viewer" }, { orgRole: "department_admin" }] });
  await process.assignments.assign("program", at("mallory", orgId ?? ""), { role: "owner" });
  const mallory = actor("mallory", { orgId });
  for (const held of [{ role: "viewer" }, { role: "member" }, { orgRole: "editor" }, { persona: "observer" }] as const) {
    expect((await process.assignments[change](mallory, at("bob"), held)).reason).toBe("wrong_org");
  }
  const other = await process.assignments.assign(mallory, at("bob"), { orgRole: "department_reader" }, { departments: ["hr"] });
  expect(other.reason).toBe("wrong_org");
  expect(await namesOf(process, "bob")).toEqual(["role:viewer", "orgRole:department_admin"]);
});

test("RBAC-27 whoever belongs to an organisation has no say where there is none", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }] });
  expect((await process.assignments.assign(actor("ada"), at("bob", ""), { role: "viewer" })).reason).toBe("wrong_org");
});

test("RBAC-27 an API key gives what its owner has and its scopes cover; none gives a persona", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }, { persona: "manager" }] });
  const give = async (scopes: readonly string[] | undefined, held: Names) =>
    process.assignments.assign(keyOf("ada", scopes), at("bob"), held);
  expect(await give(["workflows.*"], { role: "requester" })).toMatchObject({ allowed: true });
  expect(await give(["workflows.*"], { role: "viewer" })).toMatchObject({
    reason: "out_of_scope",
    missing: ["debates.read", "organisation.read", "users.read"],
  });
  expect((await give(["users.manage"], { orgRole: "editor" })).allowed).toBe(false);
  expect(await give(["workflows.*"], { persona: "manager" })).toMatchObject({ reason: "out_of_scope" });
  expect(await give(["*"], { persona: "manager" })).toMatchObject({ reason: "persona_required" });
  expect(await give(undefined, { role: "admin" })).toMatchObject({ allowed: true });
  expect((await process.assignments.assign(keyOf("mallory", undefined), at("bob"), { role: "viewer" })).reason).toBe("no_roles");
});

test("RBAC-27 an organisation role is given by whoever has it for all that it is given for", async () => {
  const process = await withHolders({
    ada: [{ orgRole: "editor" }],
    dora: [{ orgRole: "department_admin" }],
    vera: [{ orgRole: "viewer" }, { role: "admin" }],
  });
  const give = async (by: string, held: Names, departments?: readonly string[]) =>
    (await process.assignments.assign(actor(by), at("bob"), held, departments && { departments })).reason;
  expect(await give("dora", { orgRole: "department_admin" }, ["hr"])).toBe("wrong_scope");
  expect(await give("dora", { orgRole: "department_admin" }, ["eng", "hr"])).toBe("wrong_scope");
  expect(await give("dora", { orgRole: "editor" })).toBe("scope_param_missing");
  expect(await give("dora", { orgRole: "owner" })).toBe("scope_param_missing");
  // It has the permission everywhere, but no organisation role that changes the organisation.
  expect(await give("vera", { orgRole: "department_admin" }, ["eng"])).toBe("missing_org_role");
  expect(await give("vera", { orgRole: "editor" })).toBe("missing_org_role");
  // Nor does an organisation role give a role, which holds everywhere.
  expect(await give("dora", { role: "viewer" })).toBe("no_roles");
  expect(await give("ada", { orgRole: "editor" })).toBe("granted");
  expect(await give("dora", { orgRole: "department_admin" }, ["ENG"])).toBe("granted");
  expect((await process.assignments.of(at("bob"))).assignments.at(-1)?.departments).toEqual(["eng"]);
  expect(await give("dora", { orgRole: "department_reader" }, ["hr"])).toBe("departments_differ");
});

test("RBAC-27 a persona is given by whoever may do the same; the internal one is the program's to give", async () => {
  const process = await withHolders({ ada: [{ persona: "manager" }], pia: [{ persona: "pair_programmer" }], own: [{ role: "owner" }] });
  const give = async (by: string, held: Assignable) => (await process.assignments.assign(actor(by), at("bob"), held as Names)).reason;
  expect(await give("own", { persona: "observer" })).toBe("persona_required");
  expect(await give("pia", { persona: "manager" })).toBe("persona_required");
  expect(await give("pia", { persona: "board_member" })).toBe("persona_required");
  expect(await give("ada", { persona: "system" })).toBe("persona_required");
  expect(await give("pia", { persona: "observer" })).toBe("granted");
  expect(await give("ada", { persona: "board_member" })).toBe("granted");
  expect((await process.assignments.assign("program", at("robot"), { persona: "system" })).allowed).toBe(true);
  expect((await process.assignments.revoke(actor("ada"), at("robot"), { persona: "system" })).reason).toBe("persona_required");
});

test("RBAC-27 what denies something goes only by whoever has what is denied", async () => {
  const process = await withHolders({
    ada: [{ role: "owner" }],
    mem: [{ role: "member" }],
    bob: [{ role: "admin" }, { role: "frozen" }],
    tom: [{ role: "trainee" }],
  });
  const by = process.assignments;
  expect(await by.revoke(actor("mem"), at("bob"), { role: "frozen" })).toMatchObject({ missing: ["workflows.approve"] });
  expect((await by.revoke(actor("bob"), at("bob"), { role: "frozen" })).reason).toBe("explicit_deny");
  // Another way to be rid of it: to hold it from now on for a moment only, or only when activated.
  expect((await by.assign(actor("bob"), at("bob"), { role: "frozen" }, { activatableForMs: 1 })).reason).toBe("explicit_deny");
  expect((await by.assign(actor("mem"), at("bob"), { role: "frozen" }, { expiresAt: process.clock.now() + 1 })).allowed).toBe(false);
  expect((await by.revoke(actor("tom"), at("tom"), { role: "trainee" })).missing).toEqual(["workflows.update"]);
  expect((await by.revoke(actor("ada"), at("bob"), { role: "frozen" })).allowed).toBe(true);
  expect(await rightsOf(process, "bob")).toContain("workflows.approve");
});

test("RBAC-27 nobody is denied by whoever could not have taken it away: a member does not suspend the owner", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }], mem: [{ role: "member" }], bob: [{ orgRole: "department_admin" }] });
  const by = process.assignments;
  const attempt = await by.assign(actor("mem"), at("ada"), { role: "suspended" });
  expect(attempt).toMatchObject({ allowed: false, reason: "missing_permission" });
  expect(attempt.missing).toContain("organisation.delete");
  expect((await by.assign(actor("mem"), at("ada"), { role: "frozen" })).missing).toEqual(["workflows.approve"]);
  // What it has by an organisation role it would lose too.
  expect((await by.assign(actor("mem"), at("bob"), { role: "suspended" })).missing).toEqual(["users.manage"]);
  expect(await rightsOf(process, "ada")).toContain("organisation.delete");
  // Who has nothing loses nothing, and who has it all may.
  expect((await by.assign(actor("mem"), at("new"), { role: "frozen" })).allowed).toBe(true);
  expect((await by.assign(actor("ada"), at("mem"), { role: "suspended" })).allowed).toBe(true);
});

test("RBAC-27 nobody takes away what they do not have", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }], eve: [{ role: "owner" }], bob: [{ role: "admin" }] });
  expect((await process.assignments.revoke(actor("bob"), at("ada"), { role: "owner" })).missing).toEqual(["organisation.delete"]);
  const demotion = process.assignments.assign(actor("bob"), at("ada"), { role: "owner" }, { expiresAt: process.clock.now() + 1 });
  expect((await demotion).missing).toEqual(["organisation.delete"]);
  expect(await rightsOf(process, "ada")).toContain("organisation.delete");
});

test("RBAC-27 an invitation is an assignment that ends by itself; a default role and a service account are assigned alike", async () => {
  const process = await withHolders({ ada: [{ role: "admin" }] });
  const expiresAt = process.clock.now() + 1_000;
  expect((await process.assignments.assign(actor("ada"), at("guest"), { role: "owner" }, { expiresAt })).missing).toEqual([
    "organisation.delete",
  ]);
  expect((await process.assignments.assign(actor("ada"), at("guest"), { role: "member" }, { expiresAt })).allowed).toBe(true);
  expect((await process.assignments.assign(actor("ada"), at("svc:billing"), { role: "cashier" })).allowed).toBe(true);
  const service = { ...actor("svc:billing"), type: "service", name: "billing", orgRoles: [] } as Parameters<
    typeof process.assignments.resolve
  >[0];
  expect(process.rbac.permissionsOf(await process.assignments.resolve(service))).toEqual(["billing.manage"]);
  // A service gives no more than it has, either.
  expect((await process.assignments.assign(service, at("svc:billing"), { role: "admin" })).allowed).toBe(false);
});

test("RBAC-27 what is held for a time is given for at most that time, to oneself and to others", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }], mem: [{ role: "member" }] });
  const by = process.assignments;
  const expiresAt = process.clock.now() + 1_000;
  await by.assign(actor("ada"), at("mem"), { role: "admin" }, { expiresAt });
  expect((await by.assign(actor("mem"), at("mem"), { role: "admin" })).missing).toContain("users.manage");
  expect((await by.assign(actor("mem"), at("mem"), { role: "admin" }, { expiresAt: expiresAt + 1 })).allowed).toBe(false);
  expect((await by.assign(actor("mem"), at("sock puppet"), { role: "admin" })).allowed).toBe(false);
  expect((await by.assign(actor("mem"), at("sock puppet"), { role: "admin" }, { expiresAt })).allowed).toBe(true);
  // What it has without end it gives without end.
  expect((await by.assign(actor("mem"), at("new"), { role: "member" })).allowed).toBe(true);
});

test("RBAC-27 what is denied for a time is not given meanwhile, neither for that time nor for longer", async () => {
  const process = await withHolders({ ada: [{ role: "admin" }] });
  const expiresAt = process.clock.now() + 1_000;
  await process.assignments.assign("program", at("ada"), { role: "frozen" }, { expiresAt });
  const give = async (how?: { readonly expiresAt: number }) =>
    (await process.assignments.assign(actor("ada"), at("bob"), { role: "approver" }, how)).reason;
  expect([await give(), await give({ expiresAt }), await give({ expiresAt: expiresAt + 1 })]).toEqual(Array(3).fill("explicit_deny"));
  process.clock.advance(1_000);
  expect(await give()).toBe("granted");
});

test("RBAC-27 to assign anew is to take away as well: what it was held for before, and what it denied", async () => {
  const process = await withHolders({ dora: [{ orgRole: "department_admin" }], mem: [{ role: "member" }], new: [{ role: "frozen" }] });
  const both = { departments: ["eng", "hr"] };
  await process.assignments.assign("program", at("bob"), { orgRole: "department_admin" }, both);
  const narrowed = process.assignments.assign(actor("dora"), at("bob"), { orgRole: "department_admin" }, { departments: ["eng"] });
  expect((await narrowed).reason).toBe("wrong_scope");
  const ending = process.assignments.assign(actor("mem"), at("new"), { role: "frozen" }, { expiresAt: process.clock.now() + 1 });
  expect((await ending).missing).toEqual(["workflows.approve"]);
});

test("RBAC-27 nobody frees its own role from being activated, or makes it last longer when it is", async () => {
  const process = await withHolders({ ada: [{ role: "owner" }] });
  const by = process.assignments;
  await by.assign(actor("ada"), at("mem"), { role: "admin" }, { activatableForMs: 1_000 });
  await by.activate("program", at("mem"), { role: "admin" }, 1_000);
  expect((await by.assign(actor("mem"), at("mem"), { role: "admin" })).allowed).toBe(false);
  expect((await by.assign(actor("mem"), at("mem"), { role: "admin" }, { activatableForMs: 1_001 })).allowed).toBe(false);
  expect((await by.assign(keyOf("mem", undefined), at("mem"), { role: "admin" })).allowed).toBe(false);
  expect((await by.assign(actor("mem"), at("mem"), { role: "admin" }, { activatableForMs: 999 })).allowed).toBe(true);
  // Administration is what it is activated for.
  await by.activate("program", at("mem"), { role: "admin" }, 999);
  expect((await by.assign(actor("mem"), at("new"), { role: "member" })).allowed).toBe(true);
});

test("RBAC-27 where and to whom is read once: an object that changes meanwhile does not lead a change elsewhere", async () => {
  const store = gatedGrants();
  const process = startProcess({ store });
  await process.assignments.assign("program", at("mallory", "hers"), { role: "owner" });
  const place = { subjectId: "mallory", orgId: "acme" };
  const gate = store.hold("readSubject");
  const change = process.assignments.assign(actor("mallory", { orgId: "hers" }), place, { role: "owner" });
  await gate.reached;
  place.orgId = "hers";
  gate.release();
  expect((await change).reason).toBe("wrong_org");
  expect(await namesOf(process, "mallory")).toEqual([]);
});
