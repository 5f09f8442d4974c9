import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accessFact, ALLOW, type Principal, type UserPrincipal } from "@portcullis/core";
import {
  checkedScopeFact,
  type CheckOptions,
  defineRbac,
  type Identity,
  normaliseDepartment,
  requireOrgMutation,
  requirePermission,
  secureEndpoint,
  standardOrgRoles,
} from "@portcullis/rbac";
import { codeOf } from "./code-of.js";
import { identities, orgRoles, places, roles, tree, universe } from "./small-policies.js";
import { isAllowedIn } from "./reference.js";
import { requestOf, run, userWith } from "./request.js";

const permissions = { departments: ["read", "update", "delete"], billing: ["read", "manage"] } as const;
const rbac = defineRbac({
  permissions,
  roles: {
    member: { grants: ["departments.read"] },
    admin: { grants: ["*"] },
    barred: { denies: ["departments.update"] },
  },
  orgRoles: {
    owner: { mutates: true, grants: ["*"] },
    editor: { mutates: true, grants: ["departments.*"] },
    department_admin: { extent: "departments", mutates: true, grants: ["departments.update"] },
    viewer: { grants: ["*.read"] },
  },
});

/** A user of org-1 with these organisation roles and no role. */
function holder(orgRoles: readonly string[], scopedDepartments?: readonly string[], more: Partial<UserPrincipal> = {}): UserPrincipal {
  return userWith([], { orgRoles, ...(scopedDepartments === undefined ? {} : { scopedDepartments }), ...more });
}

const inDepartment = (department: unknown): CheckOptions => ({ org: "org-1", scope: { department } }) as CheckOptions;

/** What a check of the organisation's configuration and a check of a permission say, which must be the same. */
function reasonsFor(identity: Identity, options: CheckOptions): readonly [string, string] {
  return [rbac.checkOrgMutation(identity, options).reason, rbac.check(identity, "departments.update", options).reason];
}

