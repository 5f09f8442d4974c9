import { expect, it } from "vitest";
import { checkErrorsDocumented } from "../check-errors-documented.js";
import { smallRepository } from "./small-repository.js";

const source = `
  export type RbacErrorCode =
    | "role_cycle"
    | "unknown_role";
  class Gone { readonly code = "gone"; }
  /** defineProblem({ code: 4901 }) */
  export const problem = defineProblem({ category: "conflict", code: 4001 });
`;
const page = "# Errors\n\n| code |\n|---|\n| `4001` | x |\n| `role_cycle` | x |\n\n### `unknown_role`\n\n### `gone`\n";

const findingsIn = (code: string, documented: string) =>
  checkErrorsDocumented(
    smallRepository({
      "packages/rbac/package.json": { name: "@portcullis/rbac" },
      "packages/rbac/src/errors.ts": code,
      "docs/errors.md": documented,
    }),
  );

it("a code with an entry is documented", () => {
  expect(findingsIn(source, page)).toEqual([]);
});

it.each(["4001", "role_cycle", "unknown_role", "gone"])("%s without an entry is found", (code) => {
  expect(findingsIn(source, page.replace(`\`${code}\``, "another"))).toEqual([expect.stringContaining(`code ${code} has no entry`)]);
});

it("being mentioned is not an entry", () => {
  expect(findingsIn(source, `${page.replace("### `gone`", "")}\nSee \`gone\`.`)).toHaveLength(1);
});

it("an entry of no code is found", () => {
  expect(findingsIn(source, `${page}### \`renamed\`\n`)).toEqual(["docs/errors.md: no source defines the code renamed"]);
});

it("a union that is not written out is found", () => {
  expect(findingsIn(`${source} export type HiddenErrorCode = keyof typeof table;`, page)).toHaveLength(1);
});
