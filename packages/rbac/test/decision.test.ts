import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type CheckOptions, defineRbac, type Identity, type PermissionTree } from "@portcullis/rbac";
import { grants, held, roleNames, roles, scopes, tree, universe } from "./small-policies.js";
import { isAllowed, type PlainRoles } from "./reference.js";

const rbac = defineRbac({
  permissions: { workflows: ["read", "create", "delete"], users: ["read", "manage"] },
  roles: {
    viewer: { grants: ["*.read"] },
    editor: { inherits: ["viewer"], grants: ["workflows.*"] },
    suspended: { denies: ["*.create", "workflows.delete"] },
    trainee: { inherits: ["editor"], denies: ["workflows.delete"] },
    "senior-trainee": { inherits: ["trainee"], grants: ["*"] },
    owner: { grants: ["*"] },
  },
});

describe("what a decision says", () => {
  test("an allowed one names the role, the grant and the policy", () => {
    expect(rbac.check({ roles: ["editor"] }, "users.read")).toEqual({
      allowed: true,
      reason: "granted",
      permission: "users.read",
      role: "editor",
      grant: "*.read",
      policyVersion: 1,
      status: 200,
    });
  });

  test("a denied one names the denial that decided", () => {
    expect(rbac.check({ roles: ["owner", "trainee"] }, "workflows.delete")).toEqual({
      allowed: false,
      reason: "explicit_deny",
      permission: "workflows.delete",
      role: "trainee",
      grant: "workflows.delete",
      policyVersion: 1,
      status: 403,
    });
    expect(rbac.check({ roles: ["viewer"] }, "users.manage")).toMatchObject({
      reason: "missing_permission",
      role: undefined,
      grant: undefined,
    });
  });

  test("explain says role by role who grants and who denies, and how it is inherited", () => {
    const explanation = rbac.explain({ roles: ["senior-trainee", "stranger"], scopes: ["users.*"] }, "workflows.delete");
    expect(explanation).toEqual({
      decision: rbac.check({ roles: ["senior-trainee", "stranger"], scopes: ["users.*"] }, "workflows.delete"),
      roles: [
        {
          role: "senior-trainee",
          known: true,
          granted: { grant: "*", path: ["senior-trainee"] },
          denied: { grant: "workflows.delete", path: ["senior-trainee", "trainee"] },
        },
        { role: "stranger", known: false, granted: undefined, denied: undefined },
      ],
      orgRoles: [],
      scopes: "not_covered",
    });
    expect(rbac.explain({ roles: ["owner"] }, "users.read").scopes).toBe("unbounded");
    expect(rbac.explain({ roles: ["owner"], scopes: ["users.*"] }, "users.read").scopes).toBe("covered");
    expect(rbac.explain(undefined, "users.read")).toMatchObject({ decision: { reason: "unauthenticated" }, roles: [] });
    expect(rbac.explain({ roles: ["owner"] }, "users.*" as "users.read")).toMatchObject({
      decision: { reason: "invalid_permission" },
      roles: [],
    });
  });

  test("permissionsOf lists what check allows, in the order declared", () => {
    expect(rbac.permissionsOf({ roles: ["trainee"] })).toEqual(["workflows.read", "workflows.create", "users.read"]);
    expect(rbac.permissionsOf({ roles: ["owner"], scopes: ["*.read"] })).toEqual(["workflows.read", "users.read"]);
    expect(rbac.permissionsOf(undefined)).toEqual([]);
    expect(rbac.permissionsOf({ roles: ["owner"], orgId: "a" }, { org: "b" })).toEqual([]);
  });

  test("isPermission narrows strings from outside", () => {
    expect(rbac.isPermission("users.read")).toBe(true);
    for (const value of ["users.*", "users", "", 5, null, undefined, {}]) expect(rbac.isPermission(value)).toBe(false);
  });
});

describe("denials", () => {
  test("RBAC-6 a denial wins from every distance and in every order", () => {
    for (const roles of [
      ["trainee"],
      ["senior-trainee"],
      ["owner", "trainee"],
      ["trainee", "owner"],
      ["owner", "suspended"],
      ["suspended", "editor", "owner"],
    ]) {
      expect(rbac.check({ roles }, "workflows.delete")).toMatchObject({ allowed: false, reason: "explicit_deny" });
    }
    expect(rbac.check({ roles: ["owner", "suspended"] }, "workflows.create").reason).toBe("explicit_deny");
    expect(rbac.check({ roles: ["owner", "suspended"] }, "users.manage").allowed).toBe(true);
  });
});

