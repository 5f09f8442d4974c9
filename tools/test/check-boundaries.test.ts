import { expect, it } from "vitest";
import { checkBoundaries } from "../check-boundaries.js";
import { smallRepository } from "./small-repository.js";

const core = { name: "@portcullis/core", exports: { ".": {}, "./node": {} } };
const rbac = { name: "@portcullis/rbac", dependencies: { "@portcullis/core": "*" }, peerDependencies: { hono: "*" } };

const findingsIn = (rbacSource: string, coreSource = "export {};") =>
  checkBoundaries(
    smallRepository({
      "packages/core/package.json": core,
      "packages/core/src/index.ts": coreSource,
      "packages/rbac/package.json": rbac,
      "packages/rbac/src/index.ts": rbacSource,
    }),
  );

it("a package may import core's entry points, its peers, Node and its own files", () => {
  const source = `import { a } from "@portcullis/core";
    import { b } from "@portcullis/core/node";
    import type { c } from "hono/route";
    import { d } from "node:crypto";
    export { e } from "./e.js";
    // import "@portcullis/auth";`;
  expect(findingsIn(source)).toEqual([]);
});

it.each([
  ['import "@portcullis/auth";', "only @portcullis/core may be imported"],
  ['export { x } from "@portcullis/auth";', "only @portcullis/core may be imported"],
  ['const x = import("@portcullis/auth");', "only @portcullis/core may be imported"],
  ['let x: import("@portcullis/auth").X;', "only @portcullis/core may be imported"],
  ['import "@portcullis/core/internal";', "not an entry point"],
  ['import "../../core/src/guard.js";', "outside its own src/"],
  ['import "../test/x.js";', "outside its own src/"],
  ['import "express";', "neither a dependency nor a peer"],
  ['import "crypto";', "write node:crypto"],
])("%s is refused", (source, problem) => {
  expect(findingsIn(`\n${source}`)).toEqual([expect.stringMatching(/^packages\/rbac\/src\/index\.ts:2: /)]);
  expect(findingsIn(source)[0]).toContain(problem);
});

it("core does no I/O, imports nothing of ours and depends on nothing", () => {
  expect(findingsIn("", 'import type { IncomingMessage } from "node:http"; import { createHash } from "node:crypto";')).toEqual([]);
  expect(findingsIn("", 'import { readFileSync } from "node:fs";')).toHaveLength(1);
  expect(findingsIn("", 'import { x } from "@portcullis/rbac";')).toHaveLength(1);
  expect(checkBoundaries(smallRepository({ "packages/core/package.json": { ...core, dependencies: { zod: "*" } } }))).toHaveLength(1);
});
