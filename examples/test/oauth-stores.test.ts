// Logins over a provider on stores that several processes share: a state and a code work once, one person is one account.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFetchHandler } from "@portcullis/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitHubServer, startGitHub } from "../../packages/auth/test/github-server.js";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { API, type Hit, type HitAnswer, type OAuthService, oauthServiceOn, openAuthStore } from "./oauth-service.js";

const PROCESSES = 3;
const TRIES = 50;
const CONTENDER = fileURLToPath(new URL("./oauth-contender.ts", import.meta.url));
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const folder = mkdtempSync(join(tmpdir(), "portcullis-oauth-"));
const children: Child[] = [];
let github: GitHubServer;

beforeAll(async () => {
  github = await startGitHub();
});
afterAll(async () => {
  for (const child of children) await child.kill();
  await github.close();
  rmSync(folder, { recursive: true });
});

function loginsOn(newTarget: () => Promise<string>): void {
  let people = 600_000;
  let here: OAuthService;
  let handler: (request: Request) => Promise<Response>;
  let contenders: readonly Child[];
  let close: () => Promise<void>;

  beforeAll(async () => {
    const target = await newTarget();
    const opened = await openAuthStore(target);
    close = opened.close;
    here = oauthServiceOn(opened.store, github.url, { delivery: "code" });
    handler = toFetchHandler(here.app);
    contenders = Array.from({ length: PROCESSES }, () => startChild(CONTENDER, target, github.url, "code"));
    children.push(...contenders);
    for (const child of contenders) expect(await child.line()).toBe("ready");
  }, 60_000);
  afterAll(() => close());

  /** Somebody whom GitHub knows and we do not. */
  function stranger(): string {
    people += 1;
    const email = `person-${people}@example.com`;
    github.user = { status: 200, body: { id: people, login: `person-${people}`, name: null } };
    github.emails = { status: 200, body: [{ email, primary: true, verified: true }] };
    return email;
  }

  /** A login up to its last step. */
  async function callback(): Promise<Hit> {
    const start = await handler(new Request(`${API}/auth/oauth/github?code_challenge=${CHALLENGE}`));
    const cookie = String(start.headers.getSetCookie()[0]?.split(";")[0]);
    const authorized = await fetch(String(start.headers.get("location")), { redirect: "manual" });
    return { url: String(authorized.headers.get("location")), headers: { cookie } };
  }

  /** All at once, in all processes. */
  async function race(hits: readonly Hit[]): Promise<readonly HitAnswer[]> {
    for (const [place, child] of contenders.entries()) child.tell(JSON.stringify(hits.filter((_, index) => index % PROCESSES === place)));
    const answers = await Promise.all(contenders.map(async (child) => JSON.parse((await child.line()) ?? "[]") as HitAnswer[]));
    return answers.flat();
  }
  const exchange = (code: string): Hit => ({
    url: `${API}/auth/oauth/token`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, code_verifier: VERIFIER }),
  });
  const codeOf = (answer: HitAnswer | undefined): string => String(new URL(String(answer?.location)).searchParams.get("code"));

  it("AUTH-O2 of fifty callbacks with one state in three processes one gets in", async () => {
    stranger();
    const hit = await callback();
    const answers = await race(Array.from({ length: TRIES }, () => hit));
    expect(answers.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(TRIES - 1);
  });

  it("AUTH-O11 of fifty exchanges of one code in three processes one gets tokens", async () => {
    const email = stranger();
    const [answer] = await race([await callback()]);
    const answers = await race(Array.from({ length: TRIES }, () => exchange(codeOf(answer))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const account = await here.users.byEmail(email);
    expect(await here.store.sessions.list(String(account?.id))).toHaveLength(1);
  });

  it("AUTH-O8 twelve first logins of one person in three processes make one account with one identity, and all get in", async () => {
    const email = stranger();
    const before = (await here.users.list({ limit: 1 })).total;
    const hits = await Promise.all(Array.from({ length: 12 }, () => callback()));
    const answers = await race(hits);
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(303));
    expect((await here.users.list({ limit: 1 })).total).toBe(before + 1);
    const account = await here.users.byEmail(email);
    expect(await here.oauth.identities(String(account?.id))).toHaveLength(1);
    const exchanged = await race(answers.map((answer) => exchange(codeOf(answer))));
    expect(exchanged.map(({ status }) => status)).toEqual(Array(12).fill(200));
  });

  it("AUTH-O9 an identity that is unlinked in one process opens nothing in another", async () => {
    const email = stranger();
    await race([await callback()]);
    const account = await here.users.byEmail(email);
    const pending = await race([await callback()]);
    await here.oauth.forget(String(account?.id));
    const exchanged = await race([exchange(codeOf(pending[0]))]);
    expect(exchanged.map(({ status }) => status)).toEqual([400]);
  });
}

describe("logins over a provider on SQLite", () => loginsOn(async () => `file:${join(folder, "oauth.sqlite")}`));
describeWith("postgres", "logins over a provider on PostgreSQL", () => loginsOn(postgresUrl));
describeWith("redis", "logins over a provider on Redis", () => loginsOn(async () => `${redisUrl()}#${redisPrefix()}`));
