import { describe, expect, test } from "vitest";
import { ALLOW } from "@portcullis/core";
import {
  defineRbac,
  type PermissionTree,
  type RbacConstraints,
  requireOrgMutation,
  requirePermission,
  requireRoles,
  type RoleDefinition,
  type SeparationOfDuty,
  standardOrgRoles,
} from "@portcullis/rbac";
import { codeOf } from "./code-of.js";
import { requestOf, userWith } from "./request.js";

const permissions = { payments: ["create", "approve", "read"] } as const;
const rbac = defineRbac({
  permissions,
  roles: {
    clerk: { grants: ["payments.create"] },
    senior_clerk: { inherits: ["clerk"] },
    approver: { grants: ["payments.approve"] },
    head_of_approval: { inherits: ["approver"] },
    auditor: { grants: ["payments.read"] },
    cashier: { grants: ["payments.read"] },
    board: { grants: ["payments.read"] },
  },
  orgRoles: standardOrgRoles,
  constraints: {
    static: [
      { name: "four eyes", roles: ["clerk", "approver"] },
      { name: "at most two offices", roles: ["cashier", "auditor", "board"], cardinality: 3 },
    ],
    dynamic: [{ name: "not in one session", roles: ["cashier", "auditor"] }],
  },
});

describe("RBAC-29 static separation of duty", () => {
  test("roles that are kept apart are not assigned together, inherited ones counted", () => {
    expect(rbac.checkAssignment(["clerk", "approver"])).toEqual({
      allowed: false,
      reason: "separation_of_duty",
      constraint: "four eyes",
      roles: ["clerk", "approver"],
    });
    for (const together of [
      ["approver", "clerk"],
      ["senior_clerk", "approver"],
      ["clerk", "head_of_approval"],
      ["auditor", "head_of_approval", "senior_clerk"],
    ])
      expect(rbac.checkAssignment(together)).toMatchObject({ allowed: false, constraint: "four eyes", roles: ["clerk", "approver"] });
    for (const alone of [[], ["clerk"], ["clerk", "senior_clerk"], ["clerk", "clerk"], ["approver", "auditor"]])
      expect(rbac.checkAssignment(alone)).toEqual({ allowed: true, reason: "granted", constraint: undefined, roles: [] });
  });

  test("cardinality n refuses n of them, and allows one less", () => {
    expect(rbac.checkAssignment(["auditor", "board"]).allowed).toBe(true);
    expect(rbac.checkAssignment(["auditor", "board", "cashier"])).toMatchObject({
      allowed: false,
      constraint: "at most two offices",
      roles: ["cashier", "auditor", "board"],
    });
    expect(rbac.checkAssignment(["auditor", "board", "auditor"]).allowed).toBe(true);
  });

  test("what may not be assigned together may not be active together either", () => {
    expect(rbac.checkActivation(["senior_clerk", "approver"])).toMatchObject({ allowed: false, constraint: "four eyes" });
  });
});

describe("RBAC-29 dynamic separation of duty", () => {
  test("assigning is allowed, activating is refused", () => {
    expect(rbac.checkAssignment(["cashier", "auditor"]).allowed).toBe(true);
    expect(rbac.checkActivation(["cashier", "auditor"])).toEqual({
      allowed: false,
      reason: "separation_of_duty",
      constraint: "not in one session",
      roles: ["cashier", "auditor"],
    });
    expect(rbac.checkActivation(["cashier"]).allowed).toBe(true);
  });
});

