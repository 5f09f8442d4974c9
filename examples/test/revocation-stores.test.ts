// AUTH-J14: how long a process accepts a token that another one has ended, from the moment when that one was told so, on stores that
// processes share. Nothing is slowed down or simulated: two processes, one of which verifies as fast as it can.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthResult } from "@portcullis/auth";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { nowMs, openWatchedAuth, type Watched, type WatchTarget } from "./revocation-watch.js";

const WATCHER = new URL("./revocation-watcher.ts", import.meta.url).href;
const ROUNDS = 10;
/** With the messages cut, this is what counts. */
const BOUND_MS = 300;
/** With them, this must not: it is longer than any test waits. */
const LONG_MS = 60_000;
const SOON_MS = 2_000; // of a busy machine; see the figures
const folder = mkdtempSync(join(tmpdir(), "portcullis-revocation-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

type Place = Pick<WatchTarget, "url" | "prefix">;
type End = "logout" | "logoutAll" | "revokeUser" | "setDisabled" | "accountChanged" | "refreshReuse";
const ENDS: readonly End[] = ["logout", "logoutAll", "revokeUser", "setDisabled", "accountChanged", "refreshReuse"];

/** Ms from the acknowledgement of each ending to the beginning of the last verification that did not know of it. */
async function lags(place: Place, how: Pick<WatchTarget, "hears" | "maxStalenessMs">, ends: readonly End[]): Promise<number[]> {
  const target: WatchTarget = { ...place, ...how };
  const watcher = startChild(WATCHER, JSON.stringify(target));
  children.push(watcher);
  expect(await watcher.line()).toBe("ready");
  const { auth, createUser, close } = await openWatchedAuth(target);
  const found: number[] = [];
  for (const end of ends) {
    const userId = await createUser();
    const { accessToken, refreshToken } = await auth.createTokenPair({ userId, role: "member" });
    watcher.tell(accessToken);
    expect(await watcher.line()).toBe('"accepted"');
    const token = valueOf(await auth.verifyAccessToken(accessToken));
    if (end === "logout") await auth.logout(token);
    else if (end === "logoutAll") valueOf(await auth.logoutAll(token));
    else if (end === "revokeUser") await auth.revokeUser(userId);
    else if (end === "setDisabled") await auth.setDisabled(userId, true);
    else if (end === "accountChanged") await auth.accountChanged(userId, { rights: "raised" });
    else {
      // The token's session ends by what somebody else does with it.
      const next = valueOf(await auth.refresh(refreshToken));
      valueOf(await auth.refresh(next.refreshToken));
      expect((await auth.refresh(refreshToken)).kind).toBe("denied");
    }
    const endedAtMs = nowMs();
    const { lastAcceptedAtMs, accepted } = JSON.parse((await watcher.line()) ?? "") as Watched; // what the watcher says
    expect(accepted).toBeGreaterThan(0);
    found.push(lastAcceptedAtMs - endedAtMs);
  }
  await close();
  await watcher.kill();
  return found;
}

function valueOf<T>(result: AuthResult<T>): T {
  if (result.kind === "ok") return result.value;
  throw new Error(`denied: ${result.problem.code}`);
}

async function tell(context: TestContext, what: string, found: readonly number[]): Promise<void> {
  const sorted = [...found].sort((a, b) => a - b);
  const shown = [sorted[sorted.length >> 1], sorted.at(-1)].map((ms = Number.NaN) => Math.max(0, ms).toFixed(1));
  await context.annotate(`${what}: median ${shown[0]} ms, longest ${shown[1]} ms of ${found.length}`);
}

function rulesOn(place: () => Promise<Place>): void {
  it(`AUTH-J14 with the messages cut, nothing is accepted for longer than the bound`, { timeout: 120_000 }, async (context) => {
    const ends = Array.from({ length: ROUNDS }, (_, round) => ENDS[round % ENDS.length] ?? "logout");
    const found = await lags(await place(), { hears: false, maxStalenessMs: BOUND_MS }, ends);
    await tell(context, `messages cut, bound ${BOUND_MS} ms`, found);
    for (const ms of found) expect(ms).toBeLessThan(BOUND_MS);
  });

  it(
    `AUTH-J14 with messages, whatever ends a token is known elsewhere at once, long before the bound`,
    { timeout: 120_000 },
    async (context) => {
      const found = await lags(await place(), { hears: true, maxStalenessMs: LONG_MS }, [...ENDS, ...ENDS]);
      await tell(context, `messages heard, bound ${LONG_MS} ms`, found);
      for (const ms of found) expect(ms).toBeLessThan(SOON_MS);
    },
  );

  it(`AUTH-J14 with a bound of 0 nothing is accepted after the acknowledgement`, { timeout: 120_000 }, async (context) => {
    const found = await lags(await place(), { hears: false, maxStalenessMs: 0 }, ENDS);
    await tell(context, "bound 0", found);
    for (const ms of found) expect(ms).toBeLessThan(0);
  });
}

describeWith("redis", "revocation on Redis", () => rulesOn(() => Promise.resolve({ url: redisUrl(), prefix: redisPrefix() })));

describeWith("postgres", "revocation on PostgreSQL", () => rulesOn(async () => ({ url: await postgresUrl(), prefix: "" })));

describe("revocation on a SQLite file", () =>
  rulesOn(() => Promise.resolve({ url: `file:${join(folder, `${randomUUID()}.db`)}`, prefix: "" })));
