// What each entry point adds to a bundle, in our own bytes after brotli: its dependencies and our other packages are not
// counted, they are there once however many of ours use them. The limits are what it weighed when last looked at, and some
// air: raising one is a decision that shows in a diff.
import { readdirSync, readFileSync } from "node:fs";

const LIMITS = {
  "@portcullis/core": "25 kB",
  "@portcullis/testkit": "30 kB",
};
const DEFAULT_LIMIT = "15 kB";

const manifests = readdirSync("packages").map((name) => ({
  folder: `packages/${name}`,
  manifest: JSON.parse(readFileSync(`packages/${name}/package.json`, "utf8")),
}));

export default manifests.flatMap(({ folder, manifest }) =>
  Object.entries(manifest.publishConfig.exports)
    .filter(([, target]) => typeof target === "object")
    .map(([subpath, target]) => {
      const name = `${manifest.name}${subpath.slice(1)}`;
      return {
        name,
        path: `${folder}/${target.default}`,
        limit: LIMITS[name] ?? DEFAULT_LIMIT,
        modifyEsbuildConfig: (config) => ({ ...config, platform: "node", packages: "external" }),
      };
    }),
);
