// Appends to a log until it is killed; says each key once it was told that the entry is stored. See processes.test.ts.
//   node --import tsx --conditions=@portcullis/source log-writer.ts <target> <name>
import { writeSync } from "node:fs";
import { openSqlStore } from "@portcullis/store-sql";

const [target = "", name = ""] = process.argv.slice(2);
const store = await openSqlStore(target, { deadlineMs: 30_000 });
const bytes = new Uint8Array(2_000);
for (let batch = 0; ; batch += 1) {
  const keys = [`${name}.${batch}.a`, `${name}.${batch}.b`];
  await store.log.append("killed", ({ size }) => ({
    entries: keys.map((key) => ({ key, bytes, at: 1, category: "c", actor: "a", action: "b", workspaceId: "w" })),
    frontier: Buffer.from(String(size + keys.length)),
  }));
  // At once: what waits in a buffer of this process would die with it.
  writeSync(1, `${keys.join("\n")}\n`);
}