describe("RBAC-15 who may change an organisation", () => {
  test.each<[string, readonly string[], readonly string[] | undefined, boolean]>([
    ["owner", ["owner"], undefined, true],
    ["editor", ["editor"], undefined, true],
    ["editor, in a department that is not theirs", ["editor"], ["hr"], true],
    ["department_admin of it", ["department_admin"], ["hr", "eng"], true],
    ["department_admin of another one", ["department_admin"], ["hr"], false],
    ["department_admin of none", ["department_admin"], [], false],
    ["department_admin without a list", ["department_admin"], undefined, false],
    ["department_admin of *, which is a letter and no wildcard", ["department_admin"], ["*"], false],
    ["department_admin of an empty name", ["department_admin"], [""], false],
    ["viewer", ["viewer"], ["eng"], false],
    ["nobody in particular", [], ["eng"], false],
    ["a role that nobody defined", ["proprietor", "__proto__", "constructor"], ["eng"], false],
    ["viewer and department_admin of it", ["viewer", "department_admin"], ["eng"], true],
    ["department_admin of another one, who is editor too", ["department_admin", "editor"], ["hr"], true],
  ])("%s", (_name, orgRoles, departments, allowed) => {
    const identity = holder(orgRoles, departments);
    expect(rbac.checkOrgMutation(identity, inDepartment("eng")).allowed).toBe(allowed);
    expect(rbac.check(identity, "departments.update", inDepartment("eng")).allowed).toBe(allowed);
    const guard = requireOrgMutation(rbac, { departmentParam: "department" });
    expect(guard.check(requestOf(identity, { department: "eng" })) === ALLOW).toBe(allowed);
  });

  test.each<[string, CheckOptions]>([
    ["absent", { org: "org-1" }],
    ["a scope of nothing", { org: "org-1", scope: {} } as CheckOptions],
    ["a scope that is null", { org: "org-1", scope: null } as unknown as CheckOptions],
    ["a scope that is a string", { org: "org-1", scope: "eng" } as unknown as CheckOptions],
    ["undefined", inDepartment(undefined)],
    ["null", inDepartment(null)],
    ["empty", inDepartment("")],
    ["a list, as of a parameter that occurs twice", inDepartment(["eng"])],
    ["a list of two", inDepartment(["eng", "eng"])],
    ["an object that spells it", inDepartment({ toString: () => "eng" })],
    ["a number", inDepartment(5)],
    ["inherited", { org: "org-1", scope: Object.create({ department: "eng" }) as { department: string } }],
  ])("the department is %s: a role bound to departments is denied as scope_param_missing, one for all of it is not", (_name, options) => {
    expect(reasonsFor(holder(["department_admin"], ["eng", "", "undefined"]), options)).toEqual([
      "scope_param_missing",
      "scope_param_missing",
    ]);
    expect(reasonsFor(holder(["editor"]), options)).toEqual(["granted", "granted"]);
    expect(reasonsFor(holder(["viewer"], ["eng"]), options)).toEqual(["missing_org_role", "no_roles"]);
  });

  test("a guard without departmentParam denies department_admin, whatever the path says", () => {
    const request = requestOf(holder(["department_admin"], ["eng"]), { department: "eng" });
    expect(requireOrgMutation(rbac).check(request)).toMatchObject({ kind: "deny", problem: { status: 403 } });
    expect(requirePermission(rbac, "departments.update", { org: () => "org-1" }).check(request)).toMatchObject({ kind: "deny" });
    expect(requireOrgMutation(rbac).check(requestOf(holder(["editor"])))).toBe(ALLOW);
  });

  test("a role and an organisation role of the same name are different things", () => {
    expect(rbac.checkOrgMutation(userWith(["owner", "editor", "admin"]), { org: "org-1" }).reason).toBe("missing_org_role");
    expect(rbac.check(holder(["admin", "member"]), "departments.read", { org: "org-1" }).reason).toBe("no_roles");
    expect(rbac.checkRoles(holder(["admin", "owner"]), ["admin"]).allowed).toBe(false);
  });

  test("the presets are the four of them", () => {
    const standard = defineRbac({ permissions, roles: {}, orgRoles: standardOrgRoles });
    const may = (orgRole: string) => standard.checkOrgMutation(holder([orgRole], ["eng"]), inDepartment("eng")).allowed;
    expect(standard.orgRoles.map((role) => [role, may(role)])).toEqual([
      ["owner", true],
      ["editor", true],
      ["department_admin", true],
      ["viewer", false],
    ]);
    // They give no permission.
    expect(standard.permissionsOf(holder(["owner"]), { org: "org-1" })).toEqual([]);
  });

  test("a credential that is bounded does not carry an organisation role; within its bound it carries the role's permissions", () => {
    const bounded = holder(["editor"], undefined, { scopes: ["departments.update"] });
    expect(rbac.checkOrgMutation(bounded, { org: "org-1" })).toMatchObject({ reason: "out_of_scope", role: "editor", status: 403 });
    expect(rbac.check(bounded, "departments.update", { org: "org-1" }).allowed).toBe(true);
    expect(rbac.check(bounded, "departments.delete", { org: "org-1" })).toMatchObject({ reason: "out_of_scope", role: "editor" });
    expect(rbac.checkOrgMutation({ ...bounded, scopes: ["*"] }, { org: "org-1" }).allowed).toBe(true);
  });
});