describe("RBAC-29 an identity that holds such roles together", () => {
  test.each([
    ["static", ["clerk", "approver"]],
    ["static, inherited", ["senior_clerk", "head_of_approval"]],
    ["dynamic", ["cashier", "auditor"]],
    ["with others", ["board", "stranger", "auditor", "cashier"]],
    ["one of them twice", ["auditor", "auditor", "cashier", "auditor"]],
  ])("%s: is denied everything as separation_of_duty, in every order", (_name, roles) => {
    for (const held of [roles, roles.toReversed()]) {
      const identity = { roles: held, orgId: "org-1", orgRoles: ["owner"] };
      for (const permission of rbac.permissions)
        expect(rbac.check(identity, permission)).toMatchObject({
          allowed: false,
          reason: "separation_of_duty",
          role: undefined,
          status: 403,
        });
      expect(rbac.checkRoles(identity, ["board"]).reason).toBe("separation_of_duty");
      expect(rbac.checkOrgMutation(identity, { org: "org-1" }).reason).toBe("separation_of_duty");
      expect(rbac.canGrant(identity, { permissions: ["payments.read"] }).reason).toBe("separation_of_duty");
      expect(rbac.canGrant(identity, { orgRole: "viewer" }, { org: "org-1" }).reason).toBe("separation_of_duty");
      expect(rbac.permissionsOf(identity)).toEqual([]);
      expect(rbac.explain(identity, "payments.read").decision.reason).toBe("separation_of_duty");
    }
  });

  test("without one of them is not", () => {
    expect(rbac.check({ roles: ["auditor", "board"] }, "payments.read").allowed).toBe(true);
    expect(rbac.check({ roles: ["clerk", "stranger"] }, "payments.create").allowed).toBe(true);
  });

  test("RBAC-34 the client is told of a missing permission only", () => {
    const request = () => requestOf(userWith(["cashier", "auditor"], { orgRoles: ["owner"] }));
    for (const guard of [requirePermission(rbac, "payments.read"), requireRoles(rbac, "auditor"), requireOrgMutation(rbac)]) {
      const verdict = guard.check(request());
      expect(verdict).toMatchObject({ problem: { status: 403, extensions: { reason: "missing_permission" } } });
      expect(JSON.stringify(verdict)).not.toMatch(/separation|session|cashier|auditor/);
    }
    expect(requirePermission(rbac, "payments.read").check(requestOf(userWith(["auditor"])))).toBe(ALLOW);
  });
});

describe("what no role has", () => {
  test("a name that nobody defined is named, not overlooked", () => {
    expect(rbac.checkAssignment(["clerk", "stranger", "__proto__"])).toEqual({
      allowed: false,
      reason: "unknown_role",
      constraint: undefined,
      roles: ["stranger", "__proto__"],
    });
    expect(rbac.checkActivation(["constructor"]).reason).toBe("unknown_role");
  });

  test("what is no list of names is refused, never thrown at", () => {
    for (const roles of [
      undefined,
      null,
      "clerk",
      5,
      { 0: "clerk", length: 1 },
      [5],
      [null],
      [["clerk"]],
      Array(2),
      Object.assign(Array<string>(3), { 0: "clerk", 2: "auditor" }),
    ])
      for (const decision of [rbac.checkAssignment(roles as string[]), rbac.checkActivation(roles as string[])])
        expect(decision).toMatchObject({ allowed: false, reason: "malformed", constraint: undefined, roles: [] });
  });
});

