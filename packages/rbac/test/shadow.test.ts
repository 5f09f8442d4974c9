import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ALLOW, type Metrics } from "@portcullis/core";
import {
  type AnyRbac,
  defineRbac,
  type Identity,
  type RbacEvent,
  requireOrgMutation,
  requirePermission,
  requirePersona,
  requireRoles,
  secureEndpoint,
  type ShadowDifference,
  withShadow,
} from "@portcullis/rbac";
import { codeOf } from "./code-of.js";
import { countingMetrics } from "./counting-metrics.js";
import { identities, orgRoles, places, roles, tree } from "./small-policies.js";
import { requestOf, run, userWith } from "./request.js";

const permissions = { notes: ["read", "write"] } as const;
const current = () =>
  defineRbac({
    permissions,
    roles: { reader: { grants: ["notes.read"] }, writer: { grants: ["*"] } },
    orgRoles: { owner: { mutates: true } },
    personas: { ceo: { writes: true } },
  });
const stricter = () => defineRbac({ permissions, roles: { reader: {}, writer: { grants: ["notes.write"] } } });
const looser = () => defineRbac({ permissions, roles: { reader: { grants: ["*"] }, writer: { grants: ["*"] } } });

/** The policy in force beside a candidate, and the differences that were seen. */
function shadowed(candidate: AnyRbac, more: { readonly sampleEvery?: number } = {}) {
  const seen: ShadowDifference[] = [];
  const rbac = withShadow(current(), candidate, { onDifference: (difference) => seen.push(difference), ...more });
  return { rbac, seen };
}

describe("differences", () => {
  test("are told with both decisions and the identity, and decide nothing", () => {
    const { rbac, seen } = shadowed(stricter());
    const identity = { roles: ["reader"] };
    const decision = rbac.check(identity, "notes.read");
    expect(decision).toEqual(current().check(identity, "notes.read"));
    expect(seen).toEqual([{ actual: decision, candidate: stricter().check(identity, "notes.read"), identity }]);
    expect(Object.isFrozen(seen[0])).toBe(true);
    expect(rbac.check(identity, "notes.write").allowed).toBe(false);
    expect(seen).toHaveLength(1);
  });

  test("are counted by permission and direction; an undeclared permission is unknown", () => {
    const { metrics, counts } = countingMetrics();
    const asked = (candidate: AnyRbac) => withShadow(current(), candidate, { metrics });
    asked(stricter()).check({ roles: ["reader"] }, "notes.read");
    asked(looser()).check({ roles: ["reader"] }, "notes.write");
    const wider = defineRbac({ permissions: { notes: ["read", "write", "share"] }, roles: { reader: { grants: ["*"] } } });
    asked(wider).check({ roles: ["reader"] }, "notes.share" as "notes.read");
    asked(stricter()).check({ roles: ["stranger"] }, "notes.read");
    expect(Object.fromEntries(counts)).toEqual({
      "rbac_shadow_differences_total notes.read would_deny": 1,
      "rbac_shadow_differences_total notes.write would_allow": 1,
      "rbac_shadow_differences_total unknown would_allow": 1,
    });
  });

  test("one check in so many is compared", () => {
    const { rbac, seen } = shadowed(stricter(), { sampleEvery: 3 });
    for (let index = 0; index < 10; index += 1) rbac.check({ roles: ["reader"] }, "notes.read");
    expect(seen).toHaveLength(3);
  });

  test("guards made from it compare too: what they decide is the policy's", async () => {
    const { rbac, seen } = shadowed(stricter());
    const request = () => requestOf(userWith(["reader"]));
    expect(requirePermission(rbac, "notes.read").check(request())).toBe(ALLOW);
    expect((await run([secureEndpoint(rbac, { permission: { any: ["notes.read"] } })], request())).stop).toBeUndefined();
    expect(requirePermission(rbac, "notes.write").check(request())).toMatchObject({ kind: "deny" });
    expect(seen.map(({ actual, candidate }) => [actual.permission, actual.allowed, candidate.allowed])).toEqual([
      ["notes.read", true, false],
      ["notes.read", true, false],
    ]);
    const wide = shadowed(looser());
    expect(requirePermission(wide.rbac, "notes.write").check(request())).toMatchObject({ kind: "deny" });
    expect(wide.seen).toHaveLength(1);
    expect(requireRoles(rbac, "reader").check(request())).toBe(ALLOW);
    expect(requireOrgMutation(rbac).check(requestOf(userWith([], { orgRoles: ["owner"] })))).toBe(ALLOW);
    expect(requirePersona(rbac, "ceo").check(requestOf(userWith([], { personas: ["ceo"] })))).toBe(ALLOW);
  });

  test("the candidate is asked with the place of the resource", () => {
    const orgRoles = { owner: { grants: ["*"] } } as const;
    const seen: ShadowDifference[] = [];
    const rbac = withShadow(defineRbac({ permissions, roles: {}, orgRoles }), defineRbac({ permissions, roles: {}, orgRoles }), {
      onDifference: (difference) => seen.push(difference),
    });
    const owner = { roles: [], orgId: "org-1", orgRoles: ["owner"] };
    expect(rbac.check(owner, "notes.read", { org: "org-1" }).allowed).toBe(true);
    expect(rbac.prepare("notes.read")(owner, { org: "org-1" }).allowed).toBe(true);
    expect(seen).toEqual([]);
  });
});

