import { ALLOW, createMountChain, errorResponse, problems, ProblemError, StoreUnavailable, stopResponse } from "@portcullis/core";
import { describe, expect, test } from "vitest";
import { requestOf } from "./fake-request.js";

describe("createMountChain", () => {
  test("refuses what is no guard, and says which", () => {
    const guard = { name: "allow", check: () => ALLOW };
    // A JavaScript program can pass anything.
    for (const wrong of [undefined, () => ALLOW, { name: "x" }]) {
      expect(() => createMountChain([guard, wrong as never], {})).toThrow(/"guards\[1\]"/);
    }
  });

  test.each(["/%C0%AE", "/%ff/x", "/%", "/a%2", "/%E0%A4%A?x"])("denies the path %s, which is not UTF-8", async (target) => {
    const run = await createMountChain([], {}).run(requestOf({ target }));
    expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 2001 } });
  });

  test.each(["/", "/a%20b", "/%E2%82%AC", "/a?x=%C0%AE", "//%2F"])("lets the path %s pass", async (target) => {
    expect((await createMountChain([], {}).run(requestOf({ target }))).stop).toBeUndefined();
  });
});

describe("errorResponse", () => {
  const respond = (error: unknown) => {
    const faults: unknown[] = [];
    const response = errorResponse(error, requestOf(), { onFault: (fault) => faults.push(fault) });
    return { code: JSON.parse(response.body).code, status: response.status, faults };
  };

  test.each([
    [400, 2001],
    [401, 1001],
    [403, 1101],
    [404, 3001],
    [405, 2006],
    [409, 4001],
    [413, 2003],
    [415, 2005],
    [418, 2001],
    [422, 2002],
    [429, 5001],
  ])("makes a framework's client error %d the problem %d, which is nobody's fault here", (statusCode, code) => {
    expect(respond(Object.assign(new Error("x"), { statusCode }))).toMatchObject({ code, faults: [] });
    expect(respond(Object.assign(new Error("x"), { status: statusCode }))).toMatchObject({ code, faults: [] });
  });

  test("is the problem of a ProblemError, 503 for a dead store, and 500 without detail for the rest, reported", () => {
    expect(respond(new ProblemError(problems.versionConflict()))).toMatchObject({ code: 4002, status: 409, faults: [] });
    const dead = new StoreUnavailable("take");
    expect(respond(dead)).toMatchObject({ code: 8002, status: 503, faults: [{ source: "handler", error: dead }] });
    for (const error of [new Error("secret"), Object.assign(new Error("x"), { statusCode: 502 }), "a string", undefined]) {
      expect(respond(error)).toMatchObject({ code: 8001, status: 500, faults: [{ source: "handler", error }] });
    }
  });
});

describe("stopResponse", () => {
  test("stays a denial where the application's renderer throws, and reports it", () => {
    const faults: string[] = [];
    const renderProblem = (): never => {
      throw new Error("boom");
    };
    const stop = { kind: "deny", problem: problems.forbidden() } as const;
    const response = stopResponse(stop, requestOf(), [["x-a", "1"]], { renderProblem, onFault: ({ source }) => faults.push(source) });
    expect([response.status, JSON.parse(response.body).code, faults]).toEqual([403, 1101, ["renderProblem"]]);
    expect(response.headers).toContainEqual(["x-a", "1"]);
  });

  test("renders as the application says", () => {
    const renderProblem = () => ({ contentType: "text/plain", body: "no" });
    const response = stopResponse({ kind: "deny", problem: problems.forbidden() }, requestOf(), [], { renderProblem });
    expect(response.body).toBe("no");
    expect(response.headers).toContainEqual(["content-type", "text/plain"]);
  });
});
