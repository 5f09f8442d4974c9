// What each entry point adds to a bundle, in our own bytes after brotli: its dependencies and our other packages are not
// counted, they are there once however many of ours use them. The limits are what it weighed when last looked at, and some
// air: raising one is a decision that shows in a diff.
import { readdirSync, readFileSync } from "node:fs";

const LIMITS = {
  "@portcullis/approvals": "9.5 kB",
  "@portcullis/audit": "17 kB",
  "@portcullis/auth": "44 kB",
  "@portcullis/auth/oauth": "16 kB",
  "@portcullis/core": "26 kB",
  "@portcullis/core/node": "6.3 kB",
  "@portcullis/core/prometheus": "1 kB",
  "@portcullis/decision-cache": "5.6 kB",
  "@portcullis/encryption": "9 kB",
  "@portcullis/express": "1 kB",
  "@portcullis/fastify": "1.3 kB",
  "@portcullis/hono": "2.2 kB",
  "@portcullis/rate-limit": "20 kB",
  "@portcullis/rbac": "26 kB",
  "@portcullis/store-redis": "6.6 kB",
  "@portcullis/store-sql": "15.5 kB",
  "@portcullis/testkit": "43 kB",
  "@portcullis/webhooks": "12 kB",
};

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
        limit: LIMITS[name] ?? fail(name),
        modifyEsbuildConfig: (config) => ({ ...config, platform: "node", packages: "external" }),
      };
    }),
);

function fail(name) {
  throw new Error(`${name} has no size limit. Add one to .size-limit.mjs: what it weighs, and some air.`);
}
