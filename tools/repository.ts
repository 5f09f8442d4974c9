// How a check sees the repository: its packages, their manifests and sources. A check takes this as a parameter, so that
// its test can hand it a small repository in which the rule is broken.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The members of a package.json that checks read. */
export interface Manifest {
  readonly name: string;
  readonly exports?: ExportMap;
  readonly publishConfig?: { readonly exports?: ExportMap };
  readonly typedocOptions?: { readonly entryPoints?: readonly string[] };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export type ExportMap = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

export interface Package {
  /** Its folder's name: `rate-limit` for `@portcullis/rate-limit`. */
  readonly name: string;
  /** From the repository's root, with `/`: `packages/rate-limit`. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Its TypeScript sources, from the repository's root. */
  readonly sources: readonly string[];
}

export interface Repository {
  readonly root: string;
  readonly packages: readonly Package[];
  /** The files below a folder whose name matches, from the root, sorted; none where there is no such folder. */
  files(folder: string, name: RegExp): readonly string[];
  read(path: string): string;
  has(path: string): boolean;
}

/** Folders that are made, not written. */
const MADE = new Set(["node_modules", "dist", "coverage", ".fences", ".git", ".stryker-tmp", "data"]);

export function openRepository(root: string): Repository {
  const has = (path: string): boolean => existsSync(join(root, path));
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const files = (folder: string, name: RegExp): readonly string[] => walk(root, folder).filter((path) => name.test(path));
  const packages = (has("packages") ? readdirSync(join(root, "packages")).sort() : [])
    .filter((name) => has(`packages/${name}/package.json`))
    .map((name) => {
      const folder = `packages/${name}`;
      const manifest = JSON.parse(read(`${folder}/package.json`)) as Manifest;
      return { name, folder, manifest, sources: files(`${folder}/src`, /\.ts$/) };
    });
  return { root, packages, files, read, has };
}

function walk(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return MADE.has(entry.name) ? [] : walk(root, path);
    return entry.isFile() ? [path] : [];
  });
}
