// One test project per folder that has tests; a new package joins by existing.
//   npx vitest run --project rbac        one package
//   npx vitest run --project rbac wild   its test files whose path contains "wild"
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const root = fileURLToPath(new URL(".", import.meta.url));
const packages = readdirSync(join(root, "packages")).map((name) => join("packages", name));
// Run from source, by the condition that packages carry for the repository's own use. Nothing else belongs here: vitest
// hands these to Node for `require` too, and "import" would give CommonJS dependencies the ES modules of theirs.
const conditions = ["@portcullis/source", "node"];

function project(folder: string): TestProjectInlineConfiguration {
  const tests = join(root, folder, "test");
  const files = readdirSync(tests, { recursive: true, encoding: "utf8" });
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name: basename(folder),
      root: join(root, folder),
      environment: "node",
      include: ["test/**/*.test.ts"],
      // For a busy machine with two cores: a test that hangs still fails, one that waits its turn does not.
      testTimeout: process.env.PORTCULLIS_SOAK === "true" ? 3_600_000 : 20_000,
      hookTimeout: 60_000,
      // Starts only the services that this project's tests name; see tools/test-services.
      globalSetup: join(root, "tools/test-services/global-setup.ts"),
      typecheck: {
        enabled: files.some((file) => file.endsWith(".test-d.ts")),
        include: ["test/**/*.test-d.ts"],
        checker: "tsc",
        tsconfig: join(root, folder, "tsconfig.json"),
      },
    },
  };
}

export default defineConfig({
  test: {
    projects: [...packages, "examples", "examples/reference-server", "bench", "tools"]
      .filter((folder) => existsSync(join(root, folder, "test")))
      .map(project),
    coverage: { provider: "v8", include: ["packages/*/src/**"], reporter: ["text-summary", "json-summary"] },
  },
});