describe("RBAC-16 how departments are compared", () => {
  const admin = holder(["department_admin"], ["eng", "Legal-2", "k"]);

  test.each([
    ["eng", "eng"],
    ["ENG", "eng"],
    ["eNg", "eng"],
    ["legal-2", "legal-2"],
    ["LEGAL-2", "legal-2"],
    ["K", "k"],
  ])("%j is compared, and handed on, as %j", (written, department) => {
    const decision = rbac.check(admin, "departments.update", inDepartment(written));
    expect(decision).toMatchObject({ allowed: true, role: "department_admin", grant: "departments.update", scope: { department } });
    expect(rbac.checkOrgMutation(admin, inDepartment(written))).toMatchObject({ allowed: true, scope: { department } });
    expect(Object.isFrozen(decision.scope)).toBe(true);
    for (const guard of [
      requireOrgMutation(rbac, { departmentParam: "department" }),
      requirePermission(rbac, "departments.update", { org: () => "org-1", departmentParam: "department" }),
    ]) {
      const request = requestOf(admin, { department: written });
      expect(guard.check(request)).toBe(ALLOW);
      expect(request.facts.get(checkedScopeFact)).toEqual({ department });
    }
  });

  test.each([
    ["the Kelvin sign, which becomes k in lower case", "\u212a"],
    ["the Kelvin sign within", "eng\u212a"],
    ["long s, which becomes S in upper case", "\u017f"],
    ["dotless i", "\u0131"],
    ["dotted I, which grows in lower case", "\u0130"],
    ["full-width letters", "\uff45\uff4e\uff47"],
    ["Cyrillic that looks the same", "\u0435ng"],
    ["a combining mark", "eng\u0301"],
    ["a zero-width joiner", "e\u200dng"],
    ["a byte order mark", "\ufeffeng"],
    ["a soft hyphen", "e\u00adng"],
    ["an override of direction", "\u202eeng"],
    ["an encoded slash", "eng%2Fhr"],
    ["a slash", "eng/hr"],
    ["a way up", "..%2f"],
    ["dots", ".."],
    ["a path parameter", "eng;x=1"],
    ["NUL", "\0"],
    ["NUL at the end", "eng\0"],
    ["an encoded NUL", "eng%00"],
    ["white space after", "eng "],
    ["white space before", " eng"],
    ["a line break after, which $ may overlook", "eng\n"],
    ["a carriage return", "eng\r"],
    ["only white space", " "],
    ["*", "*"],
    ["a list in one", "eng,hr"],
    ["a query", "eng?x"],
    ["a hyphen first", "-eng"],
    ["one too many", "e".repeat(65)],
    ["10 kB", "e".repeat(10_240)],
    ["10 kB of attempts", `${"eng-".repeat(2_560)}!`],
    ["half of a surrogate pair", "\ud835"],
  ])("%s is no department's name: invalid_scope, held or not", (_name, written) => {
    for (const identity of [admin, holder(["department_admin"], [written])]) {
      expect(reasonsFor(identity, inDepartment(written))).toEqual(["invalid_scope", "invalid_scope"]);
      const request = requestOf(identity, { department: written });
      expect(requireOrgMutation(rbac, { departmentParam: "department" }).check(request)).toMatchObject({ kind: "deny" });
      expect(request.facts.get(checkedScopeFact)).toBeUndefined();
    }
    expect(normaliseDepartment(written)).toBeUndefined();
    // Where it is allowed all the same, the handler is not handed something to act on.
    expect(rbac.check(holder(["editor"]), "departments.update", inDepartment(written))).toMatchObject({ allowed: true, scope: undefined });
  });

  test("a held department that is no name opens nothing, not even for what is no name either", () => {
    const held = ["\u212a", "eng ", "*", "", 5, null, undefined, ["eng"]] as unknown as readonly string[];
    for (const written of ["k", "eng", "x", "5", "null", "undefined"])
      expect(reasonsFor(holder(["department_admin"], held), inDepartment(written))).toEqual(["wrong_scope", "wrong_scope"]);
    for (const lists of ["eng", { 0: "eng", length: 1 }, new Set(["eng"]), null, () => ["eng"]])
      expect(rbac.checkOrgMutation(holder(["department_admin"], lists as unknown as readonly string[]), inDepartment("eng")).reason).toBe(
        "wrong_scope",
      );
  });

  test("the longest name has 64 characters", () => {
    const longest = `E${"n".repeat(63)}`;
    expect(normaliseDepartment(longest)).toBe(longest.toLowerCase());
    expect(normaliseDepartment(`${longest}n`)).toBeUndefined();
    for (const nothing of [undefined, null, 5, {}, ["eng"], Symbol("eng"), new String("eng")])
      expect(normaliseDepartment(nothing)).toBeUndefined();
  });

  test("whoever is let pass, the handler is told the department as it was compared", () => {
    const guard = requirePermission(rbac, "departments.update", { org: () => "org-1", departmentParam: "department" });
    for (const principal of [admin, holder(["editor"]), userWith(["admin"])]) {
      const request = requestOf(principal, { department: "ENG" });
      expect(guard.check(request)).toBe(ALLOW);
      expect(request.facts.get(checkedScopeFact)).toEqual({ department: "eng" });
    }
    const strange = requestOf(userWith(["admin"]), { department: "..%2f" });
    expect(guard.check(strange)).toBe(ALLOW);
    expect(strange.facts.get(checkedScopeFact)).toBeUndefined();
  });

  test("two guards of one chain publish it once", async () => {
    const endpoint = secureEndpoint(rbac, {
      permission: "departments.update",
      orgMutation: true,
      org: (request) => request.param("org"),
      departmentParam: "department",
    });
    const request = requestOf(admin, { org: "org-1", department: "Eng" });
    expect((await run([endpoint], request)).stop).toBeUndefined();
    expect(request.facts.get(checkedScopeFact)).toEqual({ department: "eng" });
    expect(request.facts.get(accessFact)).toMatchObject({ permission: "departments.update", scope: { department: "eng" } });
  });
});

