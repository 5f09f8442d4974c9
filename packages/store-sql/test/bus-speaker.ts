// A process that answers on the bus; see bus.test.ts.
//   node --import tsx --conditions=@portcullis/source bus-speaker.ts <target> <name>
// Says "ready", then every message that comes by "news", and answers each question on "questions" with its name. Ends by itself when told so
// on standard input, though it has not ended its subscriptions.
import { once } from "node:events";
import { openSqlStore } from "@portcullis/store-sql";
import { Pool } from "pg";

const [target = "", name = ""] = process.argv.slice(2);
// A pool of our own may keep the process alive for its idle time: this one does not.
const pool = target.startsWith("postgres") ? new Pool({ connectionString: target, allowExitOnIdle: true }) : target;
const { bus } = await openSqlStore(pool, { deadlineMs: 30_000 });
await bus.subscribe("questions", { onMessage: (question) => void bus.publish("news", `${name} answers ${question}`) });
await bus.subscribe("news", { onMessage: (news) => void process.stdout.write(`${news}\n`) });
process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
