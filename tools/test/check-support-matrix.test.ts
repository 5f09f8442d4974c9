import { expect, it } from "vitest";
import { checkSupportMatrix, supportMatrix } from "../check-support-matrix.js";
import { smallRepository } from "./small-repository.js";

const files = {
  "packages/core/package.json": { name: "@portcullis/core" },
  "packages/core/src/ports/store.ts": "",
  "packages/core/src/ports/tickets.ts": "",
  "packages/core/src/ports/log.ts": "",
  "packages/core/src/memory/tickets.ts": "",
  "packages/core/src/memory/log.ts": "",
  "packages/store-redis/package.json": { name: "@portcullis/store-redis" },
  "packages/store-redis/src/tickets.ts": "",
};
const table = `| port | memory | [\`@portcullis/store-redis\`](packages/store-redis) |
| --- | --- | --- |
| \`log\` | yes | – |
| \`tickets\` | yes | yes |`;
const readme = (content: string) => `# Portcullis\n\n<!-- support-matrix:start -->\n${content}\n<!-- support-matrix:end -->\n`;

it("a store supports the ports that it has a file for", () => {
  expect(supportMatrix(smallRepository(files))).toBe(table);
  expect(checkSupportMatrix(smallRepository({ ...files, "README.md": readme(table) }))).toEqual([]);
});

it("a stale or missing table is found", () => {
  expect(checkSupportMatrix(smallRepository({ ...files, "README.md": readme(table.replace("–", "yes")) }))).toHaveLength(1);
  expect(checkSupportMatrix(smallRepository({ ...files, "README.md": table }))).toHaveLength(1);
  expect(checkSupportMatrix(smallRepository(files))).toHaveLength(1);
});
