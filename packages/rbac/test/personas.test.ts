import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALLOW, type Guard, type Principal } from "@portcullis/core";
import {
  defineRbac,
  type Identity,
  requireAccessFor,
  requireApprovalAccess,
  requirePermission,
  requirePersona,
  requireReadAccess,
  requireWriteAccess,
  secureEndpoint,
  standardPermissions,
  standardPersonas,
  standardRoles,
} from "@portcullis/rbac";
import { codeOf } from "./code-of.js";
import { identities, orgRoles, places, roles, tree, universe } from "./small-policies.js";
import { requestOf, run, userWith } from "./request.js";

const permissions = { reports: ["read", "list", "write"] } as const;
const rbac = defineRbac({
  permissions,
  roles: { reader: { grants: ["reports.read", "reports.list"] }, writer: { grants: ["*"] } },
  personas: standardPersonas,
  readActions: ["read", "list"],
});

const user = (...personas: readonly string[]): Principal => userWith(["writer"], { personas });
const passes = (guard: Guard, principal: Principal | undefined, method = "GET"): boolean =>
  guard.check(requestOf(principal, {}, method)) === ALLOW;

describe("what personas may", () => {
  test.each<[string, boolean, boolean, boolean]>([
    ["ceo", true, true, true],
    ["manager", true, true, true],
    ["board_member", true, false, true],
    ["pair_programmer", true, true, false],
    ["observer", true, false, false],
    ["system", false, false, false],
    ["stranger", false, false, false],
    ["__proto__", false, false, false],
    ["writer", false, false, false],
  ])("RBAC-18 %s: reads %s, writes %s, approves %s", (persona, reads, writes, approves) => {
    expect(passes(requireReadAccess(rbac), user(persona))).toBe(reads);
    expect(passes(requireWriteAccess(rbac), user(persona))).toBe(writes);
    expect(passes(requireApprovalAccess(rbac), user(persona))).toBe(approves);
    for (const [access, expected] of [
      ["read", reads],
      ["write", writes],
      ["approve", approves],
    ] as const) {
      const decision = rbac.checkPersona({ roles: [], personas: [persona] }, access);
      expect(decision).toEqual({
        allowed: expected,
        reason: expected ? "granted" : "persona_required",
        role: expected ? persona : undefined,
        scope: undefined,
        policyVersion: 1,
        status: expected ? 200 : 403,
      });
    }
  });

  test("RBAC-18 one persona of several suffices, in any order", () => {
    expect(passes(requireWriteAccess(rbac), user("observer", "stranger", "manager"))).toBe(true);
    expect(passes(requireWriteAccess(rbac), user("observer", "board_member"))).toBe(false);
  });

  test("RBAC-18 the internal persona passes only where it is named", () => {
    expect(passes(requirePersona(rbac, "system"), user("system"))).toBe(true);
    expect(passes(requirePersona(rbac, ["ceo", "system"]), user("system"))).toBe(true);
    expect(passes(requirePersona(rbac, ["ceo", "observer"]), user("system"))).toBe(false);
    expect(passes(requirePersona(rbac, "observer"), user("ceo"))).toBe(false);
  });

  test("RBAC-18 no persona: persona_required; no principal: 401", () => {
    for (const guard of [requirePersona(rbac, "ceo"), requireReadAccess(rbac), requireWriteAccess(rbac), requireApprovalAccess(rbac)]) {
      expect(guard.check(requestOf(undefined))).toMatchObject({ problem: { status: 401 } });
      for (const principal of [user(), userWith(["writer"])])
        expect(guard.check(requestOf(principal))).toMatchObject({ problem: { status: 403, extensions: { reason: "persona_required" } } });
    }
  });

  test("RBAC-18 what is no list of personas is none", () => {
    for (const personas of [undefined, null, "ceo", { 0: "ceo", length: 1 }, new Set(["ceo"]), [["ceo"]], [null], [5], () => ["ceo"]])
      expect(rbac.checkPersona({ roles: [], personas } as unknown as Identity, "read").reason).toBe("persona_required");
    const inherited = Object.assign(Object.create({ personas: ["ceo"] }), { roles: [] }) as Identity;
    expect(rbac.checkPersona(inherited, "read").reason).toBe("persona_required");
    for (const identity of [undefined, null]) expect(rbac.checkPersona(identity as undefined, "read")).toMatchObject({ status: 401 });
    const trap = {
      roles: [],
      get personas(): readonly string[] {
        throw new Error("getter");
      },
    };
    expect(rbac.checkPersona(trap, "read").reason).toBe("malformed");
  });

  test("RBAC-18 an access that there is not is nobody's", () => {
    for (const access of ["", "delete", "Read", "by_action", "internal", "constructor"])
      expect(rbac.checkPersona({ roles: [], personas: ["ceo", "system"] }, access as "read").reason).toBe("persona_required");
    for (const wanted of [[], null, undefined, 5, {}])
      expect(rbac.checkPersona({ roles: [], personas: ["ceo"] }, wanted as "read").allowed).toBe(false);
  });
});

