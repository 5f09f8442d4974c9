import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Cluster, Redis } from "ioredis";
import { Client } from "pg";
import { expect, it, onTestFinished } from "vitest";
import { describeWith, postgresUrl, redisClusterUrls, redisPrefix, redisUrl } from "../test-services/connect.js";
import { servicesNamedIn } from "../test-services/global-setup.js";

describeWith("postgres", "PostgreSQL for tests", () => {
  it("is a database per call, durable", async () => {
    const [first, second] = [await postgresUrl(), await postgresUrl()];
    const one = new Client({ connectionString: first });
    const other = new Client({ connectionString: second });
    await Promise.all([one.connect(), other.connect()]);
    await one.query("CREATE TABLE seen (id int)");
    await expect(other.query("SELECT * FROM seen")).rejects.toThrow("does not exist");
    expect((await one.query("SHOW fsync")).rows).toEqual([{ fsync: "on" }]);
    await Promise.all([one.end(), other.end()]);
  });
});

describeWith("redis", "Redis for tests", () => {
  it("is shared by prefix", async () => {
    const client = new Redis(redisUrl());
    const prefix = redisPrefix();
    await client.set(`${prefix}key`, "1");
    expect(await client.get(`${redisPrefix()}key`)).toBeNull();
    client.disconnect();
  });
});

describeWith("redis-cluster", "Redis Cluster for tests", () => {
  it("is three masters that own all slots", async () => {
    const cluster = new Cluster([...redisClusterUrls()]);
    const prefix = redisPrefix();
    await Promise.all(Array.from({ length: 50 }, (_, index) => cluster.set(`${prefix}${index}`, index)));
    expect(cluster.nodes("master")).toHaveLength(3);
    expect(await cluster.get(`${prefix}49`)).toBe("49");
    cluster.disconnect();
  });
});

it("a project's tests start only the services they name", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-named-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(servicesNamedIn(folder)).toEqual([]);
  mkdirSync(join(folder, "laws"));
  writeFileSync(join(folder, "laws/limits.test.ts"), 'describeWith("redis", "limits", () => {});');
  expect(servicesNamedIn(folder)).toEqual(["redis"]);
});

it("a server ends with the process that started it, however that ended", async () => {
  const keeper = fileURLToPath(new URL("../test-services/keep-while-parent-lives.mjs", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "portcullis-kept-"));
  const server = {
    command: process.execPath,
    args: ["-e", "console.error(process.pid); setInterval(() => {}, 1e6)"],
    folder,
    signal: "SIGTERM",
  };
  const starter = `require("child_process").spawn(process.execPath, ${JSON.stringify([keeper, JSON.stringify(server)])}, { stdio: ["pipe", 1, 1], detached: true })`;
  const parent = spawn(process.execPath, ["-e", starter], { stdio: ["ignore", "pipe", "inherit"] });
  const [written] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(written.toString());
  expect(isAlive(pid)).toBe(true);
  parent.kill("SIGKILL");
  const deadline = Date.now() + 5_000;
  while (isAlive(pid) && Date.now() < deadline) await sleep(20);
  expect(isAlive(pid)).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
