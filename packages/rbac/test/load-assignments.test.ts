import { createGuardChain, type Guard, type Principal } from "@portcullis/core";
import { loadAssignments, requirePermission, requireRoles, resolvedPrincipalFact } from "@portcullis/rbac";
import { describe, expect, test, vi } from "vitest";
import { actor, at, keyOf, startProcess } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";
import { requestOf, run } from "./request.js";

/** A principal that a trusted caller vouches for, with these roles. */
function forwarded(id: string, roles: readonly string[], more: Partial<Principal> = {}): Principal {
  return { ...actor(id), roles, authMethod: "forwarded", via: "gateway", ...more } as Principal; // no part changes its type
}

describe("a resolved principal", () => {
  test("has what its subject holds in its organisation, and nothing of its credential's", async () => {
    const { assignments } = startProcess();
    for (const held of [{ role: "viewer" }, { orgRole: "editor" }, { persona: "observer" }] as const)
      await assignments.assign("program", at("bob"), held);
    const resolved = await assignments.resolve(actor("bob"));
    expect(resolved).toEqual({
      ...actor("bob"),
      ...{ roles: ["viewer"], orgRoles: ["editor"], personas: ["observer"], scopedDepartments: [], subjectEpoch: 3 },
    });
    for (const part of [resolved, resolved.roles, resolved.orgRoles, resolved.personas, resolved.scopedDepartments])
      expect(Object.isFrozen(part)).toBe(true);
    for (const orgId of ["elsewhere", undefined, ""])
      expect(await assignments.resolve(actor("bob", { orgId }))).toMatchObject({ roles: [], orgRoles: [], personas: [], subjectEpoch: 0 });
    await assignments.assign("program", at("bob", ""), { role: "member" });
    expect((await assignments.resolve(actor("bob", { orgId: undefined }))).roles).toEqual(["member"]);
  });

  test("an API key has those roles of its owner that it names, within its scopes, no persona, and is denied what its owner is", async () => {
    const { assignments, rbac } = startProcess();
    await assignments.assign("program", at("bob"), { role: "admin" });
    await assignments.assign("program", at("bob"), { role: "frozen" });
    await assignments.assign("program", at("bob"), { persona: "ceo" });
    const may = async (scopes: readonly string[] | undefined) =>
      rbac.permissionsOf(await assignments.resolve(keyOf("bob", scopes, ["admin", "owner"])));
    expect(await assignments.resolve(keyOf("bob", undefined, ["viewer"]))).toMatchObject({ roles: ["frozen"], personas: [] });
    expect(await may(["*.approve"])).toEqual([]);
    expect(await may(["workflows.delete", "organisation.delete"])).toEqual(["workflows.delete"]);
    expect(await may(undefined)).toContain("users.manage");
    expect(await may([])).toEqual([]);
  });

  test("RBAC-23 one that a caller vouches for has the roles that both the caller named and it holds; no others, no persona", async () => {
    const { assignments } = startProcess();
    for (const held of [{ role: "admin" }, { role: "viewer" }, { orgRole: "editor" }, { persona: "ceo" }] as const)
      await assignments.assign("program", at("bob"), held);
    expect(await assignments.resolve(forwarded("bob", ["viewer", "owner", "nobody", "__proto__"]))).toMatchObject({
      ...{ roles: ["viewer"], orgRoles: [], personas: [], via: "gateway", scopes: undefined },
    });
    expect((await assignments.resolve(forwarded("bob", []))).roles).toEqual([]);
    // By name: that admin inherits member says nothing of what the caller vouches for.
    expect((await assignments.resolve(forwarded("bob", ["member"]))).roles).toEqual([]);
  });

  test("RBAC-6 RBAC-23 a caller that leaves a role out does not free its user from what that role denies", async () => {
    const { assignments, rbac } = startProcess();
    for (const role of ["admin", "frozen"] as const) await assignments.assign("program", at("bob"), { role });
    const may = async (roles: readonly string[], more?: Partial<Principal>) =>
      rbac.permissionsOf(await assignments.resolve(forwarded("bob", roles, more)));
    expect(await may(["admin"])).toEqual(await may(["admin", "frozen"]));
    expect(await may(["admin"])).not.toContain("workflows.approve");
    // A role that denies and gives: what it gives is not named, so it is not had.
    await assignments.assign("program", at("tom"), { role: "approver" });
    await assignments.assign("program", at("tom"), { role: "trainee" });
    const tom = await assignments.resolve(forwarded("tom", ["approver"]));
    expect(rbac.permissionsOf(tom)).toEqual(["workflows.approve"]);
    expect(rbac.checkRoles(tom, ["member"]).allowed).toBe(false);
    await assignments.assign("program", at("tom"), { role: "admin" });
    const admin = await assignments.resolve(forwarded("tom", ["admin"]));
    expect(rbac.permissionsOf(admin)).toContain("users.manage");
    expect(rbac.permissionsOf(admin)).not.toContain("workflows.update");
    const bounded = await assignments.resolve(forwarded("tom", ["admin"], { scopes: ["workflows.*"] }));
    expect(rbac.permissionsOf(bounded)).toEqual([
      "workflows.read",
      "workflows.create",
      "workflows.delete",
      "workflows.execute",
      "workflows.approve",
    ]);
  });

  test("RBAC-27 an actor that a caller vouches for gives no more than the roles that were named", async () => {
    const { assignments } = startProcess();
    await assignments.assign("program", at("ada"), { role: "owner" });
    await assignments.assign("program", at("ada"), { role: "viewer" });
    expect((await assignments.assign(forwarded("ada", ["viewer"]), at("bob"), { role: "member" })).allowed).toBe(false);
    expect((await assignments.assign(forwarded("ada", ["viewer"]), at("bob"), { role: "viewer" })).allowed).toBe(true);
  });

  test("the system's own is what it is, frozen, and nothing is read for it", async () => {
    const store = gatedGrants();
    const { assignments } = startProcess({ store });
    store.fail(true);
    const system = { ...actor("cron"), type: "system", audience: "jobs", authMethod: "system", roles: ["admin"] } as Principal; // as above
    const resolved = assignments.resolve(system, { consistency: "strong" });
    expect(resolved).toEqual({ ...system, subjectEpoch: 0 });
    expect(Object.isFrozen(resolved)).toBe(true);
    store.fail(false);
    expect((await assignments.assign(system, at("bob"), { role: "admin" })).allowed).toBe(true);
    expect((await assignments.assign(system, at("bob"), { role: "owner" })).missing).toEqual(["organisation.delete"]);
  });
});

