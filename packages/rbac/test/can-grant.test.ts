import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckOptions, defineRbac, type Given, type Identity } from "@portcullis/rbac";
import { grants, held, identities, orgRoleNames, orgRoles, places, roleNames, roles, scopes, tree, universe } from "./small-policies.js";
import { expand, isAllowed, isAllowedIn, isDenied, isForeign, orgRolesThere, type PlainPlace } from "./reference.js";

const rbac = defineRbac({
  permissions: { workflows: ["read", "create", "delete"], users: ["read", "manage"] },
  roles: {
    viewer: { grants: ["*.read"] },
    editor: { inherits: ["viewer"], grants: ["workflows.*"] },
    trainee: { inherits: ["editor"], denies: ["workflows.delete"] },
    owner: { grants: ["*"] },
  },
  orgRoles: {
    owner: { mutates: true, grants: ["*"] },
    configurator: { mutates: true },
    department_admin: { extent: "departments", mutates: true, grants: ["users.*"] },
    department_reader: { extent: "departments", grants: ["users.read"] },
    viewer: { grants: ["*.read"] },
  },
});

describe("roles and permissions", () => {
  test("RBAC-27 nobody gives what they do not have, and a denial is not to be had", () => {
    expect(rbac.canGrant({ roles: ["editor"] }, { role: "viewer" })).toMatchObject({
      allowed: true,
      reason: "granted",
      missing: [],
      status: 200,
    });
    expect(rbac.canGrant({ roles: ["editor"] }, { role: "owner" })).toMatchObject({
      allowed: false,
      reason: "missing_permission",
      missing: ["users.manage"],
      status: 403,
    });
    expect(rbac.canGrant({ roles: ["trainee"] }, { role: "editor" })).toMatchObject({
      reason: "explicit_deny",
      missing: ["workflows.delete"],
    });
    expect(rbac.canGrant({ roles: ["owner"], scopes: ["workflows.*"] }, { permissions: ["users.read"] })).toMatchObject({
      reason: "out_of_scope",
    });
    expect(rbac.canGrant({ roles: ["owner"] }, { permissions: ["*"] }).allowed).toBe(true);
    expect(rbac.canGrant({ roles: ["viewer"] }, { permissions: ["*.read"] }).allowed).toBe(true);
  });

  test("RBAC-27 what is not in the policy cannot be given", () => {
    const owner = { roles: ["owner"] };
    expect(rbac.canGrant(owner, { role: "stranger" }).reason).toBe("unknown_role");
    expect(rbac.canGrant(owner, { role: "__proto__" }).reason).toBe("unknown_role");
    expect(rbac.canGrant(owner, { permissions: ["users.delete" as "users.read"] }).reason).toBe("unknown_permission");
    expect(rbac.canGrant(undefined, { role: "viewer" })).toMatchObject({ reason: "unauthenticated", status: 401 });
    expect(rbac.canGrant({ roles: [] }, { permissions: [] })).toMatchObject({ allowed: true, missing: [] });
    for (const given of [{}, null, undefined, 5, { role: "viewer", permissions: [] }, { permissions: "*" }])
      expect(rbac.canGrant(owner, given as { role: string }).reason).toBe("malformed");
  });

  test("RBAC-27 exactly when the actor has everything given, and the rest is named", () => {
    fc.assert(
      fc.property(roles, held, scopes, fc.constantFrom(...roleNames), (roles, names, scopes, given) => {
        const rbac = defineRbac({ permissions: tree, roles });
        const missing = rbac.permissionsOf({ roles: [given] }).filter((key) => !isAllowed(names, key, roles, universe, scopes));
        const decision = rbac.canGrant({ roles: names, scopes }, { role: given });
        expect(decision.missing).toEqual(missing);
        expect(decision.allowed).toBe(missing.length === 0);
      }),
    );
  });

  test("RBAC-27 the scopes of an API key bound what it may give", () => {
    const key = (scopes: readonly string[]): Identity => ({ type: "apiKey", roles: ["owner"], scopes });
    expect(rbac.canGrant(key(["users.*"]), { permissions: ["users.manage"] }).allowed).toBe(true);
    expect(rbac.canGrant(key(["users.*"]), { role: "viewer" })).toMatchObject({ reason: "out_of_scope", missing: ["workflows.read"] });
    expect(rbac.canGrant(key([]), { permissions: ["users.read"] })).toMatchObject({ reason: "out_of_scope", missing: ["users.read"] });
    expect(rbac.canGrant(key(["*"]), { role: "owner" }).allowed).toBe(true);
  });

  test("RBAC-27 in another organisation nothing is compared, and nothing is named", () => {
    const owner = { roles: ["owner"], orgId: "org-1" };
    expect(rbac.canGrant(owner, { role: "viewer" }, { org: "org-1" }).allowed).toBe(true);
    for (const org of ["org-2", "", undefined, null, ["org-1"]])
      for (const given of [{ role: "viewer" }, { orgRole: "viewer" }, { permissions: [] }])
        expect(rbac.canGrant(owner, given, { org } as unknown as CheckOptions)).toMatchObject({
          allowed: false,
          reason: "wrong_org",
          missing: [],
        });
  });
});

