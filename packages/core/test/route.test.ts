import { ALLOW, allOf, ConfigurationError, defineRoute, type Guard, type JsonValue } from "@portcullis/core";
import { describe, expect, it } from "vitest";

const needing = (params: JsonValue): Guard => ({ name: "needing", meta: { params }, check: () => ALLOW });
const define = (path: string, ...guards: readonly Guard[]) =>
  defineRoute({ method: "GET", path, operationId: "show", summary: "Shows", guards, handle: () => new Response() });

describe("parameters that a guard needs (meta.params)", () => {
  it("are in the path, or the route is refused when it is defined", () => {
    expect(define("/orgs/:org/departments/:department", needing(["department", "org"])).path).toBe("/orgs/:org/departments/:department");
    for (const path of ["/", "/department", "/departments/:departmentId", "/departments/:Department"])
      expect(() => define(path, needing([])).path && define(path, needing(["department"]))).toThrow(
        `Route "show" has the path "${path}", but its guard "needing" needs the parameter ":department". Name it in the path, or correct the guard.`,
      );
    expect(() => define("/:org", needing(["org", "department"]))).toThrow(ConfigurationError);
  });

  it("are found in the parts of composed guards, at any depth", () => {
    const composed: Guard = {
      name: "outer",
      parts: [{ name: "middle", parts: [needing(["id"])], check: () => ALLOW }],
      check: () => ALLOW,
    };
    for (const guard of [allOf("all", [needing(["id"])]), composed]) {
      expect(() => define("/users", guard)).toThrow('needs the parameter ":id"');
      expect(define("/users/:id", guard).guards).toEqual([guard]);
    }
  });

  it("are a list of names; a guard that says something else says nothing", () => {
    for (const params of ["id", 5, null, true, {}, []]) expect(define("/", needing(params)).guards).toHaveLength(1);
    for (const params of [[""], [5], [null], ["id/x"], ["*"], ["i.d"], ["toString"]])
      expect(() => define("/:id", needing(params))).toThrow("needs the parameter");
  });
});