describe("whatever the candidate is, every answer is the policy's own", () => {
  test("in every method, over random policies", () => {
    fc.assert(
      fc.property(roles, orgRoles, roles, identities, places, (roles, orgRoles, others, identity, place) => {
        const definition = { permissions: tree, roles, orgRoles, personas: { ceo: { writes: true } } };
        const own = defineRbac(definition);
        const beside = withShadow(defineRbac(definition), defineRbac({ permissions: tree, roles: others }));
        const answers = (rbac: AnyRbac) => [
          rbac.permissions.map((key) => [
            rbac.check(identity, key, place),
            rbac.prepare(key)(identity, place),
            rbac.explain(identity, key, place),
          ]),
          rbac.check(identity, "not.declared", place),
          rbac.permissionsOf(identity, place),
          rbac.checkRoles(identity, ["r1"], { ...place, exact: true }),
          rbac.checkOrgMutation(identity, place ?? {}),
          rbac.checkPersona({ ...identity, personas: ["ceo"] }, "write"),
          rbac.checkAssignment(["r0", "r1"]),
          rbac.checkActivation(["r0", "stranger"]),
          rbac.canGrant(identity, { role: "r2" }, place),
          rbac.diff(defineRbac({ permissions: tree, roles: others }), [identity]),
          [rbac.permissions, rbac.roles, rbac.orgRoles, rbac.personas, rbac.policyVersion, rbac.redactDenials],
          [rbac.isPermission("a.x"), rbac.isPermission("a.z"), rbac.isWrite("a.x")],
        ];
        expect(answers(beside)).toEqual(answers(own));
      }),
      { numRuns: 100 },
    );
  });

  test("a candidate, an observer or metrics that fail change nothing", () => {
    const fail = (): never => {
      throw new Error("candidate");
    };
    const broken = { ...stricter(), check: fail } as unknown as AnyRbac;
    const failing: Metrics = { counter: () => ({ add: fail }), gauge: () => ({ set: fail }), histogram: () => ({ observe: fail }) };
    const identity = { roles: ["reader"] };
    const expected = current().check(identity, "notes.read");
    for (const rbac of [
      withShadow(current(), broken),
      withShadow(current(), { ...stricter(), check: () => undefined } as unknown as AnyRbac),
      withShadow(current(), stricter(), { onDifference: fail }),
      withShadow(current(), stricter(), { metrics: failing }),
    ]) {
      expect(rbac.check(identity, "notes.read")).toEqual(expected);
      expect(rbac.prepare("notes.read")(identity)).toEqual(expected);
      expect(requirePermission(rbac, "notes.read").check(requestOf(userWith(["reader"])))).toBe(ALLOW);
    }
  });

  describe("an observer that fails later", () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    beforeEach(() => void process.on("unhandledRejection", note));
    afterEach(() => void process.off("unhandledRejection", note));

    test("is nobody's unhandled rejection", async () => {
      const rbac = withShadow(current(), stricter(), { onDifference: () => Promise.reject(new Error("later")) as unknown as void });
      rbac.check({ roles: ["reader"] }, "notes.read");
      await new Promise((resolve) => void setImmediate(resolve));
      expect(unhandled).toEqual([]);
    });
  });
});

