// Several processes that start at once on one store, none of which has a secret: all sign with the same.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveSecrets } from "@portcullis/auth";
import { openSqlStore } from "@portcullis/store-sql";
import { afterAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl } from "../../tools/test-services/connect.js";

const ROUNDS = 10;
const PROCESSES = 3;
const CONTENDER = new URL("./secrets-contender.ts", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "portcullis-secrets-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

function rulesOn(newTarget: () => Promise<string>): void {
  it("AUTH-J4 of three processes with twenty calls each all get one secret, which is the stored one, and it is never overwritten", async () => {
    const target = await newTarget();
    const store = await openSqlStore(target, { deadlineMs: 30_000 });
    const contenders = Array.from({ length: PROCESSES }, () => startChild(CONTENDER, target));
    children.push(...contenders);
    for (const child of contenders) expect(await child.line()).toBe("ready");
    const made = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const name = `round-${round}`;
      for (const child of contenders) child.tell(name);
      const answers = await Promise.all(contenders.map(async (child) => JSON.parse((await child.line()) ?? "") as string[])); // as secrets-contender.ts prints
      const secrets = new Set(answers.flat());
      expect(secrets.size).toBe(1);
      expect(await resolveSecrets({ store, name })).toBe([...secrets][0]);
      expect((await store.records.find("auth-secrets", { id: name }))?.revision).toBe(1);
      made.add([...secrets][0] ?? "");
    }
    expect(made.size).toBe(ROUNDS);
    await store.close();
  }, 120_000);
}

describe("secrets on a SQLite file", () => rulesOn(() => Promise.resolve(`file:${join(folder, "secrets.db")}`)));

describeWith("postgres", "secrets on PostgreSQL", () => rulesOn(postgresUrl));
