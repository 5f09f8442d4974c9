// Runs the benches one after the other: npm run bench, or npm run bench -- full-chain for those whose name contains it.
// Further arguments go to the bench.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const [filter = "", ...rest] = process.argv.slice(2);
const benches = readdirSync(folder).filter((file) => file.endsWith(".bench.ts") && file.includes(filter));
if (benches.length === 0) throw new Error(`No bench has "${filter}" in its name.`);

for (const bench of benches) {
  process.stdout.write(`\n# ${bench}\n`);
  const { status } = spawnSync(process.execPath, ["--conditions=@portcullis/source", "--import", "tsx", bench, ...rest], {
    cwd: folder,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
