// An application with a prototype pollution bug (CWE-1321) lets strangers add to what every object inherits. It must not let them
// decide: whatever Object.prototype and Array.prototype hold, the answers stay the same.
import { describe, expect, test } from "vitest";
import type { Guard, Principal } from "@portcullis/core";
import {
  type AnyRbac,
  type CheckOptions,
  defineRbac,
  type Identity,
  requireMfa,
  requirePermission,
  requireRoles,
  secureEndpoint,
} from "@portcullis/rbac";
import { requestOf, userWith } from "./request.js";

function define(): AnyRbac {
  return defineRbac({
    permissions: { users: ["read", "manage"] },
    roles: {
      none: {},
      viewer: { grants: ["users.read"] },
      owner: { inherits: ["viewer"], grants: ["*"] },
      banned: { denies: ["users.*"] },
    },
  });
}

class Session {
  readonly roles = ["owner"];
  readonly orgId = "a";
}

const IDENTITIES: readonly unknown[] = [
  {},
  [],
  { roles: [] },
  { roles: ["none"] },
  { roles: ["viewer"] },
  { roles: ["owner"], orgId: "a" },
  { roles: ["owner"], scopes: [] },
  { roles: ["owner"], scopes: ["users.read"] },
  { roles: ["owner", "banned"] },
  { roles: ["owner", "stranger"] },
  { roles: ["toString"] },
  Object.assign(Object.create(null), { roles: ["viewer"] }),
  new Session(),
  () => ["owner"],
  "owner",
];

/** Principals as a careless authentication makes them. */
const PRINCIPALS = [
  userWith(["owner"], { mfaAt: Date.now() }),
  userWith(["viewer"]),
  userWith(["none"]),
  { roles: ["owner"] },
  { type: "user", id: "u", roles: ["owner"] },
  {},
] as readonly Principal[];

function guardsOf(rbac: AnyRbac): readonly Guard[] {
  return [
    requirePermission(rbac, "users.read"),
    requirePermission(rbac, { any: ["users.manage"] }),
    requirePermission(rbac, { all: ["users.read", "users.manage"] }),
    requireRoles(rbac, ["viewer"]),
    requireRoles(rbac, ["viewer"], { exact: true }),
    requireMfa(),
    secureEndpoint(rbac, { permission: "users.manage", mfa: {} }),
    secureEndpoint(rbac, {}),
  ];
}

/** Every answer as text; only own properties are in it. */
function answersOf(rbac: AnyRbac, guards: readonly Guard[]): readonly string[] {
  const answers: unknown[] = [];
  for (const identity of IDENTITIES as readonly Identity[]) {
    for (const options of [{}, { org: "a" }, { org: "b" }] as const satisfies readonly CheckOptions[]) {
      for (const key of ["users.read", "users.manage", "users.delete", "users.*"])
        answers.push(rbac.check(identity, key, options), rbac.explain(identity, key, options));
      answers.push(rbac.prepare("users.manage")(identity, options), rbac.permissionsOf(identity, options));
      answers.push(rbac.checkRoles(identity, ["viewer"], options), rbac.checkRoles(identity, ["viewer"], { ...options, exact: true }));
      for (const given of [{ role: "owner" }, { permissions: ["*"] }, {} as { role: string }])
        answers.push(rbac.canGrant(identity, given, options));
    }
  }
  for (const principal of PRINCIPALS) for (const guard of guards) answers.push([guard.name, guard.check(requestOf(principal))]);
  return answers.map((answer) => JSON.stringify(answer));
}

/** Adds to a prototype while it works, and never longer. */
function polluted<T>(prototype: object, name: string, value: unknown, work: () => T): T {
  Reflect.defineProperty(prototype, name, { value, configurable: true, enumerable: true, writable: true });
  try {
    return work();
  } finally {
    Reflect.deleteProperty(prototype, name);
  }
}

const NAMES = [
  ...["roles", "scopes", "orgId", "org", "exact", "role", "permissions", "permission", "grants", "denies", "inherits", "redactDenials"],
  ...[
    "policyVersion",
    "namePattern",
    "maxAgeMs",
    "toleranceMs",
    "requireAuth",
    "mfa",
    "guards",
    "meta",
    "type",
    "orgRoles",
    "any",
    "all",
    "mfaAt",
    "parts",
  ],
  ...["viewer", "owner", "stranger", "users", "read", "users.read", "users.delete", "*", "-1", "0", "1", "x"],
];
const VALUES: readonly unknown[] = [["owner"], ["*"], [], "owner", "user", "a", 1, true, false, { grants: ["*"] }];

describe("RBAC-2 a polluted prototype changes no decision", () => {
  const before = define();
  const guards = guardsOf(before);
  const answers = answersOf(before, guards);

  test.each([...NAMES.map((name) => ["Object", name] as const), ...["roles", "scopes", "orgId"].map((name) => ["Array", name] as const)])(
    "%s.prototype[%j]",
    (type, name) => {
      const { prototype } = type === "Object" ? Object : Array;
      for (const value of VALUES) {
        // Of a policy that was there before, and of one that is made in such a world.
        const [old, made] = polluted(prototype, name, value, () => {
          const fresh = define();
          return [answersOf(before, guards), answersOf(fresh, guardsOf(fresh))];
        });
        expect(old, JSON.stringify(value)).toEqual(answers);
        expect(made, JSON.stringify(value)).toEqual(answers);
      }
    },
  );
});
