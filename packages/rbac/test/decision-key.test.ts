import fc from "fast-check";
import { expect, test } from "vitest";
import { decisionKey, type DecisionKeyParts } from "@portcullis/rbac";
import { definitionCode } from "./sent-request.js";

// What ids may be made of to break out of their place: separators of JSON and of home-made keys, quotes, escapes, half characters.
const hostile = fc.oneof(
  fc.string({ unit: fc.constantFrom(",", '"', "\\", ":", "|", "[", "]", "\0", "\n", "null", "\\u0000", "é", "\u{1f511}", "\ud800", "a") }),
  fc.string({ unit: "binary" }),
);
const maybe = fc.option(hostile, { nil: undefined });
const list = fc.array(hostile, { maxLength: 2 });
const parts: fc.Arbitrary<DecisionKeyParts> = fc.record({
  subjectId: hostile,
  permission: hostile,
  org: maybe,
  department: maybe,
  identity: fc.record(
    { roles: list, scopes: list, orgRoles: list, scopedDepartments: list, personas: list, orgId: hostile, via: hostile },
    { requiredKeys: ["roles"] },
  ),
  policyVersion: fc.nat(3),
  subjectEpoch: fc.nat(3),
  mfa: fc.boolean(),
});

/** The parts in an order of our own; `isDeepStrictEqual` of two of these is what "the same question" means. */
function tuple({ subjectId, permission, org, department, identity, policyVersion, subjectEpoch, mfa }: DecisionKeyParts): unknown[] {
  return [subjectId, permission, org, department, identity, policyVersion, subjectEpoch, mfa];
}

const same = (one: DecisionKeyParts, other: DecisionKeyParts): boolean => {
  try {
    expect(tuple(one)).toStrictEqual(tuple(other));
    return true;
  } catch {
    return false;
  }
};

test("RBAC-30 two questions have one key only where they are the same question", () => {
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      expect(decisionKey(one) === decisionKey(other)).toBe(same(one, other));
      expect(decisionKey({ ...one })).toBe(decisionKey(one));
    }),
    { numRuns: 500 },
  );
});

test("RBAC-30 text that moves over a border between two parts makes another key", () => {
  fc.assert(
    fc.property(parts, hostile, fc.nat(20), (base, text, at) => {
      const cut = Math.min(at, text.length);
      const keyAt = (place: number): string => decisionKey({ ...base, subjectId: text.slice(0, place), permission: text.slice(place) });
      for (let place = 0; place <= text.length; place += 1) expect(keyAt(place) === keyAt(cut)).toBe(place === cut);
    }),
  );
});

test("RBAC-30 each part changes the key: organisation, department, bound, policy version, epoch of the subject, second factor", () => {
  const roles = ["reader"];
  const base: DecisionKeyParts = {
    ...{ subjectId: "ada", permission: "notes.read", identity: { roles }, policyVersion: 1, subjectEpoch: 0, mfa: false },
  };
  const others: readonly Partial<DecisionKeyParts>[] = [
    { subjectId: "bob" },
    { subjectId: "Ada" },
    { permission: "notes.write" },
    { org: "acme" },
    { org: "" },
    { org: "null" },
    { department: "acme" },
    { department: "" },
    ...[[], ["writer"], ["reader", "writer"], ["reader,writer"]].map((other) => ({ identity: { roles: other } })),
    ...[[], ["*"], ["a", "b"], ["a,b"]].map((scopes) => ({ identity: { roles, scopes } })),
    { identity: { roles, orgRoles: ["owner"] } },
    { identity: { roles, scopedDepartments: ["owner"] } },
    { identity: { roles, personas: ["owner"] } },
    { identity: { roles, orgId: "acme" } },
    { identity: { roles, via: "acme" } },
    { identity: { roles, type: "apiKey" } },
    { policyVersion: 2 },
    { subjectEpoch: 1 },
    { mfa: true },
  ];
  const keys = [base, ...others.map((other) => ({ ...base, ...other }))].map(decisionKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(decisionKey({ ...base, org: undefined, department: undefined, identity: { roles, scopes: undefined } })).toBe(decisionKey(base));
});

test("RBAC-30 what is no part, or not of its type, throws: it would share a key with something else", () => {
  const base = { subjectId: "ada", permission: "notes.read", identity: { roles: [] }, policyVersion: 1, subjectEpoch: 0, mfa: false };
  const wrong: readonly object[] = [
    { subjectId: undefined },
    { permission: 5 },
    { policyVersion: 1.5 },
    { policyVersion: Number.NaN },
    { subjectEpoch: undefined },
    { subjectEpoch: 2 ** 53 },
    { mfa: undefined },
    { mfa: 1 },
    { organisation: "acme" },
    // JSON makes null of each of these, as of an organisation that is absent.
    { org: Number.NaN },
    { org: null },
    { org: () => "acme" },
    { department: Symbol("eng") },
    { department: ["eng"] },
    ...[undefined, null, "ada", { roles: "reader" }, { roles: [undefined] }, { roles: [null] }].map((identity) => ({ identity })),
    ...[{ scopes: "*" }, { orgId: 5 }, { via: null }, { type: Number.NaN }].map((part) => ({ identity: { roles: [], ...part } })),
  ];
  for (const part of wrong) expect([part, definitionCode(() => decisionKey({ ...base, ...part }))]).toEqual([part, "invalid_option"]);
});
