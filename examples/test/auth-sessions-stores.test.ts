// Refresh rotation and sessions on stores that several processes share, and with several processes that share them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthOptions, AuthResult, AuthStore, TokenPair } from "@portcullis/auth";
import type { StoreLifecycle } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { CAP, openAuth, type Opened, openStore, type Refreshed, type SessionJob, type StoreTarget } from "./auth-sessions-setup.js";

const PROCESSES = 2;
const ROUNDS = 5;
const GRACE_MS = 10_000;
const CONTENDER = new URL("./auth-sessions-contender.ts", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "portcullis-sessions-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

function codeOf(result: AuthResult<unknown>): number | "ok" {
  return result.kind === "ok" ? "ok" : result.problem.code;
}

function valueOf<Value>(result: AuthResult<Value>): Value {
  if (result.kind === "denied") throw new Error(`denied: ${result.problem.code}`);
  return result.value;
}

function sessionsOn(newTarget: () => Promise<StoreTarget>): void {
  let target: StoreTarget;
  let store: AuthStore & Pick<StoreLifecycle, "close">;
  let contenders: readonly Child[];

  beforeAll(async () => {
    target = await newTarget();
    store = await openStore(target);
    contenders = Array.from({ length: PROCESSES }, (_, place) => startChild(CONTENDER, JSON.stringify(target), String(place)));
    children.push(...contenders);
    for (const child of contenders) expect(await child.line()).toBe("ready");
  });
  afterAll(() => store.close());

  async function answerOf<Answer>(child: Child): Promise<Answer> {
    return JSON.parse((await child.line()) ?? "") as Answer; // what auth-sessions-contender.ts prints
  }
  async function everybody<Answer>(job: SessionJob): Promise<readonly Answer[]> {
    for (const child of contenders) child.tell(JSON.stringify(job));
    return Promise.all(contenders.map((child) => answerOf<Answer>(child)));
  }
  async function accountIn(users: ReturnType<typeof openAuth>["users"], email: string): Promise<string> {
    const account = await users.create({
      ...{ type: "user", email, name: undefined, passwordHash: undefined, mustChangePassword: false },
      ...{ roles: ["member"], orgRoles: [], orgId: undefined, workspaceId: undefined },
    });
    return account?.id ?? "";
  }

  /** Runs on a store of its own view, whose clock the test moves. */
  async function timed(
    use: (auth: ReturnType<typeof openAuth>["auth"], clock: ManualClock, userId: string) => Promise<void>,
    options = {},
  ) {
    const clock = createManualClock();
    const view = await openStore(target, clock);
    try {
      const { auth, users } = openAuth(view, 0, { clock, ...options } satisfies Partial<AuthOptions>);
      await use(auth, clock, await accountIn(users, `${crypto.randomUUID()}@example.com`));
    } finally {
      await view.close();
    }
  }

  it("AUTH-R4 AUTH-R5 the grace is half-open on the store's clock, and over once the successor was redeemed", async () => {
    await timed(async (auth, clock, userId) => {
      const open = async (): Promise<TokenPair> => auth.createTokenPair({ userId, role: "member" });
      const [late, early, redeemed] = [await open(), await open(), await open()];
      for (const { refreshToken } of [late, early]) valueOf(await auth.refresh(refreshToken));
      clock.advance(GRACE_MS - 1);
      const again = valueOf(await auth.refresh(early.refreshToken));
      expect(valueOf(await auth.refresh(early.refreshToken)).refreshToken).toBe(again.refreshToken);
      clock.advance(1);
      expect(codeOf(await auth.refresh(late.refreshToken))).toBe(1008);
      expect(codeOf(await auth.refresh(late.refreshToken))).toBe(1004);
      expect(codeOf(await auth.verifyAccessToken(late.accessToken))).toBe(1004);
      const second = valueOf(await auth.refresh(redeemed.refreshToken));
      valueOf(await auth.refresh(second.refreshToken));
      expect(codeOf(await auth.refresh(redeemed.refreshToken))).toBe(1008);
      expect(codeOf(await auth.refresh(again.refreshToken))).toBe("ok");
    });
  });

  it("AUTH-S8 AUTH-S9 sessions are listed and ended by their owner, and end when they lie idle", async () => {
    const options = { sessions: { idleMs: 900_000 } };
    await timed(async (auth, clock, userId) => {
      const pairs = [];
      for (let opened = 0; opened < 4; opened += 1) {
        pairs.push(await auth.createTokenPair({ userId, role: "member" }, { amr: ["pwd"], client: { ip: "203.0.113.7" } }));
        clock.advance(1);
      }
      const [first, second, third, own] = pairs as [TokenPair, TokenPair, TokenPair, TokenPair]; // four were opened
      const token = valueOf(await auth.verifyAccessToken(own.accessToken));
      const listed = (await auth.sessions.list(token)).map(({ id, current, ip, amr }) => ({ id, current, ip, amr }));
      expect(listed).toEqual(
        [own, third, second, first].map(({ sessionId }) => ({
          ...{ id: sessionId, current: sessionId === own.sessionId, ip: "203.0.113.7", amr: ["pwd"] },
        })),
      );
      expect(codeOf(await auth.sessions.revoke(token, second.sessionId))).toBe("ok");
      expect(codeOf(await auth.sessions.revoke(token, second.sessionId))).toBe(3001);
      expect((await auth.sessions.revokeOthers(token)).toSorted()).toEqual([first.sessionId, third.sessionId].toSorted());
      for (const { accessToken } of [first, second, third]) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
      clock.advance(900_000);
      expect(await auth.sessions.list(token)).toEqual([]);
      expect(codeOf(await auth.verifyAccessToken(own.accessToken))).toBe(1004);
      expect(codeOf(await auth.refresh(own.refreshToken))).toBe(1004);
    }, options);
  });

  it("AUTH-R2 AUTH-R3 parallel refreshes in two processes, with their secrets in different order, have one successor", async () => {
    const { auth, users } = openAuth(store, 0);
    const userId = await accountIn(users, "parallel@example.com");
    for (let round = 0; round < ROUNDS; round += 1) {
      const first = await auth.createTokenPair({ userId, role: "member" });
      const results = await everybody<Refreshed>({ job: "refresh", token: first.refreshToken, times: 25 });
      const answers = results.flatMap((result) => result.answers);
      expect(answers.filter(({ code }) => code !== undefined)).toEqual([]);
      expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
      const events = results.flatMap((result) => result.events);
      expect(events.filter((kind) => kind === "token_refreshed")).toHaveLength(1);
      expect(events.filter((kind) => kind === "refresh_repeated")).toHaveLength(25 * PROCESSES - 1);
      for (const { accessToken } of answers) expect(codeOf(await auth.verifyAccessToken(accessToken ?? ""))).toBe("ok");
      const next = valueOf(await auth.refresh(answers[0]?.refreshToken ?? ""));
      expect(codeOf(await auth.refresh(first.refreshToken))).toBe(1008);
      expect(codeOf(await auth.refresh(next.refreshToken))).toBe(1004);
    }
  }, 60_000);

  it("AUTH-R8 nothing is accepted that another process minted while this one logged out", async () => {
    const { auth, users } = openAuth(store, 0);
    const userId = await accountIn(users, "logout@example.com");
    for (let round = 0; round < ROUNDS; round += 1) {
      const pair = await auth.createTokenPair({ userId, role: "member" });
      const racing = everybody<Refreshed>({ job: "refresh", token: pair.refreshToken, times: 10 });
      valueOf(await auth.logoutByRefresh(pair.refreshToken));
      for (const { code, accessToken, refreshToken } of (await racing).flatMap(({ answers }) => answers)) {
        if (code !== undefined) expect(code).toBe(1004);
        else {
          expect(codeOf(await auth.verifyAccessToken(accessToken ?? ""))).toBe(1004);
          expect(codeOf(await auth.refresh(refreshToken ?? ""))).toBe(1004);
        }
      }
    }
  }, 60_000);

  it.each(["evict-oldest", "refuse"] as const)("AUTH-S7 logins in two processes never exceed the cap (%s)", async (whenFull) => {
    const { auth } = openAuth(store, 0);
    const userId = `many-${whenFull}`;
    const results = await everybody<Opened>({ job: "open", userId, times: 10, whenFull });
    const open = (await store.sessions.list(userId)).map(({ id }) => id);
    expect(open).toHaveLength(CAP);
    const verdicts = [];
    for (const token of results.flatMap(({ accessTokens }) => accessTokens)) verdicts.push(codeOf(await auth.verifyAccessToken(token)));
    expect(verdicts.filter((verdict) => verdict === "ok")).toHaveLength(CAP);
    const gone = 10 * PROCESSES - CAP;
    const evicted = results.flatMap((result) => result.evicted);
    expect(evicted).toHaveLength(whenFull === "refuse" ? 0 : gone);
    expect(new Set([...evicted, ...open]).size).toBe(evicted.length + CAP);
    expect(results.reduce((sum, { refused }) => sum + refused, 0)).toBe(whenFull === "refuse" ? gone : 0);
  });

  it("AUTH-R10 a process that is killed between the exchange and its answer costs the client one retry", async () => {
    const { auth, users } = openAuth(store, 0);
    const pair = await auth.createTokenPair({ userId: await accountIn(users, "crash@example.com"), role: "member" });
    // At an odd place: it makes the successor with another secret than the process that answers the retry has in front.
    const dying = startChild(CONTENDER, JSON.stringify(target), "1");
    children.push(dying);
    expect(await dying.line()).toBe("ready");
    dying.tell(JSON.stringify({ job: "exchange_and_hang", token: pair.refreshToken } satisfies SessionJob));
    expect(await answerOf<string>(dying)).toBe("exchanged");
    await dying.kill();
    expect(await store.sessions.find(pair.sessionId)).toMatchObject({ previousHash: expect.any(String) as string });
    const retried = valueOf(await auth.refresh(pair.refreshToken));
    const [elsewhere] = await everybody<Refreshed>({ job: "refresh", token: pair.refreshToken, times: 1 });
    expect(elsewhere?.answers[0]?.refreshToken).toBe(retried.refreshToken);
    expect(codeOf(await auth.verifyAccessToken(retried.accessToken))).toBe("ok");
    expect(codeOf(await auth.refresh(retried.refreshToken))).toBe("ok");
  }, 60_000);
}

describe("sessions on a SQLite file", () =>
  sessionsOn(() => Promise.resolve({ kind: "sql", url: `file:${join(folder, "sessions.db")}`, prefix: "" })));

describeWith("postgres", "sessions on PostgreSQL", () => sessionsOn(async () => ({ kind: "sql", url: await postgresUrl(), prefix: "" })));

describeWith("redis", "sessions on Redis", () =>
  sessionsOn(() => Promise.resolve({ kind: "redis", url: redisUrl(), prefix: redisPrefix() })),
);
