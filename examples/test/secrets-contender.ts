// One of several processes that look for the secret of one store at once; see secrets-processes.test.ts.
//   node --import tsx --conditions=@portcullis/source secrets-contender.ts <target>
// Says "ready"; for each line on standard input, which is a name, prints what it got; ends when its standard input does.
import { createInterface } from "node:readline";
import { resolveSecrets } from "@portcullis/auth";
import { openSqlStore } from "@portcullis/store-sql";

const [target = ""] = process.argv.slice(2);
const store = await openSqlStore(target, { deadlineMs: 30_000 });
process.stdout.write("ready\n");
for await (const name of createInterface({ input: process.stdin })) {
  const all = await Promise.all(Array.from({ length: 20 }, async () => resolveSecrets({ store, name, allowGenerate: true })));
  process.stdout.write(`${JSON.stringify(all)}\n`);
}
await store.close();
