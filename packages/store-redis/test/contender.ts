// One of several processes that want the same things at the same time; see processes.test.ts.
//   node --import tsx --conditions=@portcullis/source contender.ts <url> <prefix> <rounds>
// Says "ready", waits for the start on standard input, and prints what it won as JSON.
import { once } from "node:events";
import type { LimitAsk } from "@portcullis/core";
import { openRedisStore } from "@portcullis/store-redis";
import { Redis } from "ioredis";

const [url = "", prefix = "", rounds = "0"] = process.argv.slice(2);
const client = new Redis(url);
const store = openRedisStore(client, { prefix, deadlineMs: 10_000 });
await store.ping();
process.stdout.write("ready\n");
await once(process.stdin, "data");

const ask: LimitAsk = {
  kind: "user",
  id: "all",
  cells: [{ id: "tier", kind: "bucket", capacity: 50, intervalMs: 3_600_000, cost: 1 }],
};
const won = { tickets: 0, taken: 0, counted: 0, limited: 0, rotated: 0, leases: 0, inserted: 0, seated: 0 };
const count = (name: keyof typeof won, isWon: boolean): void => void (won[name] += isWon ? 1 : 0);
await Promise.all(
  Array.from({ length: Number(rounds) }, async (_, round) => {
    const { tickets, counters, limits, sessions, leases, records } = store;
    count("tickets", await tickets.put(`put-${round}`, "v", 60_000));
    count("taken", (await tickets.take(`there-${round}`)) !== undefined);
    count("counted", (await counters.add("all", 1, { limit: 50, windowMs: 3_600_000 })).accepted);
    count("limited", (await limits.consume(ask)).allowed);
    count("rotated", (await sessions.rotate("session", `hash-${round}`, `hash-${round + 1}`)) !== undefined);
    const seat = { id: `${process.pid}-${round}`, subjectId: "seats", refreshHash: "h", ttlMs: 60_000, idleMs: 0, data: "" };
    count("seated", (await sessions.create(seat, { limit: 3, whenFull: "refuse" })).created);
    count("leases", await leases.acquire(`job-${round}`, String(process.pid), 60_000));
    count(
      "inserted",
      (await records.insert("users", { id: `${process.pid}-${round}`, scope: "s", uniqueKey: `mail-${round}`, value: "{}" })) !== undefined,
    );
  }),
);
process.stdout.write(`${JSON.stringify(won)}\n`);
client.disconnect();
process.stdin.destroy();