describe("RBAC-29 mistakes are found where they are made", () => {
  const roles = { a: {}, b: {}, both: { inherits: ["a", "b"] as const } };
  const define = (constraints: unknown, defined: Readonly<Record<string, RoleDefinition>> = { a: {}, b: {} }) =>
    codeOf(() => defineRbac({ permissions: tree, roles: defined, constraints: constraints as RbacConstraints }));
  const tree: PermissionTree = permissions;
  const pair: SeparationOfDuty = { name: "pair", roles: ["a", "b"] };

  test.each<[string, unknown, string]>([
    ["constraints that are no object", "static", "invalid_option"],
    ["a misspelt kind", { statics: [pair] }, "invalid_option"],
    ["a list that is none", { static: pair }, "invalid_option"],
    ["a constraint that is no object", { static: ["a"] }, "invalid_option"],
    ["a constraint that is not there", { static: Array(1) }, "invalid_option"],
    ["a function, which cannot be copied", { static: [() => pair] }, "invalid_option"],
    ["a misspelt option", { static: [{ ...pair, cardinalty: 2 }] }, "invalid_option"],
    ["no name", { static: [{ roles: ["a", "b"] }] }, "invalid_option"],
    ["an empty name", { dynamic: [{ ...pair, name: "" }] }, "invalid_option"],
    ["no roles", { static: [{ name: "pair" }] }, "invalid_option"],
    ["roles that are no list", { static: [{ ...pair, roles: "a" }] }, "invalid_option"],
    ["a role that nobody defined", { static: [{ ...pair, roles: ["a", "c"] }] }, "unknown_role"],
    ["a role that is no string", { static: [{ ...pair, roles: ["a", 5] }] }, "unknown_role"],
    ["a role that is not there", { static: [{ ...pair, roles: ["a", "b", undefined] }] }, "unknown_role"],
    ["a name of an object's member", { static: [{ ...pair, roles: ["a", "constructor"] }] }, "unknown_role"],
    ["one role", { static: [{ ...pair, roles: ["a"] }] }, "invalid_constraint"],
    ["one role twice", { static: [{ ...pair, roles: ["a", "a"] }] }, "invalid_constraint"],
    ["no role", { dynamic: [{ ...pair, roles: [] }] }, "invalid_constraint"],
    ["cardinality 1, which forbids the role itself", { static: [{ ...pair, cardinality: 1 }] }, "invalid_constraint"],
    ["cardinality 0", { static: [{ ...pair, cardinality: 0 }] }, "invalid_constraint"],
    ["more than there are roles", { static: [{ ...pair, cardinality: 3 }] }, "invalid_constraint"],
    ["a fraction", { static: [{ ...pair, cardinality: 1.5 }] }, "invalid_constraint"],
    ["no number", { static: [{ ...pair, cardinality: "2" }] }, "invalid_constraint"],
    ["null", { static: [{ ...pair, cardinality: null }] }, "invalid_constraint"],
    ["NaN", { static: [{ ...pair, cardinality: Number.NaN }] }, "invalid_constraint"],
  ])("%s", (_name, constraints, code) => {
    expect(define(constraints)).toBe(code);
  });

  test("a role that inherits what is kept apart could be nobody's", () => {
    for (const kind of ["static", "dynamic"]) {
      expect(define({ [kind]: [pair] }, roles)).toBe("invalid_constraint");
      expect(define({ [kind]: [pair] }, { a: {}, b: { inherits: ["middle"] }, middle: { inherits: ["a"] } })).toBe("invalid_constraint");
    }
    expect(() => defineRbac({ permissions, roles, constraints: { static: [{ name: "pair", roles: ["a", "b"] }] } })).toThrow(
      'The role "both" is or inherits a, b, which the constraint "pair" keeps apart.',
    );
  });

  test("absent constraints keep nothing apart", () => {
    for (const constraints of [undefined, {}, { static: [] }, { static: undefined, dynamic: [] }])
      expect(define(constraints, roles)).toBe("nothing was thrown");
  });

  test("roles are replaced under the same constraints, or not at all", () => {
    const replaced = defineRbac({ permissions, roles: { a: {}, b: {} }, constraints: { static: [{ name: "pair", roles: ["a", "b"] }] } });
    expect(codeOf(() => replaced.replaceRoles({ a: {}, b: { inherits: ["a"] } }))).toBe("invalid_constraint");
    expect(codeOf(() => replaced.replaceRoles({ a: {} }))).toBe("unknown_role");
    expect(replaced.policyVersion).toBe(1);
    replaced.replaceRoles({ a: {}, b: {}, c: { inherits: ["b"], grants: ["*"] } });
    expect(replaced.checkAssignment(["a", "c"])).toMatchObject({ allowed: false, constraint: "pair" });
    expect(replaced.check({ roles: ["c", "a"] }, "payments.read").reason).toBe("separation_of_duty");
  });

  test("a policy does not follow the objects it was made from", () => {
    const apart = ["a", "b"];
    const constraints = { static: [{ name: "pair", roles: apart }] };
    const roles: Readonly<Record<string, RoleDefinition>> = { a: {}, b: {} };
    const copied = defineRbac({ permissions: tree, roles, constraints });
    constraints.static.length = 0;
    apart.pop();
    expect(copied.checkAssignment(["a", "b"]).allowed).toBe(false);
    copied.replaceRoles({ a: {}, b: {} });
    expect(copied.checkAssignment(["a", "b"]).allowed).toBe(false);
  });
});

