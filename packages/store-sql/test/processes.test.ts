import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlStore } from "@portcullis/store-sql";
import { afterAll, describe, expect, it } from "vitest";
import { describeWith, postgresUrl } from "../../../tools/test-services/connect.js";
import { startChild } from "./child.js";

const ROUNDS = 60;
const NO_CAP = { limit: 0, whenFull: "evict-oldest" } as const;
const text = new TextEncoder();
const folder = mkdtempSync(join(tmpdir(), "portcullis-sql-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Report {
  readonly won: Readonly<Record<string, number>>;
  readonly claimed: readonly string[];
}

/** Lets this many processes race, and adds up what each won. */
async function race(target: string, processes: number): Promise<void> {
  const store = await openSqlStore(target, { deadlineMs: 30_000 });
  for (let round = 0; round < ROUNDS; round += 1) await store.tickets.put(`there-${round}`, "v", 3_600_000);
  await store.sessions.create({ id: "session", subjectId: "ada", refreshHash: "hash-0", ttlMs: 3_600_000, idleMs: 0, data: "{}" }, NO_CAP);
  const owner = [{ role: "owner", standing: true, value: "{}" }];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const id of ["ada", "bob"]) await store.grants.writeSubject(`w-${round}`, id, 0, owner, []);
  }
  const queued = Array.from({ length: 100 }, (_, index) => `d${index}`);
  await store.outbox.enqueue(
    queued.map((id, index) => ({ id, endpointId: `e${index % 7}`, workspaceId: "w", eventType: "t", body: text.encode(id) })),
  );

  const children = Array.from({ length: processes }, () => startChild("./contender.ts", target, String(ROUNDS)));
  for (const child of children) expect(await child.line()).toBe("ready");
  for (const child of children) child.tell("start");
  const reports = await Promise.all(children.map(async (child) => JSON.parse((await child.line()) ?? "") as Report)); // what contender.ts prints

  const sum = (name: string): number => reports.reduce((total, { won }) => total + (won[name] ?? 0), 0);
  const once = ["put", "taken", "leased", "inserted", "opened", "changed", "granted", "resigned"];
  for (const name of once) expect([name, sum(name)]).toEqual([name, ROUNDS]);
  expect([sum("counted"), sum("limited"), sum("placed")]).toEqual([50, 50, 20]);
  // Each hash leads to the next one, so each is exchanged at most once.
  expect((await store.sessions.find("session"))?.refreshHash).toBe(`hash-${sum("rotated")}`);
  // So do a policy's revisions.
  expect((await store.grants.readPolicy("policy"))?.revision).toBe(sum("agreed"));
  for (let round = 0; round < ROUNDS; round += 1) {
    expect(await store.grants.listHolders(`w-${round}`, "owner", { limit: 9 })).toHaveLength(1);
  }
  expect(await store.grants.listHolders("w", "member", { limit: 1_000 })).toHaveLength(ROUNDS);
  expect((await store.sessions.list("capped")).length).toBe(3);
  expect([sum("seated"), (await store.sessions.list("seats")).length]).toEqual([3, 3]);
  expect((await store.subjects.read("ada")).tokenVersion).toBe(1 + processes * ROUNDS);

  const entries = await store.log.read("log", 0, 10_000);
  expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: processes * ROUNDS }, (_, index) => index));
  expect(new Set(entries.map(({ key }) => key)).size).toBe(processes * ROUNDS);
  expect(Buffer.from((await store.log.head("log")).frontier).toString()).toBe(String(processes * ROUNDS));

  const claimed = reports.flatMap((report) => report.claimed);
  const rest = (await store.outbox.claim({ limit: 100, perEndpoint: 100, leaseMs: 1 })).deliveries.map(({ id }) => id);
  expect([...claimed, ...rest].toSorted()).toEqual(queued.toSorted());
  await store.close();
}

/** Kills a process in the middle of its appends, as often as asked; what it was told is stored is there. */
async function killWriters(target: string, times: number): Promise<void> {
  const store = await openSqlStore(target, { deadlineMs: 30_000 });
  for (let time = 0; time < times; time += 1) {
    const child = startChild("./log-writer.ts", target, String(time));
    const acknowledged: string[] = [];
    while (acknowledged.length < 40) acknowledged.push((await child.line()) ?? "ended too early");
    await child.kill();
    for (let said = await child.line(); said !== undefined; said = await child.line()) acknowledged.push(said);
    const { size } = await store.log.head("killed");
    const entries = await store.log.read("killed", 0, size + 10);
    expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: size }, (_, index) => index));
    const keys = new Set(entries.map(({ key }) => key));
    // The last line may be torn.
    for (const key of acknowledged.slice(0, -1)) expect(keys).toContain(key);
    // Nobody has to wait for what the dead process held.
    await store.log.append("killed", () => ({ entries: [], frontier: new Uint8Array() }));
  }
  await store.close();
}

describe("several processes on one SQLite file", () => {
  it("win each thing once between them, and append without a gap", () => race(`file:${join(folder, "race.db")}`, 3), 60_000);
  it(
    "AUD-13 an acknowledged entry survives kill -9, and the dead block nobody",
    () => killWriters(`file:${join(folder, "kill.db")}`, 3),
    60_000,
  );
});

describeWith("postgres", "several processes on one PostgreSQL", () => {
  it("win each thing once between them, and append without a gap", async () => race(await postgresUrl(), 3), 60_000);
  it("AUD-13 an acknowledged entry survives kill -9, and the dead block nobody", async () => killWriters(await postgresUrl(), 3), 60_000);
});