describe("RBAC-17 another organisation", () => {
  test.each<[string, unknown, unknown]>([
    ["another one", "org-1", "org-2"],
    ["another spelling", "org-1", "ORG-1"],
    ["none", "org-1", undefined],
    ["an empty one", "org-1", ""],
    ["null", "org-1", null],
    ["a list", "org-1", ["org-1"]],
    ["the caller is of none", undefined, "org-1"],
    ["neither is of any", undefined, undefined],
    ["both are empty", "", ""],
    ["both are null", null, null],
  ])("%s: wrong_org, whatever is held", (_name, orgId, org) => {
    const identity = { roles: ["admin"], orgRoles: ["owner"], orgId } as unknown as Identity;
    expect(reasonsFor(identity, { org } as CheckOptions)).toEqual(["wrong_org", "wrong_org"]);
    const principal = userWith(["admin"], { orgRoles: ["owner"], orgId: orgId as string });
    expect(requireOrgMutation(rbac, { org: () => org as string }).check(requestOf(principal))).toMatchObject({ problem: { status: 403 } });
  });

  test("an identity that has no orgId of its own is of no organisation", () => {
    expect(reasonsFor({ roles: [], orgRoles: ["owner"] }, { org: "org-1" })).toEqual(["wrong_org", "wrong_org"]);
    const inherited = Object.assign(Object.create({ orgId: "org-1" }), { roles: [], orgRoles: ["owner"] }) as Identity;
    expect(reasonsFor(inherited, { org: "org-1" })).toEqual(["wrong_org", "wrong_org"]);
    expect(requireOrgMutation(rbac).check(requestOf(holder(["owner"], undefined, { orgId: undefined })))).toMatchObject({ kind: "deny" });
    expect(requireOrgMutation(rbac).check(requestOf(undefined))).toMatchObject({ problem: { status: 401 } });
  });

  test("where the resource's organisation is not said, organisation roles do not count", () => {
    expect(rbac.check(holder(["owner"]), "billing.manage").reason).toBe("no_roles");
    expect(rbac.check(holder(["owner"]), "billing.manage", {}).reason).toBe("no_roles");
    expect(rbac.checkOrgMutation(holder(["owner"]), {}).reason).toBe("wrong_org");
    expect(rbac.checkOrgMutation(holder(["owner"]), undefined as unknown as CheckOptions).allowed).toBe(false);
    expect(rbac.permissionsOf(holder(["owner"]))).toEqual([]);
    expect(rbac.permissionsOf(holder(["owner"]), { org: "org-1" })).toEqual(rbac.permissions);
    expect(rbac.permissionsOf(holder(["owner"]), { org: "org-2" })).toEqual([]);
  });

  test("an organisation that cannot be told denies: a promise, a thrown error", async () => {
    const late = requireOrgMutation(rbac, { org: (() => Promise.resolve("org-1")) as unknown as () => string });
    expect(late.check(requestOf(holder(["owner"])))).toMatchObject({ kind: "deny" });
    const broken = requireOrgMutation(rbac, {
      org: () => {
        throw new Error("no organisation");
      },
    });
    expect((await run([broken], requestOf(holder(["owner"])))).stop).toMatchObject({ kind: "deny", problem: { status: 500 } });
  });
});