describe("RBAC-18 a persona grants nothing", () => {
  test("no set of personas changes the decision about a permission, a role, an organisation or what may be given", () => {
    const personas = fc.array(fc.constantFrom("ceo", "manager", "board_member", "system", "r0", "o0", "*", "stranger"), { maxLength: 4 });
    fc.assert(
      fc.property(roles, orgRoles, identities, places, personas, (roles, orgRoles, identity, place, personas) => {
        const rbac = defineRbac({ permissions: tree, roles, orgRoles, personas: standardPersonas });
        const answers = (asking: Identity) => [
          ...universe.map((key) => rbac.check(asking, key, place)),
          rbac.permissionsOf(asking, place),
          rbac.checkRoles(asking, ["r0", "r3"], place),
          rbac.checkOrgMutation(asking, place ?? {}),
          rbac.canGrant(asking, { role: "r2" }, place),
          rbac.canGrant(asking, { orgRole: "o1" }, place),
        ];
        expect(answers({ ...identity, personas })).toEqual(answers(identity));
      }),
      { numRuns: 200 },
    );
  });

  test("a persona with every access and no role is denied the permission", async () => {
    const endpoint = secureEndpoint(rbac, { permission: "reports.write", persona: "write" });
    const ask = async (principal: Principal) => (await run([endpoint], requestOf(principal))).stop;
    expect(await ask(userWith([], { personas: ["ceo"] }))).toMatchObject({ problem: { extensions: { reason: "missing_permission" } } });
    expect(await ask(userWith(["writer"], { personas: ["observer"] }))).toMatchObject({
      problem: { extensions: { reason: "persona_required" } },
    });
    expect(await ask(userWith(["writer"], { personas: ["ceo"] }))).toBeUndefined();
  });
});

describe("RBAC-13 what writes is declared, not read from the method", () => {
  const methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "GET, POST", ""];

  test("an action writes unless it is one of readActions, undeclared ones too", () => {
    expect(rbac.permissions.map((permission) => [permission, rbac.isWrite(permission)])).toEqual([
      ["reports.read", false],
      ["reports.list", false],
      ["reports.write", true],
    ]);
    for (const permission of ["reports.delete", "*.read", "reports.read ", "", "read", 5, undefined])
      expect(rbac.isWrite(permission as "reports.read")).toBe(true);
    // Unless something else is said, only "read" reads.
    const standard = defineRbac({ permissions: standardPermissions, roles: standardRoles });
    expect(standard.permissions.filter((permission) => !standard.isWrite(permission))).toEqual([
      "workflows.read",
      "debates.read",
      "organisation.read",
      "users.read",
    ]);
    const none = defineRbac({ permissions, roles: {}, readActions: [] });
    expect(none.isWrite("reports.read")).toBe(true);
  });

  test.each(methods)("method %j neither asks for less nor for more", (method) => {
    const writing = requireAccessFor(rbac, "reports.write");
    const reading = requireAccessFor(rbac, "reports.list");
    expect(passes(writing, user("observer"), method)).toBe(false);
    expect(passes(writing, user("manager"), method)).toBe(true);
    expect(passes(reading, user("observer"), method)).toBe(true);
    expect(passes(requireWriteAccess(rbac), user("observer"), method)).toBe(false);
    expect(passes(requirePermission(rbac, "reports.write"), userWith(["reader"]), method)).toBe(false);
  });

  test.each(["x-http-method-override", "x-http-method", "x-method-override"])("%s is not read", (name) => {
    const overridden = (principal: Principal) => ({
      ...requestOf(principal, { _method: "GET" }, "POST"),
      target: "/?_method=GET",
      header: (asked: string) => (asked.toLowerCase() === name ? "GET" : undefined),
      headerCount: (asked: string) => (asked.toLowerCase() === name ? 1 : 0),
    });
    expect(requireAccessFor(rbac, "reports.write").check(overridden(user("observer")))).toMatchObject({ kind: "deny" });
    expect(requirePermission(rbac, "reports.write").check(overridden(userWith(["reader"])))).toMatchObject({ kind: "deny" });
  });

  test("by_action: as the permission's action demands, and of several as the one that writes", async () => {
    const passesBy = async (permission: Parameters<typeof requirePermission<"reports.read" | "reports.list" | "reports.write">>[1]) => {
      const endpoint = secureEndpoint(rbac, { permission, persona: "by_action" });
      return (await run([endpoint], requestOf(user("observer")))).stop === undefined;
    };
    expect(await passesBy("reports.read")).toBe(true);
    expect(await passesBy("reports.write")).toBe(false);
    expect(await passesBy({ any: ["reports.read", "reports.list"] })).toBe(true);
    expect(await passesBy({ any: ["reports.read", "reports.write"] })).toBe(false);
    expect(await passesBy({ all: ["reports.list", "reports.write", "reports.read"] })).toBe(false);
  });
});

