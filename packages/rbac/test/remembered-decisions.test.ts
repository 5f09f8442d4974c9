import { prometheusMetrics } from "@portcullis/core/prometheus";
import { freezePrincipal } from "@portcullis/core";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { defineRbac, type Identity } from "@portcullis/rbac";
import { DecisionShelf } from "../src/decision/decision-shelf.js";
import { makeDecision } from "../src/decision/make-decision.js";
import { countingMetrics } from "./counting-metrics.js";
import { userWith } from "./request.js";

const define = () =>
  defineRbac({
    permissions: { notes: ["read", "write"] },
    roles: { reader: { grants: ["notes.read"] }, writer: { inherits: ["reader"], grants: ["notes.write"] } },
  });

/** More often than it takes for an identity to be remembered. */
const OFTEN = 40;

function often<T>(ask: () => T): readonly T[] {
  return Array.from({ length: OFTEN }, ask);
}

describe("what is remembered of an identity", () => {
  test("a principal that authentication froze is decided about alike, however often it comes", () => {
    const rbac = define();
    const reader = freezePrincipal(userWith(["reader"]));
    const writer = freezePrincipal(userWith(["writer"], { scopes: ["*.read"] }));
    const decisions = often(() => [rbac.check(reader, "notes.read"), rbac.check(reader, "notes.write"), rbac.check(writer, "notes.write")]);
    for (const [read, write, bounded] of decisions) {
      expect([read?.reason, write?.reason, bounded?.reason]).toEqual(["granted", "missing_permission", "out_of_scope"]);
      expect(read).toBe(decisions[0]?.[0]);
    }
  });

  test("RBAC-9 follows the policy that is in force", () => {
    const rbac = define();
    const reader = freezePrincipal(userWith(["reader"]));
    often(() => rbac.check(reader, "notes.read"));
    rbac.replaceRoles({ reader: {}, writer: {} });
    expect(rbac.check(reader, "notes.read")).toMatchObject({ allowed: false, policyVersion: 2 });
  });

  test("RBAC-17 says nothing about a resource of another organisation", () => {
    const rbac = define();
    const reader = freezePrincipal(userWith(["reader"], { orgId: "a" }));
    often(() => rbac.check(reader, "notes.read"));
    expect(rbac.check(reader, "notes.read", { org: "b" }).reason).toBe("wrong_org");
    expect(rbac.check(reader, "notes.read", { org: "a" }).reason).toBe("granted");
  });

  test.each<[string, (roles: string[]) => Identity]>([
    ["an object that is not frozen", (roles) => ({ roles })],
    ["a list that is not frozen", (roles) => Object.freeze({ roles })],
    ["roles read through a function", (roles) => Object.freeze({ get roles() { return Object.freeze([...roles]); } })], // prettier-ignore
    ["scopes read through a function", (roles) => Object.freeze({ roles, get scopes() { return roles.length === 0 ? [] : undefined; } })], // prettier-ignore
    [
      "an element read through a function",
      (roles) => {
        const list: string[] = [];
        Object.defineProperty(list, 0, { get: () => roles[0] ?? "stranger", enumerable: true });
        return Object.freeze({ roles: Object.freeze(list) });
      },
    ],
    ["a class with a getter", (roles) => Object.freeze(new (class { roles = roles; get scopes() { return []; } })())], // prettier-ignore
  ])("%s is read anew each time", (_, identityOf) => {
    const rbac = define();
    const roles = ["reader"];
    const identity = identityOf(roles);
    const before = often(() => rbac.check(identity, "notes.read").allowed);
    roles.length = 0;
    expect(rbac.check(identity, "notes.read").allowed).toBe(false);
    expect(new Set(before).size).toBe(1);
  });

  test("RBAC-24 who acts for somebody else stands in every decision", () => {
    const rbac = define();
    const forwarded = freezePrincipal(userWith(["reader"], { via: "billing" }));
    for (const decision of often(() => rbac.check(forwarded, "notes.read")))
      expect(decision).toMatchObject({ allowed: true, via: "billing" });
    expect(rbac.check(freezePrincipal(userWith(["reader"])), "notes.read").via).toBeUndefined();
  });

  test("RBAC-7 roles that nobody defined are counted at every check", () => {
    const { metrics, counts } = countingMetrics();
    const rbac = defineRbac({ permissions: { notes: ["read"] }, roles: { reader: { grants: ["*"] } }, metrics });
    const stranger = freezePrincipal(userWith(["reader", "stranger"]));
    often(() => rbac.check(stranger, "notes.read"));
    expect(counts.get("rbac_unknown_roles_total")).toBe(OFTEN);
  });
});

test("the shelf of decisions is bounded: past its bound it begins anew", () => {
  const shelf = new DecisionShelf(5, 262_144);
  const decision = makeDecision({ version: 1 }, "granted", "notes.read");
  shelf.put(3, 70, decision);
  expect(shelf.get(3, 70)).toBe(decision);
  expect([shelf.get(3, 71), shelf.get(2, 70), shelf.get(3, 6), shelf.get(999, 0)]).toEqual(Array(4).fill(undefined));
  for (let bit = 0; bit < 262_144; bit += 1) shelf.put(4, bit, decision);
  expect(shelf.get(3, 70)).toBeUndefined();
  expect(shelf.get(4, 262_143)).toBe(decision);
});

test("RBAC-33 counts are complete at every reading, though they are handed over only then", async () => {
  const registry = new Registry();
  const metrics = prometheusMetrics({ registry });
  const rbac = defineRbac({ permissions: { notes: ["read", "write"] }, roles: { reader: { grants: ["*.read"] } }, metrics });
  const reader = { roles: ["reader"] };
  for (let reading = 1; reading <= 3; reading += 1) {
    rbac.check(reader, "notes.read");
    rbac.check(reader, "notes.write");
    rbac.check(reader, "notes.burn" as "notes.read");
    const text = await registry.metrics();
    expect(text).toContain(`portcullis_rbac_permission_checks_total{permission="notes.read",result="allowed"} ${reading}`);
    expect(text).toContain(`portcullis_rbac_permission_checks_total{permission="notes.write",result="denied"} ${reading}`);
    expect(text).toContain(`portcullis_rbac_permission_checks_total{permission="unknown",result="denied"} ${reading}`);
  }
});
