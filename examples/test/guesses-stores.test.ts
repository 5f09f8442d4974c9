// Guesses at passwords, and links of letters, with several processes on one store: what is bounded is bounded for all of them together.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { type GuessAuth, type Guessed, type GuessJob, type GuessTarget, openGuessAuth, THRESHOLD } from "./guess-auth.js";

const PROCESSES = 2;
const PASSWORD = "correct horse battery";
const CONTENDER = new URL("./guess-contender.ts", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "portcullis-guesses-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

function guessesOn(newTarget: () => Promise<GuessTarget>): void {
  let here: GuessAuth;
  let contenders: readonly Child[];

  beforeAll(async () => {
    const target = await newTarget();
    here = await openGuessAuth(target);
    contenders = Array.from({ length: PROCESSES }, () => startChild(CONTENDER, JSON.stringify(target)));
    children.push(...contenders);
    for (const child of contenders) expect(await child.line()).toBe("ready");
  }, 60_000);
  afterAll(() => here.close());

  async function createPerson(email: string): Promise<void> {
    expect((await here.auth.createAccount({ email, password: PASSWORD, roles: [] })).kind).toBe("ok");
  }

  async function together(job: GuessJob): Promise<{ readonly counts: Record<string, number>; readonly computed: number }> {
    for (const child of contenders) child.tell(JSON.stringify(job));
    const counts: Record<string, number> = {};
    let computed = 0;
    for (const child of contenders) {
      const guessed = JSON.parse((await child.line()) ?? "") as Guessed; // as the contender wrote it
      for (const code of guessed.codes) counts[code] = (counts[code] ?? 0) + 1;
      computed += guessed.computed;
    }
    return { counts, computed };
  }

  it.each([
    ["somebody", true],
    ["nobody", false],
  ])("AUTH-L2 AUTH-L3 of 100 parallel wrong passwords of %s exactly as many are computed as may fail", async (name, exists) => {
    const email = `${name}@example.com`;
    if (exists) await createPerson(email);
    const { counts, computed } = await together({ kind: "login", email, password: "wrong horse battery", times: 50 });
    expect(counts).toEqual({ 1005: THRESHOLD, 1006: 100 - THRESHOLD });
    expect(computed).toBe(THRESHOLD);
    expect(await here.auth.login({ email, password: PASSWORD })).toMatchObject({ problem: { code: 1006 } });
  });

  it("AUTH-L7 of 40 parallel logins with the right password all succeed", async () => {
    await createPerson("busy@example.com");
    const { counts } = await together({ kind: "login", email: "busy@example.com", password: PASSWORD, times: 20 });
    expect(counts).toEqual({ ok: 40 });
  });

  it("of 50 parallel uses of one link exactly one sets the password", async () => {
    await createPerson("forgetful@example.com");
    await here.mail.requestPasswordReset("forgetful@example.com");
    await here.mail.settled();
    const newPassword = "a new and longer one";
    const { counts } = await together({ kind: "reset", token: here.letters.at(-1) ?? "", newPassword, times: 25 });
    expect(counts).toEqual({ ok: 1, 1110: 49 });
    expect((await here.auth.login({ email: "forgetful@example.com", password: newPassword })).kind).toBe("ok");
  });
}

describe("guesses on a SQLite file", () => guessesOn(async () => ({ url: `file:${join(folder, "guesses.db")}`, prefix: "" })));

describeWith("postgres", "guesses on PostgreSQL", () => guessesOn(async () => ({ url: await postgresUrl(), prefix: "" })));

describeWith("redis", "guesses on Redis", () => guessesOn(async () => ({ url: redisUrl(), prefix: redisPrefix() })));