describe("loadAssignments", () => {
  test("gives every guard behind it the roles of the store", async () => {
    const { assignments, rbac } = startProcess();
    await assignments.assign("program", at("bob"), { role: "viewer" });
    const passes = async (guard: Guard) => (await run([loadAssignments(assignments), guard], requestOf(actor("bob")))).stop;
    expect(await passes(requirePermission(rbac, "workflows.read"))).toBeUndefined();
    expect(await passes(requirePermission(rbac, "workflows.delete"))).toMatchObject({ problem: { status: 403 } });
    expect(await passes(requireRoles(rbac, ["owner"]))).toMatchObject({ problem: { status: 403 } });
    // Twice: the second time it is remembered, and answered without waiting.
    expect(createGuardChain([loadAssignments(assignments)]).run(requestOf(actor("bob")))).not.toBeInstanceOf(Promise);
  });

  test("a request without a principal passes, and has none behind it either", async () => {
    const { assignments, rbac } = startProcess();
    const request = requestOf(undefined);
    expect((await run([loadAssignments(assignments)], request)).stop).toBeUndefined();
    expect(request.facts.get(resolvedPrincipalFact)).toBeUndefined();
    const stop = (await run([loadAssignments(assignments), requirePermission(rbac, "workflows.read")], requestOf(undefined))).stop;
    expect(stop).toMatchObject({ problem: { status: 401 } });
  });

  test.each([
    ["rejects", "bounded"],
    ["rejects", "strong"],
    ["throws", "bounded"],
    ["throws", "strong"],
  ] as const)("RBAC-10 where the store %s the answer to a %s read is 503, and no guard behind it is asked", async (how, consistency) => {
    const store = gatedGrants({ throws: how === "throws" });
    const { assignments } = startProcess({ store });
    store.fail(true);
    const behind = vi.fn();
    const request = requestOf(actor("bob"));
    const { stop } = await run([loadAssignments(assignments, { consistency }), { name: "behind", check: behind }], request);
    expect(stop).toMatchObject({ kind: "deny", problem: { status: 503 } });
    expect(behind).not.toHaveBeenCalled();
    expect(request.facts.get(resolvedPrincipalFact)).toBeUndefined();
    store.fail(false);
    expect((await run([loadAssignments(assignments)], requestOf(actor("bob")))).stop).toBeUndefined();
  });

  test("RBAC-10 where only the subject cannot be read it is 503 as well", async () => {
    for (const throws of [true, false]) {
      const store = gatedGrants({ throws });
      const { assignments } = startProcess({ store });
      await assignments.refresh();
      store.fail(true);
      expect((await run([loadAssignments(assignments)], requestOf(actor("bob")))).stop).toMatchObject({ problem: { status: 503 } });
    }
  });

  test("strong asks the store each time: what another process took away is gone at once", async () => {
    const here = startProcess();
    const there = startProcess({ store: here.store });
    await here.assignments.assign("program", at("bob"), { role: "viewer" });
    const guards = [loadAssignments(there.assignments, { consistency: "strong" }), requirePermission(there.rbac, "workflows.read")];
    expect((await run(guards, requestOf(actor("bob")))).stop).toBeUndefined();
    await here.assignments.revoke("program", at("bob"), { role: "viewer" });
    expect((await run(guards, requestOf(actor("bob")))).stop).toMatchObject({ problem: { status: 403 } });
  });

  test.each([{ consistency: "weak" }, { consistency: undefined, fresh: true }, null])(
    "RBAC-11 options %j throw where it is made",
    (options) => {
      const { assignments } = startProcess();
      expect(() => loadAssignments(assignments, options as never)).toThrow(/loadAssignments/);
    },
  );
});
