// The whole story against a real server of its own, told in a terminal: npm run demo
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { playCrash } from "./story/crash.js";
import { flipAuditBit } from "./story/corrupt-audit.js";
import { startReceiver } from "./story/receiver.js";
import { type ServerProcess, startServerProcess } from "./story/server-process.js";
import { logInAs, playStory } from "./story/story.js";

const isTerminal = process.stdout.isTTY;
const BOLD = isTerminal ? "\u001b[1m" : "";
const PLAIN = isTerminal ? "\u001b[0m" : "";

function narrate(line: string): void {
  process.stdout.write(line.startsWith("## ") ? `${BOLD}${line.slice(3)}${PLAIN}\n` : line === "" ? "\n" : `  ${line}\n`);
}

const directory = await mkdtemp(join(tmpdir(), "portcullis-demo-"));
const receiver = await startReceiver();
const database = join(directory, "portcullis.db");
const start = (): Promise<ServerProcess> =>
  startServerProcess({ PORTCULLIS_DATA: directory, WEBHOOK_ALLOW: receiver.address, WEBHOOK_TIMEOUT_MS: "2000" });
let server = await start();
narrate(`A server of its own at ${server.url}, on SQLite in a folder that is removed at the end.`);
try {
  const cast = await playStory({
    url: () => server.url,
    receiver,
    async passTime(ms) {
      narrate(`… waiting ${Math.ceil(ms / 1000)} s`);
      await new Promise((resolve) => setTimeout(resolve, ms));
    },
    readDatabase: async () => Buffer.concat(await Promise.all([readFile(database), readFile(`${database}-wal`)])),
    corruptAudit: () => flipAuditBit(`file:${database}`),
    narrate,
  });
  const mortal = {
    kill: () => server.kill(),
    async start() {
      server = await start();
    },
  };
  // The member logged out everywhere; the crash needs a fresh login.
  await playCrash(mortal, { ...cast, member: await logInAs(cast.call, "member") }, receiver, narrate);
  narrate("");
  narrate("All promises were kept. Start a server of your own with: npm start");
} finally {
  await server.kill();
  await receiver.close();
  await rm(directory, { recursive: true, force: true });
}
