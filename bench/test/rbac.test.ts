// The comparison is fair only if everybody decides the same: no times here, only answers.
import { describe, expect, test } from "vitest";
import type { Series } from "../harness/measure.js";
import { type AgreedVariant, checkAgreement } from "../rbac/agreement.js";
import { largeDefinition } from "../rbac/large-policy.js";
import { createCounter, type MetricsKind } from "../rbac/metrics.js";
import { CHECK, check, checkOfStrangers, compiledLookup, FLOOR, GUARD, guard, policyOf, PREPARED, preparedCheck } from "../rbac/ours.js";
import {
  ACCESSCONTROL,
  accessControl,
  betterAuth,
  casbin,
  CASL_CACHED,
  CASL_PER_REQUEST,
  caslCached,
  caslLookedUp,
  caslPerRequest,
} from "../rbac/peers.js";
import { allowedOnly, type Population, populationOf, QUESTIONS } from "../rbac/questions.js";
import { BAR_SIZE, type Findings, reportOf, verdictsOf } from "../rbac/report.js";
import { KEYS, ROLES } from "../rbac/universe.js";

const population = populationOf({ users: 200, roleSets: 100 });

describe("decides every question as the policy says", () => {
  const variants: Readonly<Record<string, (population: Population) => AgreedVariant>> = {
    compiledLookup,
    caslCached,
    caslLookedUp,
    caslPerRequest,
    betterAuth,
    accessControl,
  };
  for (const [name, create] of Object.entries(variants)) test(name, () => checkAgreement(create(population)));

  for (const kind of ["counting", "none", "prom-client"] satisfies readonly MetricsKind[])
    test(`check, prepared check and guard, with metrics: ${kind}`, async () => {
      const rbac = policyOf(kind);
      for (const create of [check, checkOfStrangers, preparedCheck, guard]) await checkAgreement(create(population, rbac));
      await checkAgreement(guard(allowedOnly(population), rbac));
    });

  // Slow: a part of the questions.
  test("casbin", async () => {
    const few = { ...population, asked: population.asked.slice(0, 2_000) };
    await checkAgreement(await casbin(few));
  });
});

test("who decides otherwise is found", async () => {
  const [first, ...rest] = population.asked;
  if (first === undefined) throw new Error("Nobody asks.");
  const wrong = { ...population, asked: [{ ...first, isAllowed: !first.isAllowed }, ...rest] };
  await expect(checkAgreement(check(wrong, policyOf("none")))).rejects.toThrow(/^portcullis check does not/);
});

test("half of the questions are allowed, some are denied in words, and all roles and permissions occur", () => {
  const { asked } = population;
  expect(asked.length).toBe(QUESTIONS);
  for (let start = 0; start < QUESTIONS; start += 64) {
    expect(asked.slice(start, start + 64).filter(({ isAllowed }) => isAllowed).length).toBe(32);
  }
  expect(new Set(asked.flatMap(({ user }) => user.roles)).size).toBe(Object.keys(ROLES).length);
  expect(new Set(asked.map(({ permission }) => permission.key)).size).toBe(KEYS.length);
  const rbac = policyOf("none");
  const reasons = new Set(asked.map(({ user, permission }) => rbac.check(user, permission.key).reason));
  expect([...reasons].sort()).toEqual(["explicit_deny", "granted", "missing_permission"]);
});

test("the counting metrics count by the values of the labels", () => {
  const counter = createCounter(["permission", "result"]);
  for (let time = 0; time < 2; time += 1) counter.add({ permission: "users.read", result: "allowed" });
  counter.add({ permission: "users.read", result: "denied" });
  const totals = ["allowed", "denied", "other"].map((result) => counter.totalOf({ permission: "users.read", result }));
  expect(totals).toEqual([2, 1, 0]);
});

test("the large policy has 1,000 roles and 10,000 permissions", () => {
  const { permissions, roles } = largeDefinition();
  expect([Object.values(permissions).flat().length, Object.keys(roles).length]).toEqual([10_000, 1_000]);
});

describe("verdicts", () => {
  const series = (nanos: Readonly<Record<string, number>>): readonly Series[] =>
    Object.entries(nanos).map(([name, each]) => ({ name, nanos: [each, each, each] }));
  const findingsWhere = (checkNanos: number, coldMs: number): Findings => ({
    populations: [
      {
        size: BAR_SIZE,
        checks: series({ [FLOOR]: 10, [CHECK]: checkNanos, [PREPARED]: 40 }),
        guards: series({ [FLOOR]: 10, [PREPARED]: 40, [GUARD]: 50 }),
        peers: series({ [FLOOR]: 10, [CHECK]: checkNanos, [CASL_CACHED]: 90 }),
      },
    ],
    metrics: [],
    strangers: series({ [FLOOR]: 10 }),
    slowPeers: series({ [CHECK]: checkNanos, [ACCESSCONTROL]: 1_800, [CASL_PER_REQUEST]: 4_800 }),
    casbin: series({ [CHECK]: checkNanos }),
    compiles: [{ coldMs, coldClockMs: coldMs, warmMs: coldMs }],
    policyMegabytes: 1,
  });
  const missed = (findings: Findings): readonly string[] =>
    verdictsOf(findings).flatMap(({ question, holds }) => (holds ? [] : [question]));

  test("a bar that is reached exactly holds", () => {
    expect(missed(findingsWhere(60, 20))).toEqual([]);
  });

  test("a slower check and a slower compilation fail, and the page says so", () => {
    const findings = findingsWhere(61, 21);
    expect(missed(findings).length).toBe(5);
    const page = reportOf({ date: "2000-01-01", node: "v1", cpu: "cpu", cores: 1, loadAverage: 0 }, 3, findings);
    expect(page.match(/\*\*fails\*\*/g)?.length).toBe(5);
  });

  test("a run without the bar's population has no verdict", () => {
    expect(() => verdictsOf({ ...findingsWhere(60, 20), populations: [] })).toThrow(RangeError);
  });
});