// ANSI/INCITS 359-2012 §6.3 (static) and §6.4 (dynamic separation of duty), over every hierarchy of four roles, every constraint
// on them and every set of them that somebody could hold.
describe("RBAC-29 NIST: exhaustively over four roles", () => {
  const names = ["a", "b", "c", "d"];
  const subsets: readonly (readonly string[])[] = Array.from({ length: 16 }, (_, bits) =>
    names.filter((_name, index) => (bits >> index) & 1),
  );
  // A role inherits any of those before it: 2^(0 + 1 + 2 + 3) hierarchies, which are all acyclic ones up to names.
  const hierarchies: readonly Readonly<Record<string, readonly string[]>>[] = Array.from({ length: 64 }, (_, bits) => ({
    a: [],
    b: names.slice(0, 1).filter(() => bits & 1),
    c: names.slice(0, 2).filter((_name, index) => (bits >> (1 + index)) & 1),
    d: names.slice(0, 3).filter((_name, index) => (bits >> (3 + index)) & 1),
  }));
  const constraints: readonly SeparationOfDuty[] = subsets.flatMap((roles) =>
    Array.from({ length: Math.max(0, roles.length - 1) }, (_, index) => ({ name: "apart", roles, cardinality: index + 2 })),
  );
  const authorised = (held: readonly string[], hierarchy: Readonly<Record<string, readonly string[]>>): ReadonlySet<string> =>
    new Set(held.flatMap((name) => [name, ...authorised(hierarchy[name] ?? [], hierarchy)]));

  test.each(["static", "dynamic"] as const)("%s", (kind) => {
    let [defined, refused, apart] = [0, 0, 0];
    for (const hierarchy of hierarchies) {
      const roles = Object.fromEntries(names.map((name) => [name, { inherits: hierarchy[name] ?? [], grants: ["*" as const] }]));
      for (const constraint of constraints) {
        const isBroken = (held: readonly string[]): boolean => {
          const all = authorised(held, hierarchy);
          return constraint.roles.filter((role) => all.has(role)).length >= (constraint.cardinality ?? 2);
        };
        const define = () => defineRbac({ permissions, roles, constraints: { [kind]: [constraint] } });
        if (names.some((name) => isBroken([name]))) {
          if (codeOf(define) !== "invalid_constraint") throw new Error(JSON.stringify({ hierarchy, constraint }));
          refused += 1;
          continue;
        }
        defined += 1;
        const rbac = define();
        for (const held of subsets) {
          const broken = isBroken(held);
          if (broken) apart += 1;
          const answers = [
            rbac.checkAssignment(held).allowed === !(broken && kind === "static"),
            rbac.checkActivation(held).allowed === !broken,
            (rbac.check({ roles: held }, "payments.read").reason === "separation_of_duty") === broken,
            rbac.check({ roles: held }, "payments.read").allowed === (!broken && held.length > 0),
            // What is kept apart stays so, whatever is added to it.
            !broken || names.every((more) => !rbac.checkActivation([...held, more]).allowed),
          ];
          if (answers.includes(false)) throw new Error(JSON.stringify({ hierarchy, constraint, held, answers }));
        }
      }
    }
    expect(defined + refused).toBe(64 * 17);
    for (const seen of [defined, refused, apart]) expect(seen).toBeGreaterThan(100);
  });
});
