import { expect, it } from "vitest";
import { checkDocsFences } from "../check-docs-fences.js";
import { collectFences } from "../docs-fences/collect-fences.js";
import { smallRepository } from "./small-repository.js";

const fence = (code: string, words = "") => `\`\`\`ts${words}\n${code}\n\`\`\`\n`;
const documented = `/** Not a fence. */\n  /**\n   * @example\n   * \`\`\`ts\n   * const x: number = "y";\n   * \`\`\`\n   */\nconst page = \`\n${fence("no")}\`;\n`;

const findingsIn = (files: Record<string, string | object>) => checkDocsFences(smallRepository(files), ".fences");

it("fences are found in pages and in documentation comments, at their lines", () => {
  const files = {
    "README.md": `# A\n\n${fence("1;", " no-run")}`,
    "packages/a/package.json": { name: "a" },
    "packages/a/src/x.ts": documented,
  };
  expect(collectFences(smallRepository(files))).toEqual([
    { path: "README.md", line: 4, code: "1;", runs: false },
    { path: "packages/a/src/x.ts", line: 5, code: 'const x: number = "y";', runs: true },
  ]);
});

it("a fence with a type error is found at its place", () => {
  expect(findingsIn({ "docs/a.md": `text\n${fence('const x: number = "y";')}` })).toEqual([
    expect.stringMatching(/^docs\/a\.md:3:7: error TS2322/),
  ]);
});

it("a fence that throws, rejects or exits is found; one that does not run is not", () => {
  const page = [
    fence('throw new Error("one");'),
    fence('void Promise.reject(new Error("two"));'),
    fence("process.exit(3);"),
    fence('throw new Error("four");', " no-run"),
    fence("export const fine = true;"),
  ];
  const findings = findingsIn({ "README.md": page.join("") });
  expect(findings).toEqual([
    expect.stringMatching(/^README\.md:2: [\s\S]*one/),
    expect.stringMatching(/^README\.md:5: [\s\S]*two/),
    expect.stringMatching(/^README\.md:8: [\s\S]*exit\(3\)/),
  ]);
});

it("two fences may listen on one port, and be called there", () => {
  const code = `
    import { createServer } from "node:http";
    const server = createServer((_, response) => response.end("SELF"));
    await new Promise<void>((resolve) => server.listen(3000, resolve));
    const said = await (await fetch("http://localhost:3000")).text();
    if (said !== "SELF") throw new Error(said);`;
  const page = [fence(code.replaceAll("SELF", "first")), fence(code.replaceAll("SELF", "second"))];
  expect(findingsIn({ "README.md": page.join("") })).toEqual([]);
});
