// One build for every package, run from the package's folder: `tsup --config ../../tsup.config.ts`.
// Entry points are read from the package's own export map, so that a subpath is declared in one place.
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig } from "tsup";

type ExportMap = Record<string, string | Record<string, string>>;

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: ExportMap };
const sources = Object.values(exports).flatMap((target) => (typeof target === "string" ? [] : (target["@portcullis/source"] ?? [])));
const entry = Object.fromEntries(sources.map((source) => [source.replace(/^\.\/src\/|\.ts$/g, ""), source]));

/**
 * What a package reads at run time beside its code (`migrations/*.sql`, `*.lua`, worker `*.mjs`) keeps its path below
 * `src/`. A bundled file sits directly in `dist/`, so read such a file as `new URL("./migrations/0001.sql",
 * import.meta.url)` from a module directly in `src/`: from `src/internal/x.ts` the path would differ once bundled.
 */
function copyRuntimeFiles(): void {
  for (const file of readdirSync("src", { recursive: true, encoding: "utf8" })) {
    if (!/\.(sql|lua|mjs)$/.test(file)) continue;
    const target = join("dist", file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join("src", file), target);
  }
}

export default defineConfig({
  entry,
  format: ["esm"],
  target: "node20",
  platform: "node",
  dts: true,
  sourcemap: true,
  clean: true,
  // Without it every entry point would carry its own copy of a shared class, and `instanceof` would fail between them.
  splitting: true,
  treeshake: false,
  onSuccess: async () => copyRuntimeFiles(),
});
