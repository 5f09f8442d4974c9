// Why: a package's entry points are written in three places that no tool compares: `exports` (which the build and the tests
// read), `publishConfig.exports` (which users get) and typedoc's entry points (which the documentation shows). An entry point
// missing from one of them is found by a user.
import type { ExportMap, Package, Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

const BUILD = "tsup --config ../../tsup.config.ts";

export function checkSubpaths(repository: Repository): Findings {
  return repository.packages.flatMap((owner) => problemsOf(owner, repository).map((problem) => `${owner.folder}/package.json: ${problem}`));
}

function problemsOf({ manifest, folder }: Package, repository: Repository): string[] {
  const { exports = {}, publishConfig, typedocOptions, scripts } = manifest;
  const expected: Record<string, string | Record<string, string>> = {};
  const sources: string[] = [];
  const problems: string[] = [];
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "string") {
      expected[subpath] = target;
      continue;
    }
    const source = target["@portcullis/source"] ?? "";
    const name = /^\.\/src\/(.+)\.ts$/.exec(source)?.[1];
    if (name === undefined) {
      problems.push(`exports["${subpath}"] has no "@portcullis/source" of the form ./src/<name>.ts`);
      continue;
    }
    sources.push(source.slice(2));
    expected[subpath] = { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` };
    if (subpath !== (name === "index" ? "." : `./${name}`))
      problems.push(`exports["${subpath}"] and its source ${source} have different names`);
    if (!repository.has(`${folder}/${source}`)) problems.push(`exports["${subpath}"]: there is no ${source}`);
    if (!equal({ [subpath]: { "@portcullis/source": source, ...expected[subpath] } }, { [subpath]: target }))
      problems.push(`exports["${subpath}"] is not ["@portcullis/source", "types", "default"] of ${name}, in this order`);
  }
  if (exports["./package.json"] !== "./package.json") problems.push('exports lacks "./package.json"');
  if (!equal(publishConfig?.exports, expected)) problems.push("publishConfig.exports is not exports without @portcullis/source");
  if (!equal(typedocOptions?.entryPoints, sources)) problems.push(`typedocOptions.entryPoints is not ${JSON.stringify(sources)}`);
  if (scripts?.["build"] !== BUILD) problems.push(`scripts.build is not "${BUILD}", which reads the entry points from exports`);
  return problems;
}

/** By text: the order of conditions is part of their meaning. */
function equal(left: ExportMap | readonly string[] | undefined, right: ExportMap | readonly string[]): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

await runCheck(import.meta.url, checkSubpaths);