describe("organisation roles", () => {
  const member = (orgRoles: readonly string[], more: Partial<Identity> = {}): Identity => ({
    roles: [],
    orgId: "org-1",
    orgRoles,
    ...more,
  });
  const here: CheckOptions = { org: "org-1" };
  const inEng: CheckOptions = { org: "org-1", scope: { department: "eng" } };

  test("RBAC-27 who has everything in one organisation only gives no role: it would hold everywhere", () => {
    for (const options of [here, inEng, undefined])
      for (const given of [{ role: "viewer" }, { role: "owner" }, { permissions: ["users.read"] }] as const)
        expect(rbac.canGrant(member(["owner"]), given, options)).toMatchObject({ allowed: false, reason: "no_roles" });
    expect(rbac.canGrant(member(["owner"]), { role: "viewer" }, here).missing).toEqual(["workflows.read", "users.read"]);
  });

  test("RBAC-27 within the organisation it gives organisation roles, elsewhere none", () => {
    for (const orgRole of ["owner", "configurator", "department_admin", "viewer"])
      expect(rbac.canGrant(member(["owner"]), { orgRole }, here)).toMatchObject({ allowed: true, missing: [] });
    expect(rbac.canGrant(member(["owner"]), { orgRole: "viewer" }, { org: "org-2" }).reason).toBe("wrong_org");
    expect(rbac.canGrant(member(["owner"]), { orgRole: "viewer" })).toMatchObject({ allowed: false, reason: "no_roles" });
    expect(rbac.canGrant(member(["owner"]), { orgRole: "configurator" })).toMatchObject({ allowed: false, reason: "wrong_org" });
    expect(rbac.canGrant(member(["viewer"]), { orgRole: "owner" }, here)).toMatchObject({
      allowed: false,
      missing: ["workflows.create", "workflows.delete", "users.manage"],
    });
  });

  test("RBAC-27 a department's administrator gives what it has there, and nothing that holds for all of the organisation", () => {
    const admin = member(["department_admin"], { scopedDepartments: ["eng"] });
    const give = (orgRole: string, options: CheckOptions) => rbac.canGrant(admin, { orgRole }, options);
    expect(give("department_admin", inEng).allowed).toBe(true);
    expect(give("department_reader", { org: "org-1", scope: { department: "ENG" } }).allowed).toBe(true);
    expect(give("department_reader", { org: "org-1", scope: { department: "hr" } })).toMatchObject({
      reason: "wrong_scope",
      missing: ["users.read"],
    });
    expect(give("department_admin", here)).toMatchObject({ reason: "scope_param_missing", missing: ["users.read", "users.manage"] });
    // Changes all of the organisation, and grants nothing that could be missing.
    expect(give("configurator", inEng)).toMatchObject({ allowed: false, reason: "scope_param_missing", missing: [] });
    expect(give("viewer", inEng)).toMatchObject({ allowed: false, missing: ["workflows.read", "users.read"] });
    expect(give("owner", inEng).allowed).toBe(false);
    expect(rbac.canGrant(admin, { role: "viewer" }, inEng).allowed).toBe(false);
    expect(rbac.canGrant(admin, { permissions: ["users.read"] }, inEng).allowed).toBe(false);
  });

  test("RBAC-27 to give a role that changes the organisation, one must be held: permissions do not make up for it", () => {
    const everything = { roles: ["owner"], orgId: "org-1" };
    expect(rbac.canGrant(everything, { orgRole: "viewer" }, here).allowed).toBe(true);
    expect(rbac.canGrant(everything, { orgRole: "owner" }, here)).toMatchObject({ reason: "missing_org_role", missing: [], status: 403 });
    expect(rbac.canGrant(everything, { orgRole: "department_admin" }, inEng)).toMatchObject({ reason: "missing_org_role" });
  });

  test("RBAC-19 RBAC-27 a program gives no organisation role by one that it does not inherit, nor a bounded credential", () => {
    for (const type of ["apiKey", "service", "system"] as const)
      expect(rbac.canGrant(member(["owner"], { type }), { orgRole: "viewer" }, here).allowed).toBe(false);
    expect(rbac.canGrant(member(["owner"], { scopes: ["*.read"] }), { orgRole: "viewer" }, here).allowed).toBe(true);
    expect(rbac.canGrant(member(["owner"], { scopes: ["*.read"] }), { orgRole: "configurator" }, here).reason).toBe("out_of_scope");
    expect(rbac.canGrant(member(["owner"], { scopes: ["users.*"] }), { orgRole: "viewer" }, here)).toMatchObject({
      reason: "out_of_scope",
      missing: ["workflows.read"],
    });
  });

  test("RBAC-27 what is not in the policy cannot be given, nor two things at once", () => {
    const owner = member(["owner"]);
    for (const orgRole of ["stranger", "editor", "__proto__", "", 5, null, ["owner"], {}])
      expect(rbac.canGrant(owner, { orgRole: orgRole as string }, here).reason).toBe("unknown_role");
    expect(rbac.canGrant(owner, { role: "department_admin" }, here).reason).toBe("unknown_role");
    for (const given of [{ role: "viewer", orgRole: "viewer" }, { orgRole: "viewer", permissions: [] }, { orgRole: undefined }])
      expect(rbac.canGrant(owner, given as unknown as { role: string }, here).reason).toBe("malformed");
    expect(rbac.canGrant(owner, Object.create({ orgRole: "viewer" }) as { orgRole: string }, here).reason).toBe("malformed");
    expect(rbac.canGrant(undefined, { orgRole: "viewer" }, here)).toMatchObject({ reason: "unauthenticated", status: 401 });
  });

  test("RBAC-27 against the reference: exactly when effective(actor) has all of effective(given), there", () => {
    const given = fc.oneof<[fc.Arbitrary<Given>, fc.Arbitrary<Given>, fc.Arbitrary<Given>]>(
      fc.constantFrom(...roleNames).map((role) => ({ role })),
      fc.constantFrom(...orgRoleNames).map((orgRole) => ({ orgRole })),
      grants.map((permissions) => ({ permissions })),
    );
    let [allowed, refused] = [0, 0];
    fc.assert(
      fc.property(roles, orgRoles, identities, places, given, (roles, orgRoles, actor, place, given) => {
        const rbac = defineRbac({ permissions: tree, roles, orgRoles });
        const orgRole = "orgRole" in given ? orgRoles[given.orgRole] : undefined;
        const wanted = (key: string): boolean => {
          if ("role" in given) return isAllowed([given.role], key, roles, universe);
          return ("orgRole" in given ? (orgRole?.grants ?? []) : given.permissions).some((grant) => expand(grant, universe).includes(key));
        };
        // A role holds everywhere; an organisation role in all of the organisation, or in the department asked for.
        const where: PlainPlace | undefined =
          place?.org === undefined ? undefined : orgRole?.extent === "departments" ? place : { org: place.org };
        const held = orgRole === undefined ? { ...actor, orgRoles: [] } : actor;
        const foreign = isForeign(actor, place);
        const missing = universe.filter((key) => !foreign && wanted(key) && !isAllowedIn(where, held, key, { roles, orgRoles, universe }));
        // Changing an organisation is no permission; but who is denied all of them is denied that too.
        const isDeniedAll = universe.every((key) => isDenied(actor.roles, key, roles, universe));
        const mayMutate =
          !isDeniedAll && orgRolesThere(actor, orgRoles, where).some(({ mutates }) => mutates) && (actor.scopes?.includes("*") ?? true);
        const expected = !foreign && missing.length === 0 && (orgRole?.mutates !== true || mayMutate);
        const decision = rbac.canGrant(actor, given, place);
        expect(decision.missing).toEqual(missing);
        expect(decision.allowed).toBe(expected);
        expect(decision.reason === "granted").toBe(expected);
        if (expected) allowed += 1;
        else refused += 1;
      }),
      { numRuns: 1500 },
    );
    // Both were asked often enough to mean something.
    expect(Math.min(allowed, refused)).toBeGreaterThan(100);
  });
});