describe("identities", () => {
  test("RBAC-7 no roles, or what is no list of roles, denies", () => {
    expect(rbac.check(undefined, "users.read")).toMatchObject({ allowed: false, reason: "unauthenticated", status: 401 });
    expect(rbac.check({ roles: [] }, "users.read").reason).toBe("no_roles");
    for (const roles of [
      undefined,
      null,
      "owner",
      { 0: "owner", length: 1 },
      new Set(["owner"]),
      ["owner", 5],
      [["owner"]],
      [null],
      Array(3),
      () => ["owner"],
    ]) {
      expect(rbac.check({ roles } as unknown as Identity, "users.read")).toMatchObject({
        allowed: false,
        reason: "malformed",
        status: 403,
      });
    }
    for (const identity of ["owner", 5, true, [], {}, Symbol("owner"), Object.create({ roles: ["owner"] })]) {
      expect(rbac.check(identity as unknown as Identity, "users.read").reason).toBe("malformed");
    }
    expect(rbac.check(null as unknown as Identity, "users.read").reason).toBe("unauthenticated");
  });

  test("RBAC-7 an unknown role counts for nothing", () => {
    expect(rbac.check({ roles: ["stranger"] }, "users.read").reason).toBe("no_roles");
    expect(rbac.check({ roles: ["stranger", "viewer"] }, "users.read").allowed).toBe(true);
  });

  test("roles are read as they are at the check, frozen or not", () => {
    const roles = ["owner"];
    expect(rbac.check({ roles }, "users.manage").allowed).toBe(true);
    roles[0] = "viewer";
    expect(rbac.check({ roles }, "users.manage").allowed).toBe(false);
  });

  test("scopes that an identity has from its class are not overlooked: they cover nothing", () => {
    class ApiCredential {
      readonly roles = ["owner"];
      get scopes(): readonly string[] {
        return ["users.read"];
      }
    }
    for (const bounded of [
      new ApiCredential(),
      Object.assign(Object.create({ scopes: ["users.read"] }), { roles: ["owner"] }) as Identity,
    ]) {
      expect(rbac.check(bounded, "workflows.delete")).toMatchObject({ allowed: false, reason: "out_of_scope" });
      expect(rbac.checkRoles(bounded, ["owner"]).allowed).toBe(false);
      expect(rbac.permissionsOf(bounded)).toEqual([]);
    }
    class Session {
      readonly roles = ["owner"];
    }
    for (const unbounded of [new Session(), Object.assign(Object.create(null), { roles: ["owner"] }) as Identity])
      expect(rbac.check(unbounded, "workflows.delete").allowed).toBe(true);
  });

  test("a credential's scopes are an upper bound: they narrow, never widen", () => {
    const check = (roles: readonly string[], scopes: readonly string[] | undefined) => rbac.check({ roles, scopes }, "workflows.create");
    expect(check(["editor"], undefined).allowed).toBe(true);
    for (const scope of ["*", "workflows.*", "*.create", "workflows.create"]) expect(check(["editor"], [scope]).allowed).toBe(true);
    for (const scopes of [
      [],
      ["users.*"],
      ["workflows.creat"],
      ["workflows"],
      ["*.*"],
      ["workflows.create "],
      [""],
      [5 as unknown as string],
    ]) {
      expect(check(["editor"], scopes)).toMatchObject({ allowed: false, reason: "out_of_scope", role: "editor", grant: "workflows.*" });
    }
    expect(check(["viewer"], ["*"]).reason).toBe("missing_permission");
    for (const scopes of [null, "workflows.create", {}, 5])
      expect(check(["editor"], scopes as unknown as string[]).reason).toBe("out_of_scope");
  });

  test("a resource of another organisation, or of one that cannot be told, is denied", () => {
    const owner = { roles: ["owner"], orgId: "a" };
    expect(rbac.check(owner, "users.read", { org: "a" }).allowed).toBe(true);
    expect(rbac.check(owner, "users.read", {}).allowed).toBe(true);
    for (const org of ["b", "", "A", undefined, null, ["a"]]) {
      expect(rbac.check(owner, "users.read", { org } as unknown as CheckOptions)).toMatchObject({ allowed: false, reason: "wrong_org" });
    }
    expect(rbac.check({ roles: ["owner"] }, "users.read", { org: "a" }).reason).toBe("wrong_org");
    expect(rbac.check({ roles: ["owner"], orgId: "" }, "users.read", { org: "" }).reason).toBe("wrong_org");
    expect(rbac.check({ roles: ["owner"], orgId: undefined }, "users.read", { org: undefined } as unknown as CheckOptions).reason).toBe(
      "wrong_org",
    );
  });
});

