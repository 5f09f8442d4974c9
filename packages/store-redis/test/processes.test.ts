import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openRedisStore } from "@portcullis/store-redis";
import { expect, it } from "vitest";
import { describeWith, redisPrefix, redisUrl } from "../../../tools/test-services/connect.js";
import { connect } from "./clients.js";

const CONTENDER = fileURLToPath(new URL("./contender.ts", import.meta.url));
const ROUNDS = 100;

/** A process that is ready to start. @returns Starts it and gives what it won. */
async function readyProcess(prefix: string): Promise<() => Promise<Record<string, number>>> {
  const args = ["--import", "tsx", "--conditions=@portcullis/source", CONTENDER, redisUrl(), prefix, String(ROUNDS)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  return async () => {
    child.stdin.write("start\n");
    return JSON.parse(String((await lines.next()).value)) as Record<string, number>; // what contender.ts prints
  };
}

describeWith("redis", "two processes at once", () => {
  it("win each thing once between them", async () => {
    const prefix = redisPrefix();
    const store = openRedisStore(connect(), { prefix, deadlineMs: 10_000 });
    for (let round = 0; round < ROUNDS; round += 1) await store.tickets.put(`there-${round}`, "v", 60_000);
    await store.sessions.create(
      { id: "session", subjectId: "ada", refreshHash: "hash-0", ttlMs: 60_000, idleMs: 0, data: "{}" },
      { limit: 0, whenFull: "evict-oldest" },
    );
    const starts = await Promise.all([readyProcess(prefix), readyProcess(prefix)]);
    const [one = {}, other = {}] = await Promise.all(starts.map((start) => start()));
    const sum = Object.fromEntries(Object.keys(one).map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
    expect(sum).toMatchObject({ tickets: ROUNDS, taken: ROUNDS, counted: 50, limited: 50, leases: ROUNDS, inserted: ROUNDS, seated: 3 });
    expect(await store.sessions.list("seats")).toHaveLength(3);
    // Each hash leads to the next one, so each is exchanged at most once.
    const reached = (await store.sessions.find("session"))?.refreshHash;
    expect(reached).toBe(`hash-${sum["rotated"]}`);
    expect((await store.records.list("users", { scope: "s", limit: 1_000 })).total).toBe(ROUNDS);
  }, 30_000);
});
