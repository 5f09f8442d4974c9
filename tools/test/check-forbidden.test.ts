import { expect, it } from "vitest";
import { checkForbidden } from "../check-forbidden.js";
import { smallRepository } from "./small-repository.js";

const findingsIn = (path: string, content: string) => checkForbidden(smallRepository({ [path]: content }));
const SOURCE = "packages/a/src/parse.ts";

it("ordinary code is fine", () => {
  const code =
    '/** Never `export *`; process.env is parsed elsewhere. */\nexport { x } from "./x.js"; // no export default\nconst url = "https://a.example/work/1";';
  expect(findingsIn(SOURCE, code)).toEqual([]);
  expect(findingsIn("vitest.config.ts", "export default {};")).toEqual([]);
  expect(findingsIn("examples/server/src/main.ts", "const { PORT } = process.env;")).toEqual([]);
});

it.each([
  [SOURCE, 'export * from "./x.js";'],
  [SOURCE, 'export * as all from "./x.js";'],
  [SOURCE, "export default 1;"],
  [SOURCE, "export { x as default };"],
  [SOURCE, "const { PORT } = process.env;"],
  [SOURCE, 'process["env"];'],
  [SOURCE, "// @ts-ignore"],
  [SOURCE, "// oxlint-disable-next-line typescript/no-explicit-any"],
  [SOURCE, "// TODO: later"],
  [SOURCE, 'read("/tmp/x");'],
  ["docs/guide/start.md", "cd /work/portcullis"],
  ["packages/a/src/utils.ts", ""],
  ["packages/a/src/helpers/x.ts", ""],
  ["packages/a/test/types.ts", ""],
])("%s: %s is found", (path, content) => {
  expect(findingsIn(path, `\n${content}`)).toHaveLength(1);
});
