import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { startArgon2Worker, type Argon2Job } from "../src/passwords/argon2-worker.js";
import { HashQueue } from "../src/passwords/hash-queue.js";
import { createHashWorkers, type HashWorkers } from "../src/passwords/hash-workers.js";

const COST = { algorithm: 2, memoryCost: 8192, timeCost: 2, parallelism: 1, outputLen: 32 };

function job(password = "correct horse battery"): Argon2Job {
  return { kind: "hash", password: Uint8Array.from(Buffer.from(password)), options: { ...COST, salt: new Uint8Array(16) } };
}

const opened: HashWorkers[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (workers) => workers.close()));
});

function createWorkers(start: () => Worker = startArgon2Worker) {
  const started: Worker[] = [];
  const workers = createHashWorkers(() => {
    const worker = start();
    started.push(worker);
    return worker;
  });
  opened.push(workers);
  return { workers, started };
}

// Field 19 of proc(5)'s stat, behind the name, which may hold anything.
const NICE_AFTER_NAME = 16;

function niceValues(): number[] {
  return readdirSync("/proc/self/task").flatMap((thread) => {
    try {
      const fields = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
      return Number(fields.slice(fields.lastIndexOf(")") + 2).split(" ")[NICE_AFTER_NAME]);
    } catch {
      return []; // ended meanwhile
    }
  });
}

describe("AUTH-P the threads that hash", () => {
  it("are started when there is something to hash, and used again", async () => {
    const { workers, started } = createWorkers();
    expect(started).toHaveLength(0);
    const answers = [await workers.run(job()), await workers.run(job())];
    expect(answers[0]).toMatchObject({ kind: "hashed" });
    expect(answers[1]).toEqual(answers[0]);
    expect(started).toHaveLength(1);
    await Promise.all([workers.run(job()), workers.run(job())]);
    expect(started).toHaveLength(2);
  });

  it("take the password over: the sender's bytes are gone", async () => {
    const { workers } = createWorkers();
    const mine = job();
    const running = workers.run(mine);
    expect(mine.password).toHaveLength(0);
    await running;
  });

  it("answer what Argon2 cannot work with, and go on", async () => {
    const { workers, started } = createWorkers();
    const password = Uint8Array.from([1]);
    expect(await workers.run({ kind: "verify", password, storedHash: "$argon2id$v=19$m=8,t=1,p=1$!$!" })).toEqual({ kind: "refused" });
    expect(await workers.run(job())).toMatchObject({ kind: "hashed" });
    expect(started).toHaveLength(1);
  });

  it("one that dies fails its own job only, and the next job gets another", async () => {
    const { workers, started } = createWorkers();
    const queue = new HashQueue(1, 10, () => {});
    const place = queue.enter();
    const dying = place?.run(async () => {
      const running = workers.run(job());
      await started[0]?.terminate();
      return running;
    });
    const next = queue.enter()?.run(async () => workers.run(job()));
    await expect(dying).rejects.toMatchObject({ name: "AuthError", code: "hashing_failed" });
    expect(await next).toMatchObject({ kind: "hashed" });
    expect(started).toHaveLength(2);
    // One that dies idle is missed by nobody.
    await started[1]?.terminate();
    expect(await workers.run(job())).toMatchObject({ kind: "hashed" });
    expect(started).toHaveLength(3);
  });

  it("a fault tells nothing of the password", async () => {
    const { workers, started } = createWorkers();
    const running = workers.run(job("canary-password-123"));
    await started[0]?.terminate();
    const fault: unknown = await running.catch((error: unknown) => error);
    expect(JSON.stringify([String(fault), (fault as Error).stack, String((fault as Error).cause)])).not.toContain("canary");
  });

  it("one that cannot start is a fault, not a hang", async () => {
    const { workers } = createWorkers(() => {
      throw new Error("no more threads");
    });
    await expect(workers.run(job())).rejects.toMatchObject({ code: "hashing_failed", cause: { message: "no more threads" } });
  });

  it("close lets each end its job, takes no other, and may be called again", async () => {
    const { workers } = createWorkers();
    const running = workers.run(job());
    const closing = workers.close();
    await expect(workers.run(job())).rejects.toMatchObject({ code: "closed" });
    expect(await running).toMatchObject({ kind: "hashed" });
    await closing;
    await workers.close();
  });

  it.runIf(process.platform === "linux")("on Linux have a lower priority than the thread that answers requests", async () => {
    const before = niceValues();
    const { workers } = createWorkers();
    await workers.run(job());
    const slower = Math.min(19, getPriority(0) + 10);
    const count = (values: readonly number[]): number => values.filter((value) => value === slower).length;
    expect(count(niceValues())).toBe(count(before) + 1);
    expect(getPriority(process.pid)).toBe(getPriority(0));
  });

  it("keep no process alive when idle, and do when a program waits for them", async () => {
    const program = `
      import { createAuth, createUserDirectory } from "@portcullis/auth";
      import { createMemoryStore } from "@portcullis/core";
      const store = createMemoryStore();
      const secrets = "first-secret-0123456789-abcdefghijklmnop";
      const auth = createAuth({ store, users: createUserDirectory({ store }), secrets, apiKeyPeppers: secrets + "-other" });
      const hashed = await auth.hashPassword("correct horse battery");
      console.log(hashed.kind);
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@portcullis/source", "--import=tsx", "--input-type=module", "--eval", program],
      { cwd: fileURLToPath(new URL("..", import.meta.url)), timeout: 15_000 },
    );
    expect(stdout).toBe("ok\n");
  });
});