describe("RBAC-19 programs", () => {
  const asProgram = (type: string): Principal => ({ ...holder(["owner"]), type }) as unknown as Principal;

  test.each(["service", "apiKey", "system", "", "User", "admin"])("%j does not inherit a human's organisation roles", (type) => {
    expect(reasonsFor(asProgram(type), { org: "org-1" })).toEqual(["missing_org_role", "no_roles"]);
    expect(rbac.permissionsOf(asProgram(type), { org: "org-1" })).toEqual([]);
    expect(requireOrgMutation(rbac).check(requestOf(asProgram(type)))).toMatchObject({ problem: { status: 403 } });
  });

  test("a kind that an identity has from its class is not overlooked: it would be taken for a user", () => {
    class ApiKeyIdentity {
      readonly roles = [];
      readonly orgId = "org-1";
      readonly orgRoles = ["owner"];
      get type(): "apiKey" {
        return "apiKey";
      }
    }
    expect(reasonsFor(new ApiKeyIdentity(), { org: "org-1" })).toEqual(["missing_org_role", "no_roles"]);
    expect(reasonsFor({ roles: [], orgId: "org-1", orgRoles: ["owner"] }, { org: "org-1" })).toEqual(["granted", "granted"]);
  });

  test("unless orgRolesHeldBy says so, and then only those", () => {
    const programs = defineRbac({ permissions, roles: {}, orgRoles: standardOrgRoles, orgRolesHeldBy: ["service", "apiKey"] });
    const guard = requireOrgMutation(programs);
    for (const [type, allowed] of [
      ["service", true],
      ["apiKey", true],
      ["system", false],
      ["user", false],
    ] as const) {
      expect(programs.checkOrgMutation(asProgram(type), { org: "org-1" }).allowed).toBe(allowed);
      expect(guard.check(requestOf(asProgram(type))) === ALLOW).toBe(allowed);
    }
    const nobody = defineRbac({ permissions, roles: {}, orgRoles: standardOrgRoles, orgRolesHeldBy: [] });
    expect(codeOf(() => requireOrgMutation(nobody))).toBe("invalid_option");
  });
});