describe("replacing", () => {
  test("puts roles in force behind the wrapper, for its checks, guards and prepared checks", () => {
    const events: RbacEvent[] = [];
    const behind = defineRbac({ permissions, roles: { reader: {} }, onEvent: (event) => events.push(event) });
    const seen: ShadowDifference[] = [];
    const rbac = withShadow(behind, looser(), { onDifference: (difference) => seen.push(difference) });
    const check = rbac.prepare("notes.read");
    const guard = requirePermission(rbac, "notes.read");
    const identity: Identity = { roles: ["reader"] };
    expect(check(identity).allowed).toBe(false);
    expect(seen).toHaveLength(1);
    expect(rbac.replaceRoles({ reader: { grants: ["notes.*"] } }, { policyVersion: 9 })).toBe(9);
    expect([rbac.policyVersion, behind.policyVersion]).toEqual([9, 9]);
    expect(rbac.roles).toEqual(["reader"]);
    expect(check(identity)).toMatchObject({ allowed: true, policyVersion: 9 });
    expect(guard.check(requestOf(userWith(["reader"])))).toBe(ALLOW);
    expect(seen).toHaveLength(1);
    expect(events).toEqual([{ kind: "policy_replaced", policyVersion: 9, previousVersion: 1 }]);
    expect(codeOf(() => rbac.replaceRoles({}, { policyVersion: 9 }))).toBe("invalid_option");
  });

  test("a candidate's roles may be replaced too: then they are compared", () => {
    const candidate = stricter();
    const { rbac, seen } = shadowed(candidate);
    candidate.replaceRoles({ reader: { grants: ["notes.read"] } });
    rbac.check({ roles: ["reader"] }, "notes.read");
    expect(seen).toEqual([]);
  });

  test("a denial that a guard reports is reported once, by the policy in force", () => {
    const events: RbacEvent[] = [];
    const onEvent = (event: RbacEvent) => void events.push(event);
    const rbac = withShadow(defineRbac({ permissions, roles: {}, onEvent }), defineRbac({ permissions, roles: {}, onEvent }));
    expect(requirePermission(rbac, "notes.read").check(requestOf(userWith([])))).toMatchObject({ kind: "deny" });
    expect(events.map(({ kind }) => kind)).toEqual(["access_denied"]);
  });
});

test("RBAC-11 wrong options throw where it is made", () => {
  for (const options of [
    null,
    { sampleEvery: 0 },
    { sampleEvery: 1.5 },
    { sampleEvery: "2" },
    { sampleEvery: Number.NaN },
    { onDifference: 5 },
    { sample: 2 },
  ])
    expect(codeOf(() => withShadow(current(), stricter(), options as object))).toBe("invalid_option");
});

test.each([undefined, null, {}, 5])("a candidate that is no policy is refused: %j", (candidate) => {
  const rbac = defineRbac({ permissions: { notes: ["read"] }, roles: { reader: {} } });
  expect(() => withShadow(rbac, candidate as never)).toThrow(expect.objectContaining({ code: "invalid_option" }));
});
