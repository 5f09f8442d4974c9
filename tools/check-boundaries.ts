// Why: every package works alone, and users put them together. One import from a concern to another, from a store to a
// concern or into core's folders, and two packages can no longer be understood, tested or released apart.
//
// - Concerns, adapters, stores and the testkit import @portcullis/core, by its public entry points, and no other of ours.
// - Core has no dependency and does no I/O of its own: it must load on every runtime.
// - What a package's source imports is in its dependencies or peers: a dev dependency is not there for its users.
import { builtinModules } from "node:module";
import ts from "typescript";
import type { Package, Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

/** Puts the packages together, as a user does. */
const COMPOSES_ALL = new Set(["cli"]);
/** Types of these may be imported by core: its Node entry point is handed their objects. */
const INPUT_OUTPUT = new Set([
  "fs",
  "fs/promises",
  "net",
  "tls",
  "http",
  "http2",
  "https",
  "dns",
  "dns/promises",
  "dgram",
  "child_process",
  "worker_threads",
  "cluster",
]);

interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

export function checkBoundaries(repository: Repository): Findings {
  const core = repository.packages.find(({ name }) => name === "core");
  const entryPoints = new Set(Object.keys(core?.manifest.exports ?? {}).map((key) => `@portcullis/core${key.slice(1)}`));
  const coreDependencies = Object.keys(core?.manifest.dependencies ?? {}).map(
    (name) => `packages/core/package.json: depends on ${name}; core has no dependency`,
  );
  const inSources = repository.packages.flatMap((owner) =>
    owner.sources.flatMap((path) =>
      importsOf(path, repository.read(path)).flatMap((imported) => {
        const problem = problemOf(imported, path, owner, entryPoints);
        return problem === undefined ? [] : [`${path}:${imported.line}: imports ${imported.specifier}; ${problem}`];
      }),
    ),
  );
  return [...coreDependencies, ...inSources];
}

function problemOf({ specifier, typeOnly }: Import, path: string, owner: Package, entryPoints: ReadonlySet<string>): string | undefined {
  if (specifier.startsWith(".")) {
    const target = new URL(specifier, `file:///${path}`).pathname;
    return target.startsWith(`/${owner.folder}/src/`) ? undefined : "a package's source imports nothing outside its own src/";
  }
  const builtin = specifier.replace(/^node:/, "");
  if (builtinModules.includes(builtin)) {
    if (!specifier.startsWith("node:")) return `write node:${specifier}`;
    return owner.name === "core" && INPUT_OUTPUT.has(builtin) && !typeOnly ? "core does no I/O: take a function as a parameter" : undefined;
  }
  if (specifier.startsWith("@portcullis/") && !COMPOSES_ALL.has(owner.name)) {
    if (owner.name === "core") return "core imports no other package";
    if (!specifier.startsWith("@portcullis/core")) return "only @portcullis/core may be imported; put packages together in examples/";
    if (!entryPoints.has(specifier)) return "it is not an entry point of @portcullis/core";
  }
  const dependency = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const declared = { ...owner.manifest.dependencies, ...owner.manifest.peerDependencies };
  return dependency in declared ? undefined : `${dependency} is neither a dependency nor a peer of ${owner.manifest.name}`;
}

/** Every import of a file, re-exports and `import()` included, wherever it stands. */
function importsOf(path: string, source: string): readonly Import[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest);
  const found: Import[] = [];
  const add = (literal: ts.Node | undefined, typeOnly: boolean): void => {
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return;
    const line = file.getLineAndCharacterOfPosition(literal.getStart(file)).line + 1;
    found.push({ specifier: literal.text, line, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

await runCheck(import.meta.url, checkBoundaries);
