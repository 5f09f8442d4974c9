// A process that verifies one token again and again; see revocation-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source revocation-watcher.ts <target>
// Says "ready"; then watches the token of each line on standard input: says "accepted" when it is remembered as good, and what it saw when
// it is refused; ends when its standard input does.
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { nowMs, openWatchedAuth, type Watched, type WatchTarget } from "./revocation-watch.js";

const { auth, close } = await openWatchedAuth(JSON.parse(process.argv[2] ?? "") as WatchTarget); // as the test wrote it

/** Before this many were accepted, the process may not remember the token yet. */
const SETTLED = 20;

async function watch(token: string): Promise<Watched> {
  for (let accepted = 0, lastAcceptedAtMs = 0; ; await setImmediate()) {
    const beganAtMs = nowMs();
    if ((await auth.verifyAccessToken(token)).kind !== "ok") return { lastAcceptedAtMs, accepted };
    lastAcceptedAtMs = beganAtMs;
    accepted += 1;
    if (accepted === SETTLED) say("accepted");
  }
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

process.stdout.write("ready\n");
for await (const token of createInterface({ input: process.stdin })) say(await watch(token));
await close();
