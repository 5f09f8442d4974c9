import { createMemoryStore, type Principal, principalFact } from "@portcullis/core";
import {
  checkedScopeFact,
  createAssignments,
  defineRbac,
  type RoleDefinitions,
  requireAuthentication,
  requireOrgMutation,
  requirePermission,
  requirePersona,
  secureEndpoint,
  standardOrgRoles,
  standardPersonas,
} from "@portcullis/rbac";
import { describe, expect, test } from "vitest";
import { actor, at, ROLES, startProcess } from "./assignment-setup.js";
import { requestOf, run, userWith } from "./request.js";

// Sequences that gave somebody more than it had, once.
describe("RBAC-27 by way of stored roles", () => {
  test("an activation does not become permanent in what is stored", async () => {
    const { assignments, clock } = startProcess();
    await assignments.assign("program", at("jit", ""), { role: "viewer" });
    await assignments.assign("program", at("jit", ""), { role: "owner" }, { activatableForMs: 1_000 });
    const jit = actor("jit", { orgId: undefined });
    await assignments.activate(jit, at("jit", ""), { role: "owner" }, 1_000);
    const raised: RoleDefinitions = { ...ROLES, viewer: { grants: ["*"] } };
    expect((await assignments.replaceRoles(jit, raised, 0)).allowed).toBe(false);
    clock.advance(1_000);
    expect((await assignments.resolve(jit)).roles).toEqual(["viewer"]);
  });

  test("a role that inherits another and denies all of it is not that other one for free: guards that ask for roles would take it", async () => {
    const { assignments } = startProcess();
    await assignments.assign("program", at("eve", ""), { role: "viewer" });
    const eve = actor("eve", { orgId: undefined });
    const marked: RoleDefinitions = { ...ROLES, marked: { inherits: ["owner"], denies: ["*"] } };
    expect((await assignments.replaceRoles(eve, marked, 0)).allowed).toBe(false);
    expect((await assignments.replaceRoles("program", marked, 0)).allowed).toBe(true);
    expect((await assignments.assign(eve, at("eve", ""), { role: "marked" as "viewer" })).allowed).toBe(false);
  });

  test("roles of an earlier release that a new constraint does not fit lock nobody out", async () => {
    const store = createMemoryStore();
    const permissions = { notes: ["read"] } as const;
    const roles = { reader: { grants: ["*"] }, other: {}, owner: { grants: ["*"] } } as const;
    const earlier = createAssignments(defineRbac({ permissions, roles }), { store });
    await earlier.replaceRoles("program", { reader: roles.reader, both: { inherits: ["reader"] }, owner: roles.owner }, 0);
    await earlier.assign("program", at("ada"), { role: "reader" });
    await earlier.assign("program", at("bob"), { role: "both" as "reader" });
    const apart = { name: "apart", roles: ["reader", "other", "both"] } as const;
    const rbac = defineRbac({ permissions, roles: { ...roles, both: {} }, constraints: { static: [apart] } });
    const later = createAssignments(rbac, { store });
    expect(rbac.permissionsOf(await later.resolve(actor("ada")))).toEqual(["notes.read"]);
    // Nobody could hold it: it counts for nothing.
    expect(rbac.permissionsOf(await later.resolve(actor("bob")))).toEqual([]);
    expect((await later.replaceRoles("program", { ...roles, both: {} }, 1)).allowed).toBe(true);
  });
});

describe("RBAC-27 personas", () => {
  test("one of the same rank is given by who has it, a lower one by who may more", async () => {
    const { assignments } = startProcess();
    await assignments.assign("program", at("mia"), { persona: "manager" });
    await assignments.assign("program", at("cem"), { persona: "ceo" });
    const give = async (by: string, persona: string) => (await assignments.assign(actor(by), at("eve"), { persona } as never)).allowed;
    expect([await give("mia", "ceo"), await give("mia", "manager"), await give("mia", "observer")]).toEqual([false, true, true]);
    expect([await give("cem", "ceo"), await give("cem", "manager"), await give("cem", "board_member")]).toEqual([true, false, true]);
  });

  test("RBAC-18 a credential made for less does not carry one", () => {
    const rbac = defineRbac({ permissions: { a: ["read"] }, roles: { none: {} }, personas: standardPersonas });
    const ceo = { roles: [], personas: ["ceo"] };
    expect(rbac.checkPersona({ ...ceo, scopes: ["a.read"] }, "approve").reason).toBe("out_of_scope");
    expect(rbac.checkPersona({ ...ceo, scopes: ["*"] }, "approve").allowed).toBe(true);
    const guard = requirePersona(rbac, "ceo");
    expect(guard.check(requestOf(userWith([], { personas: ["ceo"], scopes: ["a.read"] })))).toMatchObject({ kind: "deny" });
  });
});

test("RBAC-6 who is denied everything changes no organisation either", () => {
  const rbac = defineRbac({
    permissions: { a: ["read", "write"] },
    roles: { suspended: { denies: ["*"] }, muted: { denies: ["*.write"] }, halves: { denies: ["*.read"] } },
    orgRoles: standardOrgRoles,
  });
  const owner = (...roles: string[]) => rbac.checkOrgMutation({ roles, orgId: "o", orgRoles: ["owner"] }, { org: "o" });
  expect(owner().allowed).toBe(true);
  expect(owner("muted").allowed).toBe(true);
  expect(owner("suspended")).toMatchObject({ allowed: false, reason: "explicit_deny" });
  expect(owner("muted", "halves").reason).toBe("explicit_deny");
});

describe("guards that were misled", () => {
  const rbac = defineRbac({
    permissions: { teams: ["move"] },
    roles: { mover: { grants: ["teams.move"] } },
    orgRoles: standardOrgRoles,
  });

  test("RBAC-10 a principal that is null is none", async () => {
    const request = requestOf(undefined);
    request.facts.set(principalFact, null as unknown as Principal);
    expect(requireAuthentication().check(request)).toMatchObject({ kind: "deny", problem: { status: 401 } });
    expect((await run([secureEndpoint(rbac, {})], request)).stop).toMatchObject({ problem: { status: 401 } });
  });

  test("RBAC-16 two departments of one request that differ: the handler runs for neither", async () => {
    const guards = [
      requirePermission(rbac, "teams.move", { departmentParam: "from" }),
      requireOrgMutation(rbac, { departmentParam: "to" }),
    ];
    const mover = userWith(["mover"], { orgId: "o", orgRoles: ["owner"] });
    const same = requestOf(mover, { from: "ENG", to: "eng" });
    expect((await run(guards, same)).stop).toBeUndefined();
    expect(same.facts.get(checkedScopeFact)).toEqual({ department: "eng" });
    expect((await run(guards, requestOf(mover, { from: "eng", to: "hr" }))).stop).toMatchObject({ problem: { status: 500 } });
  });
});