describe("RBAC-2 a polluted Object.prototype", () => {
  const names = new Set<string>();
  afterEach(() => {
    for (const name of names) delete (Object.prototype as Record<string, unknown>)[name];
  });

  test.each<[string, unknown]>([
    ["roles", ["owner"]],
    ["scopes", []],
    ["orgId", "b"],
    ["org", "b"],
    ["grants", ["*"]],
    ["denies", ["*"]],
    ["inherits", ["owner"]],
    ["role", "viewer"],
    ["permissions", ["users.read"]],
    ["exact", true],
    ["orgRoles", ["owner"]],
    ["orgRole", "owner"],
    ["scopedDepartments", ["eng"]],
    ["personas", ["ceo"]],
    ["type", "apiKey"],
    ["type", "user"],
    ["via", "gateway"],
    ["scope", { department: "eng" }],
    ["department", "eng"],
    ["extent", "departments"],
    ["mutates", true],
    ["writes", true],
    ["internal", true],
    ["static", [{ name: "pair", roles: ["viewer", "none"] }]],
    ["dynamic", []],
    ["cardinality", 3],
    ["constraints", { static: [{ name: "pair", roles: ["viewer", "none"] }] }],
    ["orgRolesHeldBy", []],
    ["readActions", ["manage"]],
    ["policyVersion", 9],
    ["x", ["*"]],
  ])("%s changes no decision", (name, value) => {
    const ask = () => {
      const fresh = defineRbac({
        permissions: { users: ["read", "manage"] },
        roles: { none: {}, viewer: { grants: ["users.read"] }, owner: { inherits: ["viewer"], grants: ["*"] }, left: {}, right: {} },
        orgRoles: {
          owner: { mutates: true, grants: ["users.*"] },
          viewer: {},
          lead: { extent: "departments", mutates: true, grants: ["*"] },
        },
        personas: { ceo: { writes: true }, observer: {} },
        constraints: { static: [{ name: "apart", roles: ["left", "right"] }] },
      });
      const [owner, lead] = ["owner", "lead"].map((orgRole) => ({ roles: [], orgId: "b", orgRoles: [orgRole] }));
      return [
        fresh.check({} as Identity, "users.read"),
        fresh.check(undefined, "users.read"),
        fresh.check({ roles: [] }, "users.raed" as "users.read"),
        fresh.check({ roles: ["none"] }, "users.read"),
        fresh.check({ roles: ["owner"] }, "users.manage"),
        fresh.check({ roles: ["owner"] }, "users.manage", { org: "b" }).reason,
        fresh.check({ roles: ["owner"], orgId: "a" }, "users.manage", {}).reason,
        fresh.checkRoles({ roles: ["owner"] }, ["viewer"], {}),
        fresh.canGrant({ roles: ["viewer"] }, { permissions: ["*"] }).reason,
        fresh.canGrant({ roles: ["viewer"] }, { role: "owner" }).reason,
        fresh.check({ roles: ["none"], orgId: "b" }, "users.read", { org: "b" }),
        fresh.check(owner, "users.read", { org: "b" }),
        fresh.check(owner, "users.read"),
        fresh.check(owner, "users.read", {}),
        fresh.check(lead, "users.read", { org: "b" }),
        fresh.check({ roles: [], orgId: "b", orgRoles: ["lead"], scopedDepartments: ["eng"] }, "users.read", { org: "b" }),
        fresh.checkOrgMutation({ roles: [], orgId: "b" }, { org: "b" }),
        fresh.checkOrgMutation({ roles: [], orgId: "b", orgRoles: ["viewer", "lead"] }, { org: "b" }),
        fresh.checkOrgMutation(owner, {}),
        fresh.checkOrgMutation(owner, { org: "b" }),
        fresh.checkPersona({ roles: [] }, "read"),
        fresh.checkPersona({ roles: [], personas: ["observer"] }, "write"),
        fresh.checkAssignment(["left", "right"]),
        fresh.checkAssignment(["viewer", "none"]),
        fresh.canGrant(owner, { orgRole: "viewer" }, { org: "b" }),
        fresh.canGrant(owner, { orgRole: "lead" }),
        fresh.explain(owner, "users.read", {}),
        fresh.permissionsOf(owner),
        fresh.diff(defineRbac({ permissions: { users: ["read"] }, roles: { viewer: { grants: ["*"] } } }), [
          { roles: ["owner"] },
          {} as Identity,
        ]),
        [fresh.isWrite("users.read"), fresh.isWrite("users.manage"), fresh.policyVersion, fresh.replaceRoles({ left: {}, right: {} }, {})],
      ];
    };
    const before = ask();
    names.add(name);
    Reflect.defineProperty(Object.prototype, name, { value, configurable: true, enumerable: true, writable: true });
    const polluted = ask();
    delete (Object.prototype as Record<string, unknown>)[name];
    expect(polluted).toEqual(before);
  });
});

