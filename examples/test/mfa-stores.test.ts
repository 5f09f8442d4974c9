// Second factors on stores that several processes share, and with several processes that share them: each code passes once.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Secret, TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { type MfaAuth, type MfaJob, openMfaAuth } from "./mfa-auth.js";

const PROCESSES = 3;
const TRIES = 50;
const PASSWORD = "correct horse battery";
const CONTENDER = fileURLToPath(new URL("./mfa-contender.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "portcullis-mfa-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

type Answer = number | "ok";

const codeAt = (secret: string, awayMs: number): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + awayMs });

function factorsOn(newTarget: () => Promise<string>): void {
  let target: string;
  let here: MfaAuth;
  let contenders: readonly Child[];
  let people = 0;

  beforeAll(async () => {
    target = await newTarget();
    here = await openMfaAuth(target);
    contenders = Array.from({ length: PROCESSES }, () => startChild(CONTENDER, target));
    children.push(...contenders);
    for (const child of contenders) expect(await child.line()).toBe("ready");
  }, 60_000);
  afterAll(() => here.close());

  /** An administrator with a second factor, confirmed by the code of the step before. */
  async function enrolled() {
    const { auth, mfa } = here;
    const email = `person-${(people += 1)}@example.com`;
    const created = await auth.createAccount({ email, password: PASSWORD, roles: ["admin"] });
    const pending = async (): Promise<string> => {
      const login = await auth.login({ email, password: PASSWORD });
      if (login.kind !== "mfa_required") throw new Error(login.kind);
      return login.challenge.token;
    };
    const pendingToken = await pending();
    const enrolment = await mfa.enroll({ pendingToken });
    if (enrolment.kind !== "ok" || created.kind !== "ok") throw new Error("not enrolled");
    const confirmed = await mfa.verify({ pendingToken }, codeAt(enrolment.value.secret, -30_000));
    expect(confirmed.kind).toBe("ok");
    const pendings: string[] = [];
    while (pendings.length < TRIES) pendings.push(await pending());
    return { userId: created.value.id, pendings, ...enrolment.value };
  }

  /** All at once, in all processes. */
  async function race(job: MfaJob): Promise<readonly Answer[]> {
    for (const [place, child] of contenders.entries()) child.tell(JSON.stringify(job.filter((_, index) => index % PROCESSES === place)));
    const answers = await Promise.all(contenders.map(async (child) => JSON.parse((await child.line()) ?? "[]") as Answer[]));
    return answers.flat();
  }

  const sessionsOf = async (userId: string): Promise<number> => (await here.store.sessions.list(userId)).length;

  it("AUTH-M5 of fifty uses of one code in three processes one passes", async () => {
    const { userId, pendings, secret } = await enrolled();
    const before = await sessionsOf(userId);
    const code = codeAt(secret, 0);
    const answers = await race(pendings.map((pendingToken) => ({ pendingToken, code })));
    expect(answers.filter((answer) => answer === "ok")).toHaveLength(1);
    expect(answers.filter((answer) => answer === 1014)).toHaveLength(TRIES - 1);
    expect(await sessionsOf(userId)).toBe(before + 1);
  }, 60_000);

  it("AUTH-M5 of fifty uses of one backup code in three processes one passes, and ten codes are ten logins", async () => {
    const { mfa } = here;
    const { userId, pendings, backupCodes } = await enrolled();
    const [first = "", ...others] = backupCodes;
    const answers = await race(pendings.map((pendingToken) => ({ pendingToken, code: first })));
    expect(answers.filter((answer) => answer === "ok")).toHaveLength(1);
    expect(await mfa.status(userId)).toMatchObject({ value: { backupCodesLeft: 9 } });
    // Different ones, at once: none is lost to another's write, and none passes twice.
    const fresh = pendings.filter((_, index) => index < others.length * 2);
    const rest = await race(fresh.map((pendingToken, index) => ({ pendingToken, code: others[index % others.length] ?? "" })));
    expect(rest.filter((answer) => answer === "ok")).toHaveLength(others.length);
    expect(await mfa.status(userId)).toMatchObject({ value: { backupCodesLeft: 0 } });
  }, 60_000);

  it("AUTH-M5 of fifty uses of one pending login in three processes, with codes that are all right, one opens a session", async () => {
    const { userId, pendings, secret, backupCodes } = await enrolled();
    const before = await sessionsOf(userId);
    const codes = [codeAt(secret, 0), ...backupCodes];
    const [pendingToken = ""] = pendings;
    const answers = await race(pendings.map((_, index) => ({ pendingToken, code: codes[index % codes.length] ?? "" })));
    expect(answers.filter((answer) => answer === "ok")).toHaveLength(1);
    expect(await sessionsOf(userId)).toBe(before + 1);
  }, 60_000);

  it("AUTH-L4 of a hundred guesses on two nodes exactly threshold are looked at", async () => {
    const { pendings } = await enrolled();
    const nodes = [await openMfaAuth(target, 5), await openMfaAuth(target, 5)] as const;
    const verify = async (guess: number) =>
      nodes[guess % 2 === 0 ? 0 : 1].mfa.verify({ pendingToken: pendings[guess % TRIES] ?? "" }, "AAAAA-AAAAA");
    const answers = await Promise.all(Array.from({ length: 100 }, (_, guess) => verify(guess)));
    const looked = answers.filter((answer) => answer.kind === "denied" && answer.problem.code === 1014);
    expect(looked).toHaveLength(5);
    expect(nodes.flatMap(({ events }) => events).filter(({ kind }) => kind === "account_locked")).toHaveLength(1);
    expect(await here.mfa.verify({ pendingToken: pendings[0] ?? "" }, "AAAAA-AAAAA")).toMatchObject({ problem: { code: 1006 } });
    for (const { close } of nodes) await close();
  }, 60_000);

  it("AUTH-M4 one service has one bypass, of twenty parallel grants on two nodes too", async () => {
    const other = await openMfaAuth(target);
    const service = await here.auth.serviceAccounts.create({ name: "exporter", roles: ["admin"] });
    if (service.kind !== "ok") throw new Error("not made");
    const key = await other.auth.serviceAccounts.createKey(service.value.id, { name: "nightly" });
    if (key.kind !== "ok") throw new Error("not made");
    const grant = { serviceId: service.value.id, reason: "Nightly export, no person involved", approvedBy: "ada" };
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? here.mfa : other.mfa).bypass.grant(grant)),
    );
    const [granted, ...more] = results.flatMap((result) => (result.kind === "ok" ? [result.value] : []));
    expect(more).toEqual([]);
    expect((await here.auth.apiKeys.authenticate(key.value.key)).kind).toBe("ok");
    expect((await other.mfa.bypass.revoke(granted?.id ?? "")).kind).toBe("ok");
    expect(await here.auth.apiKeys.authenticate(key.value.key)).toMatchObject({ problem: { code: 1102 } });
    await other.close();
  });
}

describe("second factors on a SQLite file", () => factorsOn(() => Promise.resolve(`file:${join(folder, "mfa.db")}`)));

describeWith("postgres", "second factors on PostgreSQL", () => factorsOn(postgresUrl));

describeWith("redis", "second factors on Redis", () => factorsOn(() => Promise.resolve(`${redisUrl()}#${redisPrefix()}`)));
