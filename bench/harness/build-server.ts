// Servers are measured as they ship: built, with plain JavaScript for Node. A loader that compiles on the fly keeps function
// names by a call for each function that is made, so every closure on a hot path would be charged for it.
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve as absolute } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const OUTPUT = new URL("../dist/", import.meta.url);

/** Bundles a server's entry file with our packages, from their sources; everything else stays a dependency. */
export async function buildServer(entry: URL): Promise<string> {
  mkdirSync(OUTPUT, { recursive: true });
  const outfile = fileURLToPath(new URL(`${basename(entry.pathname, ".ts")}.mjs`, OUTPUT));
  const { metafile } = await build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true,
    metafile: true,
    conditions: ["@portcullis/source"],
    plugins: [keepDependencies],
    logLevel: "warning",
  });
  copyScripts(Object.keys(metafile.inputs));
  return outfile;
}

// Our packages read these at run time, beside the file that asks for them.
function copyScripts(inputs: readonly string[]): void {
  for (const folder of new Set(inputs.map((input) => dirname(absolute(input))))) {
    if (!/\/packages\/[^/]+\/src$/.test(folder)) continue;
    for (const file of readdirSync(folder)) if (file.endsWith(".lua")) copyFileSync(join(folder, file), new URL(file, OUTPUT));
  }
}

const keepDependencies: Plugin = {
  name: "keep-dependencies",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind, resolveDir, pluginData }) => {
      if (path.startsWith("@portcullis/") || kind === "entry-point" || pluginData === RESOLVING) return undefined;
      if (path.startsWith("node:") || !importer.includes("/packages/")) return { path, external: true };
      // A dependency of one of our packages, which the bundle cannot reach by its name.
      const found = await resolve(path, { kind, importer, resolveDir, pluginData: RESOLVING });
      return found.external ? found : { path: pathToFileURL(found.path).href, external: true };
    });
  },
};
const RESOLVING = Symbol("resolving");
