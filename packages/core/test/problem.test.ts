import { CATEGORIES, defineProblem, invalidOption, problemBody, problems } from "@portcullis/core";
import { describe, expect, it } from "vitest";

describe("problems", () => {
  it("have distinct codes of four digits in the group of their category", () => {
    const codes = Object.values(problems).map(({ definition }) => definition.code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const { definition } of Object.values(problems))
      expect(Math.floor(definition.code / 1000)).toBe(CATEGORIES[definition.category].group);
  });

  it("are refused where they are defined: a code outside its group, a status that is no error", () => {
    expect(() => defineProblem({ code: 2100, category: "auth", status: 401, detail: "" })).toThrow(/outside the group 1xxx/);
    expect(() => defineProblem({ code: 1100.5, category: "auth", status: 401, detail: "" })).toThrow(TypeError);
    expect(() => defineProblem({ code: 1900, category: "auth", status: 200, detail: "" })).toThrow(/400 to 599/);
  });

  it("carry retryAfter only where they are retryable, in whole seconds of at least 1", () => {
    expect(() => problems.forbidden({ retryAfterMs: 1 })).toThrow(/not retryable/);
    expect(problems.rateLimited({ retryAfterMs: 0 }).retryAfter).toBe(1);
    expect(problems.rateLimited({ retryAfterMs: 1001 }).retryAfter).toBe(2);
    expect(problems.rateLimited()).not.toHaveProperty("retryAfter");
  });

  it("scrub the detail of a 5xx and keep that of a 4xx", () => {
    expect(problems.internal({ detail: "password=hunter2" }).detail).not.toContain("hunter2");
    expect(problems.conflict({ detail: "It is archived." }).detail).toBe("It is archived.");
  });

  it("write extensions beside the members, which they cannot overwrite", () => {
    const body = problemBody(problems.validation({ extensions: { code: 1, status: 200, errors: [] } }), "req-1");
    expect(body).toMatchObject({ code: 2002, status: 422, errors: [], instance: "req-1" });
  });
});

describe("invalid options", () => {
  it.each([[null], [undefined], [""], ["hunter2"], [["hunter2"]], [{ hunter2: 1 }]])("name the kind of %j, never the value", (value) => {
    expect(invalidOption("secret", value, "a string").message).not.toContain("hunter2");
  });
});
