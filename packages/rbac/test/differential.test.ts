// Three engines that know nothing of ours answer the same questions about random policies.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DecisionReason, defineRbac } from "@portcullis/rbac";
import { ASKED, type RandomPolicy, randomPolicies } from "./random-policies.js";
import { casbinChecker } from "./translate-to-casbin.js";
import { caslChecker } from "./translate-to-casl.js";
import { cedarChecker } from "./translate-to-cedar.js";

type OtherEngine = (policy: RandomPolicy) => Promise<(user: number, resource: string, action: string) => boolean>;

/** `npm run soak` takes its time. */
const TIMES = process.env["PORTCULLIS_SOAK"] === "true" ? 20 : 1;

const ENGINES: readonly { readonly name: string; readonly policies: number; readonly engine: OtherEngine }[] = [
  {
    name: "CASL",
    policies: 200,
    engine: (policy) => {
      const users = policy.users.map((user) => caslChecker(policy, user, ASKED));
      return Promise.resolve((user, resource, action) => users[user]?.(resource, action) === true);
    },
  },
  { name: "casbin", policies: 60, engine: casbinChecker },
  { name: "Cedar", policies: 40, engine: (policy) => Promise.resolve(cedarChecker(policy)) },
];

/** Asks both about every user and permission. @returns how often we gave each reason. */
async function compare(engine: OtherEngine, policies: number, withDenials: boolean): Promise<ReadonlyMap<DecisionReason, number>> {
  const reasons = new Map<DecisionReason, number>();
  await fc.assert(
    fc.asyncProperty(randomPolicies({ withDenials }), async (policy) => {
      const rbac = defineRbac({ permissions: policy.tree, roles: policy.roles });
      const isAllowedElsewhere = await engine(policy);
      const disagreements: string[] = [];
      for (const [user, roles] of policy.users.entries()) {
        const listed = new Set(rbac.permissionsOf({ roles }));
        for (const [resource, action] of ASKED) {
          const key = `${resource}.${action}`;
          const elsewhere = isAllowedElsewhere(user, resource, action);
          const { allowed, reason } = rbac.check({ roles }, key);
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          if (allowed !== elsewhere || listed.has(key) !== elsewhere) disagreements.push(`[${roles.join()}] ${key}: ${reason}`);
        }
      }
      expect(disagreements).toEqual([]);
    }),
    { numRuns: policies * TIMES },
  );
  return reasons;
}

describe.each(ENGINES)("compared with $name", ({ name, policies, engine }) => {
  test(`RBAC-4 RBAC-5 RBAC-8 agrees with ${name} on random policies of grants and inheritance`, async () => {
    const reasons = await compare(engine, policies, false);
    // Agreement on denials alone would prove little.
    for (const reason of ["granted", "missing_permission", "unknown_permission", "no_roles"] as const)
      expect(reasons.get(reason)).toBeGreaterThan(policies);
    expect(reasons.has("explicit_deny")).toBe(false);
  });

  test(`RBAC-6 agrees with ${name} on random policies with denials`, async () => {
    const reasons = await compare(engine, policies, true);
    for (const reason of ["granted", "missing_permission", "explicit_deny"] as const) expect(reasons.get(reason)).toBeGreaterThan(policies);
  });
});
