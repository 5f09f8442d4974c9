// A process that answers on the bus; see bus.test.ts.
//   node --import tsx --conditions=@portcullis/source bus-speaker.ts <url> <prefix> <name>
// Says "ready", then every message that comes by "news", and answers each question on "questions" with its name. Ends by itself when told so
// on standard input and its client has, though it has not ended its subscriptions.
import { once } from "node:events";
import { openRedisStore } from "@portcullis/store-redis";
import { Redis } from "ioredis";

const [url = "", prefix = "", name = ""] = process.argv.slice(2);
const client = new Redis(url);
const { bus } = openRedisStore(client, { prefix, deadlineMs: 10_000 });
await bus.subscribe("questions", { onMessage: (question) => void bus.publish("news", `${name} answers ${question}`) });
await bus.subscribe("news", { onMessage: (news) => void process.stdout.write(`${news}\n`) });
process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
await client.quit();
