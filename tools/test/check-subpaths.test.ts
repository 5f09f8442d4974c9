import { expect, it } from "vitest";
import { checkSubpaths } from "../check-subpaths.js";
import { smallRepository } from "./small-repository.js";

const index = { types: "./dist/index.d.ts", default: "./dist/index.js" };
const node = { types: "./dist/node.d.ts", default: "./dist/node.js" };
const manifest = {
  name: "@portcullis/a",
  exports: {
    ".": { "@portcullis/source": "./src/index.ts", ...index },
    "./node": { "@portcullis/source": "./src/node.ts", ...node },
    "./package.json": "./package.json",
  },
  publishConfig: { exports: { ".": index, "./node": node, "./package.json": "./package.json" } },
  typedocOptions: { entryPoints: ["src/index.ts", "src/node.ts"] },
  scripts: { build: "tsup --config ../../tsup.config.ts" },
};

const findingsOf = (changes: object) =>
  checkSubpaths(
    smallRepository({
      "packages/a/package.json": { ...manifest, ...changes },
      "packages/a/src/index.ts": "",
      "packages/a/src/node.ts": "",
    }),
  );

it("entry points that agree are fine", () => {
  expect(findingsOf({})).toEqual([]);
});

it.each([
  ["an entry point that is not published", { publishConfig: { exports: { ".": index, "./package.json": "./package.json" } } }],
  ["an entry point that is not documented", { typedocOptions: { entryPoints: ["src/index.ts"] } }],
  ["the source condition in what is published", { publishConfig: { exports: manifest.exports } }],
  ["a source that is not there", { exports: { ...manifest.exports, "./gone": { "@portcullis/source": "./src/gone.ts" } } }],
  [
    "types after the code they describe",
    { exports: { ...manifest.exports, ".": { "@portcullis/source": "./src/index.ts", default: index.default, types: index.types } } },
  ],
  [
    "another name than its source's",
    { exports: { ".": manifest.exports["."], "./other": manifest.exports["./node"], "./package.json": "./package.json" } },
  ],
  ["a build of its own", { scripts: { build: "tsup src/index.ts" } }],
])("%s is found", (_name, changes) => {
  expect(findingsOf(changes)).not.toEqual([]);
});
