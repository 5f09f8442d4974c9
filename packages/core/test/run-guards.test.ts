import {
  ALLOW,
  allOf,
  createFactKey,
  createGuardChain,
  deny,
  faultProblem,
  type Guard,
  type GuardRun,
  ProblemError,
  problems,
  StoreUnavailable,
} from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const allow = (name: string, calls: string[] = []): Guard => ({
  name,
  check: () => {
    calls.push(name);
    return { kind: "allow", headers: [[`x-${name}`, name]], settle: (outcome) => void calls.push(`${name}:${outcome.kind}`) };
  },
});
const done = { kind: "responded", status: 200 } as const;

describe("a chain of guards", () => {
  it("answers synchronously when every guard does", () => {
    expect(createGuardChain([{ name: "a", check: () => ALLOW }, allow("b")]).run(requestOf())).not.toBeInstanceOf(Promise);
  });

  it("awaits a guard that answers later and goes on with the next in order", async () => {
    const calls: string[] = [];
    const later: Guard = { name: "later", check: async () => (calls.push("later"), ALLOW) };
    await createGuardChain([allow("a", calls), later, allow("b", calls)]).run(requestOf());
    expect(calls).toEqual(["a", "later", "b"]);
  });

  it("stops at the first denial, asks nobody after it, and still settles those asked, innermost first", async () => {
    const calls: string[] = [];
    const run = await createGuardChain([
      allow("a", calls),
      allow("b", calls),
      { name: "no", check: () => deny(problems.forbidden()) },
      allow("c", calls),
    ]).run(requestOf());
    expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 1101 } });
    run.settle?.({ kind: "responded", status: 403 });
    run.settle?.({ kind: "responded", status: 403 });
    expect(calls).toEqual(["a", "b", "b:responded", "a:responded"]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("secret detail");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret detail"))],
  ])("fails closed when a guard %s, reports it under its name, and settles the ones before", async (_how, check) => {
    const calls: string[] = [];
    const faults: unknown[] = [];
    const run = await createGuardChain([allow("a", calls), { name: "broken", check }], (fault) => faults.push(fault)).run(requestOf());
    expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 8001, status: 500 } });
    expect(JSON.stringify(run.stop)).not.toContain("secret");
    expect(faults).toMatchObject([{ source: "broken" }]);
    run.settle?.({ kind: "aborted" });
    expect(calls).toEqual(["a", "a:aborted"]);
  });

  it("answers 503 for a store that is away and the problem itself for a ProblemError", () => {
    expect(faultProblem(new StoreUnavailable("subjects.read")).code).toBe(8002);
    expect(faultProblem(new ProblemError(problems.bodyTooLarge())).code).toBe(2003);
    expect(faultProblem("anything")).toMatchObject({ code: 8001 });
  });

  it("reports a settle hook that throws or rejects and runs the others", async () => {
    const calls: string[] = [];
    const faults: { source: string }[] = [];
    const failing = (name: string, settle: () => Promise<void>): Guard => ({ name, check: () => ({ kind: "allow", settle }) });
    const throwing: Guard = {
      name: "throwing",
      check: () => ({
        kind: "allow",
        settle: () => {
          throw new Error("x");
        },
      }),
    };
    const run = await createGuardChain([allow("a", calls), failing("rejecting", () => Promise.reject(new Error("x"))), throwing], (fault) =>
      faults.push(fault),
    ).run(requestOf());
    run.settle?.(done);
    await Promise.resolve();
    expect(calls).toEqual(["a", "a:responded"]);
    expect(faults.map(({ source }) => source).toSorted()).toEqual(["rejecting", "throwing"]);
  });

  it("takes composed guards apart, so that hooks survive a fault in the middle of one", async () => {
    const calls: string[] = [];
    const broken: Guard = { name: "broken", check: () => Promise.reject(new Error("x")) };
    const composed = allOf("composed", [allow("lease", calls), broken]);
    const faults: { source: string }[] = [];
    const run = await createGuardChain([composed], (fault) => faults.push(fault)).run(requestOf());
    run.settle?.(done);
    expect(calls).toEqual(["lease", "lease:responded"]);
    expect(faults).toMatchObject([{ source: "broken" }]);
    const alone = await composed.check(requestOf());
    expect(alone).toMatchObject({ kind: "deny", problem: { code: 8001 } });
    expect(alone.settle).toBeDefined();
  });

  it("lets a later guard overwrite a field, and appends list-valued ones", () => {
    const guard = (name: string, headers: [string, string][]): Guard => ({ name, check: () => ({ kind: "allow", headers }) });
    const run = createGuardChain([
      guard("a", [
        ["content-security-policy", "a"],
        ["vary", "Origin"],
      ]),
      guard("b", [
        ["content-security-policy", "b"],
        ["vary", "Accept"],
      ]),
    ]).run(requestOf()) as GuardRun;
    expect(run.headers).toEqual([
      ["vary", "Origin"],
      ["content-security-policy", "b"],
      ["vary", "Accept"],
    ]);
  });
});

describe("facts", () => {
  it("are typed by their key, found by identity, and set once", () => {
    const one = createFactKey<number>("n");
    const two = createFactKey<number>("n");
    const { facts } = requestOf();
    facts.set(one, 1);
    expect(facts.get(one)).toBe(1);
    expect(facts.get(two)).toBeUndefined();
    expect(() => facts.set(one, 2)).toThrowError(expect.objectContaining({ code: "fact_set_twice" }));
    expect(facts.get(one)).toBe(1);
  });
});