describe("RBAC-11 mistakes are found where they are made", () => {
  test.each<[string, unknown, string]>([
    ["personas that are no object", "ceo", "invalid_option"],
    ["personas that are null", null, "invalid_option"],
    ["a name that is not allowed", { "C.E.O": {} }, "invalid_name"],
    ["a name of an object's member", { constructor: {} }, "invalid_name"],
    ["a definition that is no object", { ceo: null }, "invalid_option"],
    ["a misspelt option", { ceo: { write: true } }, "invalid_option"],
    ["writes that is no boolean", { ceo: { writes: 1 } }, "invalid_option"],
    ["approves that is no boolean", { ceo: { approves: "yes" } }, "invalid_option"],
    ["internal that is no boolean", { ceo: { internal: "no" } }, "invalid_option"],
  ])("%s", (_name, personas, code) => {
    expect(codeOf(() => defineRbac({ permissions, roles: {}, personas: personas as object }))).toBe(code);
  });

  test("readActions that are no list of actions", () => {
    for (const readActions of ["read", null, [5], {}, [undefined]])
      expect(codeOf(() => defineRbac({ permissions, roles: {}, readActions: readActions as unknown as "read"[] }))).toBe("invalid_option");
  });

  test("a guard of no persona, of one that nobody defined, or that nobody could pass", () => {
    expect(codeOf(() => requirePersona(rbac, []))).toBe("empty_requirement");
    for (const persona of ["chief", "", "__proto__", "constructor", ["ceo", "chief"], [undefined], [["ceo"]], Array(1)])
      expect(codeOf(() => requirePersona(rbac, persona as "ceo"))).toBe("unknown_persona");
    for (const personas of [undefined, null, 5, {}, true])
      expect(codeOf(() => requirePersona(rbac, personas as "ceo"))).toBe("invalid_option");
    const observers = defineRbac({ permissions, roles: {}, personas: { observer: {}, robot: { internal: true, writes: true } } });
    expect(codeOf(() => requireWriteAccess(observers))).toBe("unknown_persona");
    expect(codeOf(() => requireApprovalAccess(observers))).toBe("unknown_persona");
    expect(codeOf(() => requireAccessFor(observers, "reports.write"))).toBe("unknown_persona");
    expect(codeOf(() => requireReadAccess(observers))).toBe("nothing was thrown");
    expect(codeOf(() => requirePersona(observers, "robot"))).toBe("nothing was thrown");
    expect(codeOf(() => requireReadAccess(defineRbac({ permissions, roles: {} })))).toBe("unknown_persona");
  });

  test("options that are wrong, a permission that is not declared", () => {
    for (const options of [null, 5, { name: "" }, { name: 5 }, { naem: "x" }]) {
      expect(codeOf(() => requirePersona(rbac, "ceo", options as object))).toBe("invalid_option");
      for (const make of [requireReadAccess, requireWriteAccess, requireApprovalAccess])
        expect(codeOf(() => make(rbac, options as object))).toBe("invalid_option");
      expect(codeOf(() => requireAccessFor(rbac, "reports.read", options as object))).toBe("invalid_option");
    }
    for (const permission of ["reports.raed", "*", "reports.*"])
      expect(codeOf(() => requireAccessFor(rbac, permission as "reports.read"))).toBe("unknown_permission");
    expect(requireWriteAccess(rbac, { name: "writers" }).name).toBe("writers");
  });

  test("secureEndpoint: a persona that there is not, by_action without a permission, a persona of everybody", () => {
    for (const persona of ["by-action", "delete", "", "constructor", "toString", "valueOf", "__proto__", null, 5, {}])
      expect(codeOf(() => secureEndpoint(rbac, { permission: "reports.read", persona: persona as "read" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { persona: "by_action" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { permission: "reports.read", persona: [] }))).toBe("empty_requirement");
    expect(codeOf(() => secureEndpoint(rbac, { persona: "read", requireAuth: false }))).toBe("unauthenticated_permission");
    expect(codeOf(() => secureEndpoint(rbac, { persona: "read" }))).toBe("nothing was thrown");
  });

  test("a policy does not follow the objects it was made from", () => {
    const personas = { observer: { writes: false } };
    const readActions: ("read" | "write")[] = ["read"];
    const copied = defineRbac({ permissions, roles: {}, personas, readActions });
    personas.observer.writes = true;
    readActions.push("write");
    expect(copied.checkPersona({ roles: [], personas: ["observer"] }, "write").allowed).toBe(false);
    expect(copied.isWrite("reports.write")).toBe(true);
    expect(Object.isFrozen(copied.personas)).toBe(true);
  });
});

test("RBAC-34 a denied client learns that a persona is needed, never which", () => {
  const verdict = requirePersona(rbac, ["ceo", "board_member"]).check(requestOf(user("observer")));
  expect(verdict).toMatchObject({ problem: { status: 403, extensions: { reason: "persona_required" } } });
  expect(JSON.stringify(verdict)).not.toMatch(/ceo|board|observer/);
  const silent = defineRbac({ permissions, roles: {}, personas: standardPersonas, redactDenials: true });
  expect(JSON.stringify(requireReadAccess(silent).check(requestOf(user())))).not.toContain("persona");
});
