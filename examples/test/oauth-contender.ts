// One of several processes that serve logins over a provider on one store; see oauth-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source oauth-contender.ts <target> <GitHub's address> <delivery>
// Says "ready"; then serves the requests of each line on standard input, all at once, and prints what came of each.
import { createInterface } from "node:readline";
import { toFetchHandler } from "@portcullis/core";
import { type Hit, type HitAnswer, oauthServiceOn, openAuthStore } from "./oauth-service.js";

const [target = "", githubUrl = "", delivery = ""] = process.argv.slice(2);
const { store, close } = await openAuthStore(target);
const handler = toFetchHandler(oauthServiceOn(store, githubUrl, { delivery: delivery === "code" ? "code" : "fragment" }).app);
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const hits = JSON.parse(line) as readonly Hit[]; // written by oauth-stores.test.ts
  const answers = await Promise.all(
    hits.map(async ({ url, ...init }): Promise<HitAnswer> => {
      const { status, headers } = await handler(new Request(url, init));
      return { status, location: headers.get("location") };
    }),
  );
  process.stdout.write(`${JSON.stringify(answers)}\n`);
}
await close();
