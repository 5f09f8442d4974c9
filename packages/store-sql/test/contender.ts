// One of several processes that want the same things at the same time; see processes.test.ts.
//   node --import tsx --conditions=@portcullis/source contender.ts <target> <rounds>
// Says "ready", waits for the start on standard input, and prints what it won as JSON.
import { once } from "node:events";
import { openSqlStore } from "@portcullis/store-sql";

const [target = "", rounds = "0"] = process.argv.slice(2);
const store = await openSqlStore(target, { deadlineMs: 30_000 });
process.stdout.write("ready\n");
await once(process.stdin, "data");

const hour = 3_600_000;
const { tickets, counters, limits, sessions, leases, records, log, outbox, approvals, subjects, grants } = store;
const won = {
  ...{ put: 0, taken: 0, counted: 0, limited: 0, placed: 0, rotated: 0, leased: 0, inserted: 0, opened: 0, changed: 0, appended: 0 },
  ...{ granted: 0, resigned: 0, agreed: 0, seated: 0 },
};
const tier = { kind: "bucket", id: "tier", capacity: 50, intervalMs: hour, cost: 1 } as const;
const claimed: string[] = [];
let longestMs = 0;
const count = (name: keyof typeof won, isWon: boolean): void => void (won[name] += isWon ? 1 : 0);

await Promise.all(
  Array.from({ length: Number(rounds) }, async (_, round) => {
    const own = `${process.pid}-${round}`;
    count("put", await tickets.put(`put-${round}`, own, hour));
    count("taken", (await tickets.take(`there-${round}`)) !== undefined);
    count("counted", (await counters.add("all", 1, { limit: 50, windowMs: hour })).accepted);
    count("limited", (await limits.consume({ kind: "user", id: "ada", cells: [tier] })).allowed);
    const place = { id: "job", capacity: 20, key: own, ttlMs: hour };
    count("placed", (await limits.consume({ kind: "org", id: "ada", cells: [], lease: place })).allowed);
    count("rotated", (await sessions.rotate("session", `hash-${round}`, `hash-${round + 1}`)) !== undefined);
    count("leased", await leases.acquire(`job-${round}`, own, hour));
    count("inserted", (await records.insert("users", { id: own, scope: "s", uniqueKey: `mail-${round}`, value: "{}" })) !== undefined);
    const asked = { workspaceId: "w", requesterId: "ada", risk: "LOW", operation: "a:b", digest: `d-${round}`, data: "{}" };
    const { record, created } = await approvals.open({ ...asked, id: own, ttlMs: hour });
    count("opened", created);
    count("changed", (await approvals.update(record.id, { revision: 1 }, { status: "APPROVED" })) !== undefined);
    const held = [{ role: "member", standing: true, value: own }];
    count("granted", (await grants.writeSubject("w", `subject-${round}`, 0, held, [])).kind === "written");
    const resign = (owner: string) => grants.writeSubject(`w-${round}`, owner, 1, [], ["owner"]);
    for (const { kind } of await Promise.all([resign("ada"), resign("bob")])) count("resigned", kind === "written");
    count("agreed", (await grants.writePolicy("policy", round, own)) !== undefined);
    await subjects.bump("ada", "tokenVersion");
    const login = { refreshHash: "h", ttlMs: hour, idleMs: 0, data: "" };
    await sessions.create({ id: own, subjectId: "capped", ...login }, { limit: 3, whenFull: "evict-oldest" });
    const seat = { id: `seat-${own}`, subjectId: "seats", ...login };
    count("seated", (await sessions.create(seat, { limit: 3, whenFull: "refuse" })).created);
    const start = performance.now();
    const entry = { key: own, bytes: new Uint8Array(8), at: 1, category: "c", actor: "a", action: "b", workspaceId: "w" };
    await log.append("log", ({ size }) => ({ entries: [entry], frontier: Buffer.from(String(size + 1)) }));
    longestMs = Math.max(longestMs, performance.now() - start);
    count("appended", true);
    for (const held of (await outbox.claim({ limit: 2, perEndpoint: 1_000, leaseMs: hour })).deliveries) claimed.push(held.id);
  }),
);
process.stdout.write(`${JSON.stringify({ won, claimed, longestMs: Math.round(longestMs) })}\n`);
await store.close();
process.stdin.destroy();