const define = (roles: PlainRoles) => defineRbac({ permissions: tree, roles });

describe("against the reference", () => {
  test("RBAC-4 RBAC-5 RBAC-6 every decision is the reference's", () => {
    fc.assert(
      fc.property(roles, held, scopes, (roles, names, scopes) => {
        const rbac = define(roles);
        for (const key of [...universe, "a.z", "d.x"]) {
          const expected = isAllowed(names, key, roles, universe, scopes);
          const decision = rbac.check({ roles: names, scopes }, key);
          expect(decision.allowed).toBe(expected);
          expect(decision.reason === "granted").toBe(expected);
          expect(decision.status).toBe(expected ? 200 : 403);
          // Asked again it is remembered, and the same.
          expect(rbac.check({ roles: names, scopes }, key)).toEqual(decision);
          expect(rbac.permissionsOf({ roles: names, scopes }).includes(key)).toBe(expected);
          // The role that is named grants it by itself.
          expect(decision.role !== undefined && rbac.check({ roles: [decision.role], scopes }, key).allowed).toBe(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("RBAC-6 decisions do not depend on the order of roles, definitions or grants", () => {
    fc.assert(
      fc.property(roles, held, fc.infiniteStream(fc.nat({ max: 1000 })), (roles, names, ranks) => {
        const shuffle = <T>(list: readonly T[]): T[] =>
          list
            .map((item) => ({ item, rank: ranks.next().value }))
            .sort((left, right) => left.rank - right.rank)
            .map(({ item }) => item);
        const shuffled = Object.fromEntries(
          shuffle(Object.entries(roles)).map(([name, role]) => [
            name,
            { inherits: shuffle(role.inherits), grants: shuffle(role.grants), denies: shuffle(role.denies) },
          ]),
        );
        const one = define(roles);
        const other = define(shuffled);
        for (const key of universe)
          expect(other.check({ roles: shuffle(names) }, key).allowed).toBe(one.check({ roles: names }, key).allowed);
      }),
    );
  });

  test("RBAC-8 a senior role has everything its juniors have, less what is denied; grants only add, denials only take", () => {
    fc.assert(
      fc.property(roles, grants, fc.constantFrom(...roleNames), (roles, more, name) => {
        const rbac = define(roles);
        const role = roles[name] as PlainRoles[string];
        const base = new Set(rbac.permissionsOf({ roles: [name] }));
        for (const junior of role.inherits) {
          const lost = rbac.permissionsOf({ roles: [junior] }).filter((key) => !base.has(key));
          for (const key of lost) expect(rbac.check({ roles: [name] }, key).reason).toBe("explicit_deny");
        }
        const wider = new Set(
          define({ ...roles, [name]: { ...role, grants: [...role.grants, ...more] } }).permissionsOf({ roles: [name] }),
        );
        const narrower = define({ ...roles, [name]: { ...role, denies: [...role.denies, ...more] } }).permissionsOf({ roles: [name] });
        for (const key of base) expect(wider.has(key)).toBe(true);
        for (const key of narrower) expect(base.has(key)).toBe(true);
      }),
    );
  });
});

describe("what is remembered", () => {
  test("more combinations of roles and decisions than are remembered are still answered right", () => {
    const names = Array.from({ length: 40 }, (_, index) => `r${index}`);
    const tree: PermissionTree = { things: names.map((_, index) => `a${index}`) };
    const wide = defineRbac({
      permissions: tree,
      roles: Object.fromEntries(names.map((name, index) => [name, { grants: [`things.a${index}`] }])),
    });
    let wrong = 0;
    for (let first = 0; first < 40; first += 1) {
      for (let second = 0; second < 40; second += 1) {
        for (let third = 0; third < 40; third += 8) {
          const held = { roles: [`r${first}`, `r${second}`, `r${third}`] };
          for (let action = 0; action < 40; action += 1) {
            if (wide.check(held, `things.a${action}`).allowed !== [first, second, third].includes(action)) wrong += 1;
          }
        }
      }
    }
    expect(wrong).toBe(0);
  });
});

describe("fuzz", () => {
  test("no question makes a check throw, and only a well-formed one is allowed", () => {
    const hostile = new Proxy([], {
      get() {
        throw new Error("trap");
      },
    });
    const anything = fc.oneof(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withSparseArray: true,
        withNullPrototype: true,
        withTypedArray: true,
      }),
      fc.constant(hostile),
      fc.constant(Symbol("s")),
    );
    const identity = fc.oneof(
      anything,
      fc.record({ roles: fc.oneof(anything, held, fc.constant(["owner"])), scopes: anything, orgId: anything }, { requiredKeys: [] }),
    );
    fc.assert(
      fc.property(
        identity,
        fc.oneof(anything, fc.constantFrom(...rbac.permissions)),
        fc.oneof(anything, fc.record({ org: anything, exact: anything })),
        (identity, key, options) => {
          const args = [identity as Identity, key as "users.read", options as CheckOptions] as const;
          const decision = rbac.check(...args);
          expect(decision.allowed && !rbac.isPermission(key)).toBe(false);
          expect(rbac.explain(...args).decision).toEqual(decision);
          expect(Array.isArray(rbac.permissionsOf(args[0], args[2]))).toBe(true);
          rbac.checkRoles(args[0], ["owner"], args[2]);
          rbac.checkRoles(args[0], options as ["owner"], args[2]);
          rbac.canGrant(args[0], options as { role: string }, args[2]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("an identity that throws when it is read is denied as malformed", () => {
    const identity = {
      get roles(): readonly string[] {
        throw new Error("getter");
      },
    };
    expect(rbac.check(identity, "users.read").reason).toBe("malformed");
    expect(rbac.checkRoles(identity, ["owner"]).reason).toBe("malformed");
    expect(rbac.permissionsOf(identity)).toEqual([]);
    expect(rbac.canGrant(identity, { role: "viewer" }).reason).toBe("malformed");
  });
});

describe("what a check is told beside the permission", () => {
  const owner = { roles: ["owner"], orgId: "a" };

  test.each([{ orgId: "b" }, { organisation: "b" }, { Org: "b" }, { scopes: { department: "x" } }, { org: "a", department: "x" }])(
    "RBAC-17 an option that nobody reads is refused, not overlooked: %j",
    (options) => {
      const check = rbac.check(owner, "users.read", options);
      expect(check).toMatchObject({ allowed: false, reason: "malformed", status: 403 });
      expect(rbac.checkRoles(owner, ["owner"], options as CheckOptions).reason).toBe("malformed");
      expect(rbac.permissionsOf(owner, options as CheckOptions)).toEqual([]);
    },
  );

  test("an empty one says nothing", () => {
    expect(rbac.check(owner, "users.read", {}).allowed).toBe(true);
  });
});

test("RBAC-7 neither clock nor metrics make a check throw, and wrong ones are refused where the policy is defined", () => {
  const define = (more: object) => defineRbac({ permissions: { users: ["read"] }, roles: { viewer: { grants: ["*"] } }, ...more });
  const broken = {
    now: () => 0,
    monotonic() {
      throw new Error("no clock");
    },
    after: () => () => {},
  };
  const withBrokenClock = define({ clock: broken });
  for (let time = 0; time < 3_000; time += 1) expect(withBrokenClock.check({ roles: ["viewer"] }, "users.read").allowed).toBe(true);
  for (const more of [{ clock: 5 }, { clock: {} }, { clock: null }, { metrics: {} }, { metrics: null }, { metrics: { counter: () => {} } }])
    expect(() => define(more)).toThrow(expect.objectContaining({ code: "invalid_option" }));
});