describe("what organisation roles grant", () => {
  test("RBAC-6 a role's denial overrides them", () => {
    const barred = userWith(["barred"], { orgRoles: ["owner", "department_admin"], scopedDepartments: ["eng"] });
    expect(rbac.check(barred, "departments.update", inDepartment("eng"))).toMatchObject({ reason: "explicit_deny", role: "barred" });
    expect(rbac.check(barred, "departments.delete", inDepartment("eng")).allowed).toBe(true);
    expect(rbac.permissionsOf(barred, { org: "org-1" })).not.toContain("departments.update");
  });

  test("a role that grants decides before them", () => {
    const both = userWith(["admin"], { orgRoles: ["owner"] });
    expect(rbac.check(both, "billing.manage", { org: "org-1" })).toMatchObject({ role: "admin", grant: "*" });
  });

  test("a decision names the organisation role, the grant and the department", () => {
    const decision = rbac.check(holder(["viewer", "department_admin"], ["eng"]), "departments.update", inDepartment("Eng"));
    expect(decision).toEqual({
      allowed: true,
      reason: "granted",
      permission: "departments.update",
      role: "department_admin",
      grant: "departments.update",
      scope: { department: "eng" },
      policyVersion: 1,
      status: 200,
      via: undefined,
    });
    expect(rbac.check(holder(["department_admin"], ["hr"]), "departments.update", inDepartment("Eng"))).toMatchObject({
      reason: "wrong_scope",
      role: "department_admin",
      scope: { department: "eng" },
    });
  });

  test("replaceRoles leaves them as they are", () => {
    const replaced = defineRbac({ permissions, roles: {}, orgRoles: { owner: { mutates: true, grants: ["billing.*"] } } });
    replaced.replaceRoles({ member: {} });
    expect(replaced.check(holder(["owner"]), "billing.manage", { org: "org-1" })).toMatchObject({ allowed: true, policyVersion: 2 });
    expect(replaced.checkOrgMutation(holder(["owner"]), { org: "org-1" })).toMatchObject({ allowed: true, policyVersion: 2 });
  });

  test("explain says of each organisation role whether it counts where the resource is", () => {
    const identity = holder(["department_admin", "viewer", "stranger", "owner"], ["eng"]);
    const said = (options?: CheckOptions) =>
      rbac.explain(identity, "departments.update", options).orgRoles.map(({ role, known, grant, reason }) => [role, known, grant, reason]);
    expect(said(inDepartment("hr"))).toEqual([
      ["department_admin", true, "departments.update", "wrong_scope"],
      ["viewer", true, undefined, "missing_org_role"],
      ["stranger", false, undefined, "missing_org_role"],
      ["owner", true, "*", "granted"],
    ]);
    expect(said({ org: "org-1" })[0]?.[3]).toBe("scope_param_missing");
    expect(said(inDepartment("e n g"))[0]?.[3]).toBe("invalid_scope");
    expect(said(inDepartment("eng"))[0]?.[3]).toBe("granted");
    for (const [, , , reason] of said()) expect(reason).toBe("wrong_org");
    expect(rbac.explain(userWith(["admin"]), "departments.update").orgRoles).toEqual([]);
  });

  test("RBAC-15 RBAC-17 RBAC-19 every decision is the reference's", () => {
    fc.assert(
      fc.property(roles, orgRoles, identities, places, (roles, orgRoles, identity, place) => {
        const rbac = defineRbac({ permissions: tree, roles, orgRoles });
        const allowed = universe.filter((key) => isAllowedIn(place, identity, key, { roles, orgRoles, universe }));
        expect(universe.filter((key) => rbac.check(identity, key, place).allowed)).toEqual(allowed);
        expect(rbac.permissionsOf(identity, place)).toEqual(allowed);
        for (const key of universe) {
          const explained = rbac.explain(identity, key, place);
          expect(explained.decision).toEqual(rbac.check(identity, key, place));
          // Whoever is allowed by no role is so by one of those that are said to count.
          const byRoles = rbac.check({ ...identity, orgRoles: [] }, key, place).allowed;
          if (explained.decision.allowed && !byRoles) expect(explained.orgRoles.some(({ reason }) => reason === "granted")).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe("RBAC-11 mistakes are found where they are made", () => {
  const define = (more: object) => codeOf(() => defineRbac({ permissions, roles: {}, ...more }));

  test.each<[string, object, string]>([
    ["organisation roles that are no object", { orgRoles: "owner" }, "invalid_option"],
    ["organisation roles that are null", { orgRoles: null }, "invalid_option"],
    ["a name with a dot", { orgRoles: { "a.b": {} } }, "invalid_name"],
    ["a name of an object's member", { orgRoles: { constructor: {} } }, "invalid_name"],
    ["a name that is not ASCII", { orgRoles: { "\u212a": {} } }, "invalid_name"],
    ["a definition that is no object", { orgRoles: { owner: true } }, "invalid_option"],
    ["a misspelt option", { orgRoles: { owner: { mutate: true } } }, "invalid_option"],
    ["mutates that is no boolean", { orgRoles: { owner: { mutates: "yes" } } }, "invalid_option"],
    ["an extent that there is not", { orgRoles: { owner: { extent: "department" } } }, "invalid_option"],
    ["grants that are no list", { orgRoles: { owner: { grants: "*" } } }, "invalid_option"],
    ["a grant that is no string", { orgRoles: { owner: { grants: [5] } } }, "invalid_option"],
    ["a grant that covers nothing", { orgRoles: { owner: { grants: ["billing.raed"] } } }, "unknown_permission"],
    ["a wildcard within a segment", { orgRoles: { owner: { grants: ["bill*"] } } }, "invalid_grant"],
    ["denies, which only roles have", { orgRoles: { owner: { denies: ["*"] } } }, "invalid_option"],
    ["holders that are no list", { orgRolesHeldBy: "user" }, "invalid_option"],
    ["a holder that there is not", { orgRolesHeldBy: ["human"] }, "invalid_option"],
  ])("%s", (_name, more, code) => {
    expect(define(more)).toBe(code);
  });

  test("requireOrgMutation: options that are wrong, and a policy by which nobody could pass", () => {
    for (const options of [null, 5, { name: "" }, { naem: "x" }, { org: "org-1" }, { departmentParam: "" }, { departmentParam: 5 }])
      expect(codeOf(() => requireOrgMutation(rbac, options as object))).toBe("invalid_option");
    expect(codeOf(() => requireOrgMutation(defineRbac({ permissions, roles: {} })))).toBe("invalid_option");
    expect(codeOf(() => requireOrgMutation(defineRbac({ permissions, roles: {}, orgRoles: { viewer: {} } })))).toBe("invalid_option");
    expect(requireOrgMutation(rbac, { name: "own" }).name).toBe("own");
  });

  test("requirePermission and secureEndpoint: a parameter that is no name", () => {
    for (const departmentParam of ["", 5, null]) {
      const options = { org: () => "org-1", departmentParam: departmentParam as string };
      expect(codeOf(() => requirePermission(rbac, "departments.update", options))).toBe("invalid_option");
      expect(codeOf(() => secureEndpoint(rbac, { permission: "departments.update", ...options }))).toBe("invalid_option");
    }
    expect(codeOf(() => secureEndpoint(rbac, { departmentParam: "department" }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { orgMutation: "yes" as unknown as boolean }))).toBe("invalid_option");
    expect(codeOf(() => secureEndpoint(rbac, { orgMutation: true, requireAuth: false }))).toBe("unauthenticated_permission");
  });

  test("a policy does not follow the objects it was made from", () => {
    const orgRoles = { owner: { mutates: false, grants: ["billing.read"] as ("billing.read" | "*")[] } };
    const departments: ("user" | "service")[] = ["user"];
    const copied = defineRbac({ permissions, roles: {}, orgRoles, orgRolesHeldBy: departments });
    orgRoles.owner.mutates = true;
    orgRoles.owner.grants.push("*");
    departments.push("service");
    expect(copied.checkOrgMutation(holder(["owner"]), { org: "org-1" }).allowed).toBe(false);
    expect(copied.permissionsOf(holder(["owner"]), { org: "org-1" })).toEqual(["billing.read"]);
    expect(copied.permissionsOf({ ...holder(["owner"]), type: "service" }, { org: "org-1" })).toEqual([]);
    expect(Object.isFrozen(copied.orgRoles)).toBe(true);
  });
});

test("RBAC-34 a denied client does not learn what it lacks in the organisation", () => {
  const denied = (principal: Principal, params = {}) =>
    requireOrgMutation(rbac, { org: (request) => request.param("org"), departmentParam: "department" }).check(
      requestOf(principal, { org: "org-1", ...params }),
    );
  const admin = holder(["department_admin"], ["hr"]);
  for (const [verdict, reason] of [
    [denied(holder([])), "missing_role"],
    [denied(admin), "missing_permission"],
    [denied(admin, { department: "eng" }), "missing_permission"],
    [denied(admin, { department: "..%2f" }), "missing_permission"],
    [denied(admin, { org: "org-2", department: "hr" }), "missing_permission"],
    [denied(holder(["owner"], undefined, { scopes: ["departments.*"] })), "insufficient_scope"],
  ] as const) {
    expect(verdict).toMatchObject({ problem: { status: 403, extensions: { reason } } });
    expect(JSON.stringify(verdict)).not.toMatch(/scope_param|wrong_|invalid_scope|department_admin|hr|org-/);
  }
});

test("no identity and no place makes a check throw", () => {
  const anything = fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true, withSparseArray: true });
  const field = fc.oneof(anything, fc.constant(["owner"]), fc.constant("org-1"));
  fc.assert(
    fc.property(
      fc.oneof(
        anything,
        fc.record({ roles: fc.constant([]), orgId: field, orgRoles: field, scopedDepartments: field, type: field, via: field }),
      ),
      fc.oneof(anything, fc.record({ org: field, scope: fc.oneof(anything, fc.record({ department: anything })) })),
      (identity, options) => {
        const asked = [identity as Identity, options as CheckOptions] as const;
        const mutation = rbac.checkOrgMutation(...asked);
        expect(mutation.status).toBe(mutation.allowed ? 200 : mutation.reason === "unauthenticated" ? 401 : 403);
        const decision = rbac.check(asked[0], "billing.manage", asked[1]);
        expect(rbac.explain(asked[0], "billing.manage", asked[1]).decision).toEqual(decision);
        expect(rbac.permissionsOf(...asked).includes("billing.manage")).toBe(decision.allowed);
      },
    ),
    { numRuns: 1000 },
  );
});

test("RBAC-17 a guard with a department but no organisation asks about the caller's own", () => {
  const rbac = defineRbac({
    permissions: { teams: ["rename"] },
    roles: { admin: { grants: ["*"] }, none: {} },
    orgRoles: { department_admin: { extent: "departments", grants: ["teams.rename"] } },
  });
  const guard = requirePermission(rbac, "teams.rename", { departmentParam: "department" });
  const bound = userWith(["none"], { orgId: "a", orgRoles: ["department_admin"], scopedDepartments: ["eng"] });
  expect(guard.check(requestOf(bound, { department: "ENG" }))).toBe(ALLOW);
  expect(guard.check(requestOf(bound, { department: "hr" }))).toMatchObject({ kind: "deny" });
  expect(guard.check(requestOf({ ...bound, orgId: undefined }, { department: "eng" }))).toMatchObject({ kind: "deny" });
  expect(guard.check(requestOf(userWith(["admin"]), { department: "eng" }))).toBe(ALLOW);
});
